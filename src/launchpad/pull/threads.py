"""Starting a thread, with a reason when there can be none."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from launchpad.errors import PullError


def start_thread(work: Callable[[], None]) -> Thread:
    """Run `work` in a thread that does not keep the program alive. Raises `PullError`."""
    thread = Thread(target=work, name="launchpad-pull", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise PullError(
            "launchpad cannot start a thread.",
            why="A limit on processes or memory is reached (`ulimit -u`, `ulimit -v`).",
            hint="Raise the limit, or close other programs.",
        ) from error
    return thread

"""Progress on stderr: a bar on a terminal, a line now and then elsewhere, or JSON lines."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from launchpad.cli.render import duration, gb
from launchpad.events import (
    EngineLoading,
    EngineReady,
    EngineStarting,
    Event,
    PullFinished,
    PullProgress,
    PullStarted,
    Report,
    ignore,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from launchpad.cli.loading import LoadingLine

PLAIN_SECONDS = 5.0  # between two plain lines


@contextmanager
def progress(style: str) -> Iterator[Report]:
    """A receiver of events in the given style: auto, plain, json or none. The terminal is restored at the end."""
    if style == "none":
        yield ignore
    elif style == "json":
        yield _json
    elif style == "auto" and sys.stderr.isatty():
        bar = _Bar()
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield _Lines()


def _json(event: Event) -> None:
    import msgspec

    sys.stderr.write(msgspec.json.encode(event).decode() + "\n")
    sys.stderr.flush()


class _Lines:
    """A line at the start, every few seconds, and at the end."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, PullStarted):
            have = f", {gb(event.have)} are here" if event.have else ""
            self._say(f"pulling {event.ref} ({gb(event.size)}{have})")
            self._last = time.monotonic()
        elif isinstance(event, PullProgress) and time.monotonic() - self._last >= PLAIN_SECONDS:
            self._last = time.monotonic()
            share = (
                f"{100 * event.done / event.size:.0f} % of {gb(event.size)}" if event.size else gb(event.done)
            )
            self._say(share + (f", {gb(int(event.rate))}/s" if event.rate else ""))
        elif isinstance(event, PullFinished):
            self._say(f"pulled and verified in {duration(event.seconds)}")

    def _say(self, text: str) -> None:
        from launchpad.sanitize import clean

        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


class _Bar:
    """A rich progress bar with bytes, rate and time left; while an engine loads, a line that says so."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._loading: LoadingLine | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, EngineStarting):
            self.close()
            self._loading = _loading_line(event.model)
        elif isinstance(event, EngineReady):
            self.close()
        elif isinstance(event, EngineLoading):
            if self._loading:
                self._loading.says(event.detail or "", event.fraction)
        elif isinstance(event, PullStarted):
            self._begin("pulling", event.size, event.have)
        elif isinstance(event, PullProgress):
            if self._progress is None or self._task is None:  # hashing what is here, with nothing to pull
                self._begin("checking", event.size, 0)
            if self._progress and self._task is not None:
                self._progress.update(self._task, completed=event.done)
        elif isinstance(event, PullFinished):
            self.close()
            _Lines()(event)
        elif self._loading:
            self._loading.make_way()

    def close(self) -> None:
        """Take the bar or line away and give the cursor back."""
        if self._loading:
            self._loading.close()
            self._loading = None
        if self._progress:
            self._progress.stop()
            self._progress = None

    def _begin(self, what: str, size: int | None, have: int) -> None:
        from rich import progress as bars
        from rich.console import Console
        from rich.table import Column

        self.close()
        whole = Column(no_wrap=True)  # on a narrow terminal the bar gives way
        self._progress = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.DownloadColumn(table_column=whole),
            bars.TransferSpeedColumn(table_column=whole),
            bars.TimeRemainingColumn(table_column=whole),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._task = self._progress.add_task(what, total=size, completed=have)


def _loading_line(model: str) -> LoadingLine | None:
    """None where a line cannot be taken back."""
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return None
    from launchpad.cli.loading import LoadingLine

    return LoadingLine(model)

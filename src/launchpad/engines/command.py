"""What to start: the command of an engine and the environment that it may see."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from msgspec import Struct

TOKEN_VARIABLE = "LAUNCHPAD_ENGINE_TOKEN"  # noqa: S105  (the name of the variable; a start token is no secret)

# /proc/<pid>/environ is readable, inherited and often logged: no credential goes there.
_SECRET = re.compile(
    r"TOKEN(?!IZER)|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|COOKIE", re.IGNORECASE
)

# Engines that read settings from the environment would not do what the plan says.
_SETTINGS = re.compile(r"LLAMA_ARG_|LAUNCHPAD_")

READY_VARIABLE = "LAUNCHPAD_READY_FILE"

_ALWAYS = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
}


class EngineCommand(Struct, frozen=True, kw_only=True):
    """How to start one engine.

    `stdin` is written to the engine's standard input, which is then closed: the way for secrets, which must stand
    neither in `argv` nor in `environment`. `grace` is the time in seconds between TERM and KILL. `size` is how many bytes
    loading brings into memory, to tell how far it is.
    """

    backend: str
    model: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = {}
    stdin: str = ""
    cwd: str | None = None
    grace: float = 5.0
    size: int | None = None


def clean_environment() -> dict[str, str]:
    """This process's environment without credentials and engine settings: what any child process may see."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _SECRET.search(name) and not _SETTINGS.match(name)
    }
    return kept | _ALWAYS

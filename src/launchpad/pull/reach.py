"""Asking a source for a sign of life: within seconds, also with a DNS that swallows questions, and not again at once."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import time

import msgspec
from msgspec import Struct

from launchpad.paths import cache_dir
from launchpad.plugins.spec import Reachability
from launchpad.pull.http import Unfit, client, transport_errors
from launchpad.pull.options import PullOptions
from launchpad.pull.urls import public

REMEMBERED = 60.0  # seconds that a failure is believed without asking again
_PROXIES = (
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
)


class _Failure(Struct, frozen=True):
    at: float
    why: str
    hint: str | None


def ask_source(url: str, *, timeout: float, hint: str) -> Reachability:
    """Say whether the server of `url` answers within `timeout` seconds. Never raises.

    Any answer but a server error counts. A failure is remembered for a minute, so that an unreachable source costs
    its seconds once, not in every command.
    """
    memory = _place(url)
    if known := _recall(memory):
        return Reachability(ok=False, why=known.why, hint=known.hint)
    answers: list[Reachability] = []
    # A thread of its own, and a daemon: no timeout of the HTTP library ends a name lookup that hangs.
    asking = Thread(target=lambda: answers.append(_ask(url, timeout, hint)), daemon=True)
    asking.start()
    asking.join(timeout)
    answer = answers[0] if answers else _silent(url, f"no answer within {timeout:g} s", hint)
    if not answer.ok:
        with suppress(OSError):
            _remember(memory, answer)
    return answer


def _ask(url: str, timeout: float, hint: str) -> Reachability:
    options = PullOptions(stall_seconds=timeout, connect_seconds=timeout)
    try:
        with client(options) as http, transport_errors(url):
            status = http.head(url).status_code
    except Unfit as unfit:
        return _silent(url, (unfit.error.why or unfit.error.what).removeprefix(f"For {public(url)}: "), hint)
    except Exception as error:  # a malformed address or proxy variable must not end the command
        return _silent(url, f"{type(error).__name__}: {error}", hint)
    if status >= 500 or status == 407:
        return _silent(url, f"it answers {status}", hint)
    return Reachability(ok=True)


def _silent(url: str, cause: str, hint: str) -> Reachability:
    host = public(url).partition("://")[2].partition("/")[0]
    return Reachability(ok=False, why=f"{host} cannot be reached ({cause.rstrip('.')})", hint=hint)


def _place(url: str) -> Path:
    # Who sets a proxy after a failure must not be told of the time before.
    known_by = [url, *(f"{name}={os.environ.get(name, '')}" for name in _PROXIES)]
    name = hashlib.sha256("\n".join(known_by).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_dir() / "reachability" / f"{name}.json"


def _recall(memory: Path) -> _Failure | None:
    try:
        failure = msgspec.json.decode(memory.read_bytes(), type=_Failure)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return failure if 0 <= time() - failure.at < REMEMBERED else None  # a clock that was set back forgets


def _remember(memory: Path, answer: Reachability) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    temporary = memory.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.json.encode(_Failure(time(), answer.why or "", answer.hint)))
    temporary.replace(memory)

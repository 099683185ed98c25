"""The keeper: a small process that owns a kept engine, as a command owns one that ends with it.

    keeper ──stdin──▶ guard ──▶ engine ──▶ workers
           ◀─stdout──       ◀─output pipe─

It is handed the guard's pipes by the command that started the engine (`kept.keep`), unloads the engine when nobody has
used it for the stated time, and notes how it ended. When the keeper is killed the guard ends the engine; when the guard
is killed the keeper ends what is left. It never talks to the engine and knows no key.

In: one JSON object (`token`, `to_guard`, `from_guard`, `idle`, `grace`) on standard input, then the line `go` once the
guard obeys the keeper. Out: the line `ready`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from msgspec.structs import replace

from launchpad.engines import registry, use
from launchpad.engines.activity import Activity
from launchpad.engines.failure import EngineExit, oom_kills
from launchpad.engines.state import State

LEEWAY = 5.0  # s beyond the engine's grace before the guard is killed, too
LOOKS = 20  # looks per idle time
LONGEST_LOOK, SHORTEST_LOOK = 5.0, 0.05  # s


class Keeper:
    """One kept engine, from the moment it is handed over to its end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._token: str = job["token"]
        self._to_guard: int = job["to_guard"]
        self._from_guard: int = job["from_guard"]
        self._idle: float | None = job["idle"]
        self._grace: float = job["grace"]
        self._heard = b""
        self._oom_kills = oom_kills() or 0
        self._stopping = False
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_stopping", True))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._poll.register(self._from_guard, select.POLLIN)

    def keep(self) -> None:
        """Until the engine has ended, by itself or because nobody needed it."""
        record = registry.read(self._token)
        if record is None or record.engine is None:
            self._stopping = True
        else:
            activity = Activity(record.engine.pid)
            looked, unused = time.monotonic(), 0.0
            while not self._stopping and self._wait(pause := self._pause()):
                looked, gap = (now := time.monotonic()), now - looked
                if use.is_held(self._token, "attached") or activity.seen():
                    unused = 0.0
                    use.touch(self._token)
                else:
                    unused += min(gap, 2 * pause)  # in a longer one neither we nor others could do anything
                    if self._idle is not None and unused >= self._idle and self._claim():
                        break
        self._end()

    def _pause(self) -> float:
        if self._idle is None:
            return LONGEST_LOOK
        return min(max(self._idle / LOOKS, SHORTEST_LOOK), LONGEST_LOOK)

    def _claim(self) -> bool:
        """Take the engine for ourselves: from here on nobody can attach to it. The lock ends with this process."""
        return use.take(self._token, "attached", alone=True) is not None

    def _wait(self, seconds: float) -> bool:
        """Wait for that time or for news; False when the guard says that the engine has ended, or has ended itself."""
        for fd, _ in self._poll.poll(seconds * 1000):
            if fd == self._from_guard:
                data = os.read(fd, 65536)
                self._heard += data
                if not data or b'"exited"' in self._heard:
                    return False
        return True

    # -- the end ------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        asked = b'"exited"' not in self._heard and self._guard_lives()
        if asked:
            self._note(state=State.STOPPING)
            with contextlib.suppress(OSError):
                os.write(self._to_guard, b"stop\n")
            limit = time.monotonic() + self._grace + LEEWAY
            while time.monotonic() < limit and self._wait(0.1):
                pass
        self._sweep()
        if asked:
            registry.forget(self._token)
        else:
            self._note(state=State.FAILED, ended=str(self._exit()))

    def _guard_lives(self) -> bool:
        """Whether the guard is there: its pipe is open and holds nothing."""
        return not select.select([self._from_guard], [], [], 0)[0]

    def _sweep(self) -> None:
        """End what the guard has not: all of it, when the guard was killed or hangs."""
        record = registry.read(self._token)
        if record is not None:
            registry.end(self._token, record.guard, 1.0)

    def _exit(self) -> EngineExit:
        """How it ended, in the guard's words."""
        for line in self._heard.splitlines():
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if said.get("event") == "exited":
                    short = (oom_kills() or 0) > self._oom_kills
                    return EngineExit(code=said.get("code"), signal=said.get("signal"), out_of_memory=short)
        return EngineExit()

    def _note(self, **changes: Any) -> None:
        record = registry.read(self._token)
        if record is not None:
            registry.write(replace(record, **changes))


def main() -> int:
    """Keep one engine."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    job = json.loads(sys.stdin.buffer.readline())
    keeper = Keeper(job)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.close(1)
    if (
        sys.stdin.buffer.readline() != b"go\n"
    ):  # the command died before it had handed over: so does the engine
        keeper._stopping = True
    keeper.keep()
    return 0


if __name__ == "__main__":
    code = main()
    os._exit(code)  # standard output is closed: the interpreter's own end would complain

"""A process that forks pulls and kills them: `LAUNCHPAD_FAULT` is read here, and nowhere in launchpad.

Reads one order per line from stdin, answers one line each. The faults:

    kill@N          SIGKILL before the N-th call that changes a file
    half@N          the same, but a write puts half of its bytes there first
    lose@N          the same as kill, and all that was not flushed is gone, as after a power cut
    errno@N:NAME    the N-th call, and all after it, fail with this error
    nolock          every lock is granted
"""

from __future__ import annotations

import errno
import io
import json
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from launchpad.errors import LaunchpadError
from launchpad.events import ignore
from launchpad.plugins.spec import Resolved
from launchpad.pull import crew, partial, stream, wire
from launchpad.pull.http import client
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.pull.unpinned import pinned

CHANGES = (
    "open",
    "write",
    "writev",
    "replace",
    "rename",
    "link",
    "symlink",
    "unlink",
    "mkdir",
    "rmdir",
    "fsync",
    "ftruncate",
)


class Shim:
    """Counts the calls that change files, and commits the fault at its turn."""

    def __init__(self, fault: str, roots: list[Path], shared: mmap.mmap) -> None:
        self.kind, _, rest = fault.partition("@")
        number, _, self.error = rest.partition(":")
        self.number = int(number or 0)
        self.roots, self.shared = roots, shared
        self.calls = 0
        self.lock, self.flushing = Lock(), Lock()
        self.real = {name: getattr(os, name) for name in CHANGES}
        self.durable: dict[tuple[int, int], bytes] = {}
        for path in self._files():
            with suppress(FileNotFoundError):  # another pull of this order has finished with it
                self.durable[self._identity(path)] = path.read_bytes()

    def install(self) -> None:
        for name in CHANGES:
            setattr(os, name, self._wrapped(name, self.real[name]))
        opened = io.open

        def open_(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if set(mode) & set("wax+") and isinstance(file, (str, os.PathLike)):
                self._step("open", ())
            return opened(file, mode, *args, **kwargs)

        io.open = open_
        add = stream.Writer.add

        def received(writer: stream.Writer, chunk: bytes) -> None:
            with self.lock:
                count = int.from_bytes(self.shared[:8], "little") + len(chunk)
                self.shared[:8] = count.to_bytes(8, "little")
            add(writer, chunk)

        stream.Writer.add = received  # type: ignore[method-assign]

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not args[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                return real(*args, **kwargs)
            self._step(name, args)
            if name != "fsync":
                return real(*args, **kwargs)
            # One at a time: an earlier flush that is noted late would take back what a later one made durable.
            with self.flushing:
                answer = real(*args, **kwargs)
                self._flushed(args[0])
                return answer

        return call

    def _step(self, name: str, args: tuple[Any, ...]) -> None:
        with self.lock:
            self.calls += 1
            self.shared[8:16] = self.calls.to_bytes(8, "little")
            turn = self.calls >= self.number if self.kind == "errno" else self.calls == self.number
            if not turn:
                return
            if self.kind == "errno":
                code = getattr(errno, self.error)
                raise OSError(code, os.strerror(code))
            if self.kind == "half" and name == "write":
                self.real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
            if self.kind == "half" and name == "writev":
                self.real["writev"](args[0], args[1][: len(args[1]) // 2])
            if self.kind == "lose":
                self._lose()
            if self.kind in ("kill", "half", "lose"):
                os.kill(os.getpid(), signal.SIGKILL)

    # -- what would survive a power cut ---------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        return [
            path
            for root in self.roots
            for path in root.rglob("*")
            if path.is_file() and not path.is_symlink()
        ]

    def _identity(self, path: Path | int) -> tuple[int, int]:
        info = os.stat(path)  # noqa: PTH116  it may be a descriptor
        return info.st_dev, info.st_ino

    def _flushed(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}")
        if path.is_file():
            self.durable[self._identity(descriptor)] = path.read_bytes()

    def _lose(self) -> None:
        """Names survive here and contents do not: the worst order in which a file system may write."""
        for path in self._files():
            kept = self.durable.get(self._identity(path), b"")
            if path.read_bytes() != kept:
                descriptor = self.real["open"](path, os.O_WRONLY)
                self.real["ftruncate"](descriptor, 0)
                self.real["write"](descriptor, kept)
                os.close(descriptor)


def work(order: dict[str, Any], shared: mmap.mmap) -> int:
    home = Path(order["home"])
    os.environ["HF_HUB_CACHE"], os.environ["LAUNCHPAD_HOME"] = str(home / "hub"), str(home / "own")
    os.environ["LAUNCHPAD_FAULT"] = order["fault"]
    crew._JOIN_EVERY = 0.0
    partial._SYNC_EVERY = order["sync_every"]
    wire.READ = order["read"]
    if order["fault"] == "nolock":
        import fcntl

        fcntl.flock = lambda *_: None  # type: ignore[assignment]
    shim = Shim(os.environ["LAUNCHPAD_FAULT"], [home], shared)
    shim.install()
    resolved = msgspec.convert(order["resolved"], Resolved)
    options = msgspec.convert(order["options"], PullOptions)
    try:
        pull(pinned(resolved, ignore, options), ignore, options=options)
    except LaunchpadError as error:
        shim.kind = "none"
        Path(order["home"] + ".error").write_text(str(error))
        return error.exit_code
    except BaseException:
        shim.kind = "none"
        Path(order["home"] + ".error").write_text(traceback.format_exc())
        return 99
    return 0


def main() -> None:
    client(PullOptions()).close()  # load what is loaded late, once for all children
    for line in sys.stdin:
        order = json.loads(line)
        shared = mmap.mmap(-1, 16)
        children = []
        for _ in range(order["count"]):
            if not (child := os.fork()):
                os._exit(work(order, shared))
            children.append(child)
        states = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        answer = {
            "codes": states,
            "received": int.from_bytes(shared[:8], "little"),
            "calls": int.from_bytes(shared[8:16], "little"),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

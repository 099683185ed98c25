"""Calls into plugins that cannot hurt the caller: a time limit, every exception caught, prints captured.

A call with a limit runs in a daemon thread of its own, so a plugin that hangs is left behind and the process still
ends promptly. What cannot be contained inside one process: `os._exit`, a crash in native code, writes to the file
descriptors 1 and 2, and prints from threads that the plugin starts itself. `--no-plugins` works against all of these.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO, TypeVar, cast

from launchpad.errors import LaunchpadError, SignalExit
from launchpad.sanitize import clean

T = TypeVar("T")

THREAD_NAME = "launchpad-plugin"
_KEPT_OUTPUT = 16 * 1024


class CallFailed(Exception):
    """A call into a plugin came back without a result. `str()` is one safe line; `__cause__` is what was raised."""

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Output:
    """The last 16 KiB that a plugin printed."""

    def __init__(self) -> None:
        self._tail = _Tail()
        self.stream = io.TextIOWrapper(
            cast("BinaryIO", self._tail), encoding="utf-8", errors="backslashreplace", write_through=True
        )

    @property
    def text(self) -> str:
        """What was printed, as it came."""
        return self._tail.kept.decode("utf-8", "replace")


class _Tail(io.BufferedIOBase):
    """Keeps the end of what is written, so that a plugin that prints for ever costs nothing."""

    def __init__(self) -> None:
        self.kept = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        block = bytes(data)
        self.kept = (self.kept + block)[-_KEPT_OUTPUT:]
        return len(block)


def isolated(function: Callable[[], T], *, limit: float | None, output: Output) -> T:
    """Call `function`, for at most `limit` seconds; its prints go to `output`.

    Without a limit the call runs in the caller's own thread: for what takes as long as it takes and must be able to be
    interrupted, such as the launch of an engine. `LaunchpadError` passes; everything else becomes `CallFailed`.
    """
    return _here(function, output) if limit is None else _in_thread(function, limit, output)


def uncaptured(function: Callable[..., T]) -> Callable[..., T]:
    """`function` for plugins to call back: what it prints is launchpad's own and reaches the terminal."""

    def call(*args: Any, **kwargs: Any) -> T:
        with _printing_to(None):
            return function(*args, **kwargs)

    return call


def _here(function: Callable[[], T], output: Output) -> T:
    with _redirected(), _printing_to(output.stream):
        try:
            return function()
        except (
            LaunchpadError,
            KeyboardInterrupt,
            SignalExit,
        ):  # Ctrl-C and SIGTERM are the user's, not the plugin's
            raise
        except BaseException as error:
            raise CallFailed(describe(error)) from error


def _in_thread(function: Callable[[], T], limit: float, output: Output) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        with _printing_to(output.stream):
            try:
                results.append(function())
            except BaseException as error:
                errors.append(error)

    with _redirected() as redirection:
        thread = threading.Thread(target=body, name=THREAD_NAME, daemon=True)
        thread.start()
        thread.join(limit)
        if results:
            return results[0]
        if errors:
            if isinstance(errors[0], LaunchpadError):
                raise errors[0]
            raise CallFailed(describe(errors[0])) from errors[0]
        redirection.keep()  # the thread that stays behind may still print
        raise CallFailed(f"no answer within {limit:g} s", timed_out=True)


def describe(error: BaseException) -> str:
    """The exception as one safe line, even when its own `str()` fails."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    first = clean(text.strip().partition("\n")[0])[:300]
    name = type(error).__name__
    return f"{name}: {first}" if first else name


# -- who prints where -------------------------------------------------------------------------------------------

_current = threading.local()


class _Router:
    """Stands in for `sys.stdout` or `sys.stderr`: a plugin's thread writes to its own stream, all others as before."""

    def __init__(self, real: TextIO) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_current, "stream", None) or self.real, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.real)


class _Redirection:
    """Counts the calls under way; the routers go in with the first and out with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._routers: dict[str, _Router] = {}

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            for name in ("stdout", "stderr"):
                # Somebody else (a test runner, a pager) may have replaced the stream since the last call.
                if not isinstance(getattr(sys, name), _Router) and getattr(sys, name) is not None:
                    self._routers[name] = _Router(getattr(sys, name))
                    setattr(sys, name, self._routers[name])

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for name, router in self._routers.items():
                    if getattr(sys, name) is router:
                        setattr(sys, name, router.real)
                self._routers.clear()

    def keep(self) -> None:
        """Never take the routers out again."""
        with self._lock:
            self._users += 1


_redirection = _Redirection()


@contextmanager
def _redirected() -> Iterator[_Redirection]:
    _redirection.enter()
    try:
        yield _redirection
    finally:
        _redirection.leave()


@contextmanager
def _printing_to(stream: TextIO | None) -> Iterator[None]:
    before = getattr(_current, "stream", None)
    _current.stream = stream
    try:
        yield
    finally:
        _current.stream = before

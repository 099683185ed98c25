"""Standard streams that no character, no closed descriptor and no full disk takes by surprise."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Unwritten(OSError):
    """Standard output refuses what is written there, which is not the fault of any other disk."""


class _Stdout(io.TextIOWrapper):
    """Standard output whose failures have a name of their own. A reader that went away stays `BrokenPipeError`."""

    def write(self, text: str, /) -> int:
        with _named():
            return super().write(text)

    def flush(self) -> None:
        with _named():
            super().flush()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritten(*error.args) from error


def terminal_gone(error: BaseException) -> bool:
    """Whether it failed because the terminal was closed."""
    failed = any(isinstance(each, OSError) and each.errno == errno.EIO for each in _chain(error))
    return failed and any(_hung_up(number) for number in (0, 1, 2))


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it came of."""
    found: list[BaseException] = []
    left: BaseException | None = error
    while left is not None and left not in found:
        found.append(left)
        left = left.__cause__ or left.__context__
    return found


def _hung_up(number: int) -> bool:
    """A terminal takes nothing, not even no bytes, once its window is closed."""
    try:
        if stat.S_ISCHR(os.fstat(number).st_mode):
            os.write(number, b"")
    except OSError as error:
        return error.errno == errno.EIO
    return False


def prepare_streams() -> None:
    """Never die of a character that the terminal's encoding lacks; a closed stream becomes the null device."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 -- lives as long as the process
        elif number and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
            if number == 1 and type(stream) is io.TextIOWrapper:
                sys.stdout = _named_stdout(stream)


def _named_stdout(stream: io.TextIOWrapper) -> TextIO:
    """The same stream; `sys.__stdout__` keeps the first one, and with it the descriptor, open."""
    return _Stdout(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )

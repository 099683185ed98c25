"""When standard input is part of the prompt, and how it is read without ever hanging in silence.

The rule:

- A terminal is never read as data.
- Without a prompt argument, or with `-`, standard input *is* the prompt: it is read to its end, however long that takes.
- With a prompt argument, a file or a pipe is appended to it. A pipe may also be one that somebody left open (CI, agents,
  ssh): after 2 s of silence one line on stderr says what is waited for, and after `patience` it is an error. An answer
  without the data that the user meant to pipe would be worse than no answer.
- Other devices (`/dev/null`) and sockets are not read next to a prompt argument.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from queue import Empty, Queue
from typing import Literal

from launchpad.errors import UsageError

StdinKind = Literal["terminal", "file", "pipe", "other", "closed"]
MAX_STDIN = 64 * 2**20  # bytes; no context holds more
NOTICE_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
_BLOCK = 2**16


def combine_prompt(argument: str | None, piped: str | None) -> str:
    """The whole prompt: the argument first, a blank line, then what was piped."""
    parts = [part for part in (argument if argument != "-" else None, (piped or "").rstrip("\n")) if part]
    return "\n\n".join(parts)


def stdin_kind(fd: int = 0) -> StdinKind:
    """What standard input is."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return "closed"
    if os.isatty(fd):
        return "terminal"
    if stat.S_ISREG(mode):
        return "file"
    return "pipe" if stat.S_ISFIFO(mode) else "other"


def wants_stdin(argument: str | None, kind: StdinKind) -> bool:
    """True if standard input belongs to the prompt."""
    if kind in ("terminal", "closed"):
        return False
    return argument in (None, "-") or kind in ("file", "pipe")


def read_stdin(
    argument: str | None,
    *,
    fd: int = 0,
    notice: Callable[[str], None] = lambda line: None,
    patience: float | None = PATIENCE_SECONDS,
    encoding: str = "utf-8",
) -> str | None:
    """The text of standard input if it belongs to the prompt, else None.

    `notice` gets one line if nothing comes for 2 s. `patience` in seconds, None = for ever, counts only until the first
    byte and only next to a prompt argument. Raises `UsageError` for silence, wrong bytes and too many of them.
    """
    kind = stdin_kind(fd)
    if not wants_stdin(argument, kind):
        return None
    blocks = _blocks(fd)
    data = bytearray(
        _first_block(blocks, None if kind == "file" or argument in (None, "-") else patience, notice)
    )
    while data and (block := blocks.get()):
        data += block
        if len(data) > MAX_STDIN:
            raise UsageError(
                f"Standard input is longer than {MAX_STDIN // 2**20} MiB.", why="No context holds that much."
            )
    return _decoded(bytes(data), encoding)


def _blocks(fd: int) -> Queue[bytes]:
    """What can be read, block by block; an empty block is the end.

    A thread waits in the plain read, because no wait with a time limit works for pipes on every system. It holds no
    lock that the end of the program would need.
    """
    blocks: Queue[bytes] = Queue(maxsize=16)

    def read() -> None:
        try:
            while block := os.read(fd, _BLOCK):
                blocks.put(block)
        except OSError:  # a folder, or closed under us: nothing to read
            pass
        blocks.put(b"")

    threading.Thread(target=read, name="read-stdin", daemon=True).start()
    return blocks


def _first_block(blocks: Queue[bytes], patience: float | None, notice: Callable[[str], None]) -> bytes:
    quiet = NOTICE_SECONDS if patience is None else min(NOTICE_SECONDS, patience)
    try:
        return blocks.get(timeout=quiet)
    except Empty:
        notice("Waiting for standard input (use < /dev/null if there is none).")
    try:
        return blocks.get(timeout=None if patience is None else patience - quiet)
    except (Empty, ValueError):  # ValueError: no patience is left
        raise UsageError(
            f"Standard input is open, but nothing came for {patience:g} s.",
            why="It may be a pipe that nobody writes to.",
            hint="Use < /dev/null if there is no input, or - in place of the prompt to wait as long as it takes.",
        ) from None


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise UsageError(f"There is no encoding named {encoding!r}.") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"Standard input is not {encoding}.",
            why=f"Byte {error.start} is 0x{data[error.start]:02x}.",
            hint="Convert it first (iconv), or name its encoding.",
        ) from error

"""Write a model's words to a stream: sanitized for a terminal, raw for a pipe, never a traceback for a wrong encoding."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Protocol, TextIO

from launchpad.errors import AnswerError
from launchpad.sanitize import Sanitizer

DIM, PLAIN = "\x1b[2m", "\x1b[22m"
LEAST_COLUMNS = 12  # for Markdown
FALLBACK_COLUMNS = 80  # of a terminal that does not say


def can_style(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """True if dim text can be shown: a terminal that is not dumb, and no `NO_COLOR`. `FORCE_COLOR` wins."""
    environ = os.environ if environ is None else environ
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") not in ("dumb", "unknown")


class Renderer(Protocol):
    """Turns sanitized text into what a terminal shows."""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        ...

    def close(self) -> str:
        """What was held back."""
        ...


def markdown_for(stream: TextIO) -> Renderer | None:
    """What shows Markdown on this terminal; None where nothing can be styled, or where lines have no room."""
    if not can_style(stream) or not stream.isatty():
        return None
    from prompt_toolkit.utils import get_cwidth

    from launchpad.chat.markdown import Markdown

    return Markdown(lambda: columns(stream), get_cwidth) if columns(stream) >= LEAST_COLUMNS else None


def columns(stream: TextIO) -> int:
    """The width of the terminal behind a stream, as it is now."""
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or FALLBACK_COLUMNS
    return FALLBACK_COLUMNS


def wrapped(stream: TextIO, text: str) -> str:
    """Our own lines, broken at words where a terminal would break them anywhere."""
    if not stream.isatty() or (width := columns(stream)) < LEAST_COLUMNS:
        return text
    import textwrap

    return "\n".join(
        textwrap.fill(line, width, break_on_hyphens=False, break_long_words=False)
        if len(line) > width
        else line
        for line in text.split("\n")
    )


class Writer:
    """One stream for a model's words.

    `sanitize` for terminals. `render` shapes what was sanitized. `before` is written ahead of the first piece and `after`
    at the `end`, as they are. A stream that is not `needed` may fail: then what is written to it is lost, and nothing else.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        sanitize: bool,
        render: Renderer | None = None,
        before: str = "",
        after: str = "",
        needed: bool = True,
    ) -> None:
        self._stream = stream
        self._sanitizer = Sanitizer() if sanitize or render else None
        self._render = render
        self._before = before
        self._after = after
        self._needed = needed
        self._held = ""  # newlines that are only written when more text follows
        self.started = False
        self.broken = False

    def write(self, text: str) -> None:
        """Write a piece as soon as it can be seen: at once on a terminal, by lines in a pipe."""
        if self._sanitizer is not None:
            text = self._sanitizer.feed(text)
        self._put(self._render.feed(text) if self._render else text)

    def end(self) -> None:
        """End with exactly one newline, if anything was written."""
        if self._sanitizer is not None:
            rest = self._sanitizer.close()
            self._put(self._render.feed(rest) + self._render.close() if self._render else rest)
        if self.started:
            self._held = ""
            self._emit(f"{self._after}\n", flush=True)
            self.started = False

    def _put(self, text: str) -> None:
        text = self._held + text
        body = text.rstrip("\r\n")
        self._held = text[len(body) :]
        if not body:
            return
        start = "" if self.started else self._before
        self.started = True
        self._emit(start + body, flush=self._sanitizer is not None or "\n" in text)

    def _emit(self, text: str, *, flush: bool) -> None:
        if self.broken:
            return
        with self._failing_well():
            write_text(self._stream, text)
            if flush:
                self._stream.flush()

    @contextmanager
    def _failing_well(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            self.broken = True
            silence(self._stream)
            if not self._needed:
                return
            if isinstance(error, BrokenPipeError) or (os.name == "nt" and error.errno == errno.EINVAL):
                raise BrokenPipeError(*error.args) from None
            raise AnswerError("The answer could not be written.", why=error.strerror or str(error)) from error


def write_text(stream: TextIO, text: str) -> None:
    """Write, with escapes for what the stream's encoding cannot say (`LC_ALL=C`)."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def settle(*streams: TextIO) -> None:
    """Write what is buffered; what a closed terminal does not take must not change the exit code, which Python makes 120."""
    for stream in streams:
        try:
            stream.flush()
        except (OSError, ValueError):
            silence(stream)


def silence(stream: TextIO) -> None:
    """Point a stream that cannot be written at nothing, so that what is buffered fails nowhere at exit."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)

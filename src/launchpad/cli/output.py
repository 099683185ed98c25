"""The one sink of the command line: answers and tables to stdout, everything else to stderr.

Text that launchpad did not write itself (names from catalogs, server errors, plugin names) passes `clean`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from msgspec import Struct

    from launchpad.cli.documents import ErrorRecord
    from launchpad.config.sections import OutputConfig
    from launchpad.errors import LaunchpadError
    from launchpad.events import Report

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def wants_color(stream: IO[str], setting: str = "auto") -> bool:
    """Color only where somebody sees it and nobody forbade it (NO_COLOR, TERM=dumb); FORCE_COLOR overrides.

    `setting` is `output.color`: always, never or auto.
    """
    if os.environ.get("FORCE_COLOR") or setting == "always":
        return True
    if setting == "never":
        return False
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


class Output:
    """Writes answers, tables, JSON, notes and errors; knows who is looking."""

    def __init__(self) -> None:
        self.json_mode = False
        self.quiet = False
        self.progress_style: str | None = None
        self._color = "auto"
        self._configured_progress = "auto"

    def configure(self, settings: OutputConfig) -> None:
        """Take over the configuration's wishes; the command line's win."""
        self._color = settings.color
        self._configured_progress = settings.progress

    # -- stdout: the answer -------------------------------------------------------------------------------------

    def line(self, text: str = "") -> None:
        """One line of the answer."""
        sys.stdout.write(text + "\n")

    def table(
        self,
        headers: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[int] = (),
        lead: int = 1,
        spare: Sequence[str] = (),
    ) -> None:
        """A plain table. In a pipe columns are padded and never cut, for `awk`; a terminal gets what fits its width.

        `right` holds the right-aligned columns, the first `lead` ones name a row, those in `spare` go first when the
        terminal is too narrow.
        """
        from launchpad.cli.layout import Table, lay_out

        if not all(
            _is_clean("".join(chain.from_iterable(rows[i : i + 1000]))) for i in range(0, len(rows), 1000)
        ):
            rows = [[clean_line(cell) for cell in row] for row in rows]
        lines, shed = lay_out(Table(headers, rows, right, lead, spare), self.width)
        shown = (self.style(line.text, "bold") if line.strong else line.text for line in lines)
        while some := list(islice(shown, 1000)):
            self.line("\n".join(some))
        if shed:
            self.note(f"not shown for want of width: {', '.join(shed)}")

    def field(self, label: str, text: str, *, column: int = 11) -> None:
        """One labelled line of the answer; on a terminal long text continues under its own column."""
        start = label.ljust(column)
        text = clean_line(text)
        if self.width is None:
            self.line(f"{start}{text}".rstrip())
            return
        from launchpad.cli.layout import wrap

        for line in wrap(text, self.width, first=start, rest=" " * column):
            self.line(line)

    @property
    def width(self) -> int | None:
        """Columns of the terminal behind stdout, None in a pipe."""
        return _columns(sys.stdout)

    def data(self, value: Struct) -> None:
        """One JSON document: `schema_version`, `kind`, then the fields of `value`, a type of `documents.KINDS`."""
        from launchpad.cli.json_text import json_text

        for part in json_text(value):
            sys.stdout.write(part)
        self.line()

    def style(self, text: str, *styles: str) -> str:
        """Mark text up for stdout, when color is wanted there."""
        return _styled(text, styles) if wants_color(sys.stdout, self._color) else text

    # -- stderr: everything else --------------------------------------------------------------------------------

    def note(self, text: str, *styles: str) -> None:
        """One line for the user that is not the answer, behind what was said before it, wherever both go."""
        if not self.quiet:
            sys.stdout.flush()
            self._stderr(text, styles or ("dim",))

    def stopped(self, *, within_a_line: bool) -> None:
        """The last word of a command that the user ended."""
        if within_a_line and sys.stderr.isatty():
            sys.stderr.write("\n")
        if not self.quiet:
            self._stderr("stopped", ("dim",))

    def warn(self, text: str) -> None:
        """One line that the user should act upon."""
        self._stderr(f"warning: {text}", ("yellow",))

    def error(self, error: LaunchpadError) -> None:
        """What happened, why, and what to do next: a line each; in JSON mode a document on stdout."""
        if self.json_mode and self._error_document(error):
            return
        self._stderr(f"error: {error.what}", ("red",))
        if error.why:
            self._stderr(f"  why: {error.why}", (), hang=5)
        if error.hint:
            self._stderr(f"  do:  {error.hint}", (), hang=5)
        for note in getattr(error, "__notes__", ()):
            for line in note.splitlines():
                self._stderr(f"  | {line}", ("dim",))

    def _error_document(self, error: LaunchpadError) -> bool:
        """Write it on stdout; False when nothing can be written there (any more)."""
        from launchpad.cli.documents import ErrorDocument

        try:
            self.data(ErrorDocument(error=error_record(error)))
            sys.stdout.flush()
        except (OSError, ValueError):
            from launchpad.chat.terminal import silence

            silence(sys.stdout)
            return False
        return True

    def usage_error(self, error: click.ClickException, *, wants_json: bool) -> None:
        """A mistake on the command line. It can happen before `--json` was understood, hence `wants_json`."""
        import click

        from launchpad.errors import UsageError

        context = error.ctx if isinstance(error, click.UsageError) else None
        command = context.command_path if context else "launchpad"
        what, hint = error.format_message(), f"`{command} --help` shows the usage."
        if isinstance(error, click.NoSuchOption) and context and context.parent:
            of_root = {name for option in context.find_root().command.params for name in option.opts}
            if error.option_name in of_root:
                name, what = (
                    context.info_name,
                    error.message,
                )  # without what the command's own options look alike
                hint = f"It goes before the command: `launchpad {error.option_name} {name} …`"
        self.json_mode = self.json_mode or wants_json
        self.error(UsageError(what, hint=hint))

    def unexpected(self, error: Exception) -> int:
        """What no part of launchpad expected, a failure of the system or a mistake; returns the exit code."""
        from launchpad.chat.terminal import silence
        from launchpad.cli.streams import Unwritten
        from launchpad.cli.unexpected import explain

        if isinstance(error, Unwritten):
            silence(sys.stdout)  # what is still to be written would fail again, at the exit
            self.json_mode = False
        found = explain(error)
        self.error(found)
        return found.exit_code

    def progress(self) -> AbstractContextManager[Report]:
        """A receiver of events that shows them on stderr as this sink is set."""
        from launchpad.cli.progress import progress

        style = "none" if self.quiet else self.progress_style or self._configured_progress
        return progress(style)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """A passing word on a terminal while something takes a moment; gone afterwards."""
        shown = sys.stderr.isatty() and not self.quiet and os.environ.get("TERM") != "dumb"
        if shown:
            sys.stderr.write(f"{text} …")
            sys.stderr.flush()
        try:
            yield
        finally:
            if shown:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()

    def _stderr(self, text: str, styles: Sequence[str], *, hang: int = 0) -> None:
        try:
            for line in _lines(clean_line(text), _columns(sys.stderr), hang):
                shown = _styled(line, styles) if wants_color(sys.stderr, self._color) else line
                sys.stderr.write(shown + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass  # nobody can be told


def _columns(stream: IO[str]) -> int | None:
    """The width of the terminal behind `stream`; None when there is none."""
    if not stream.isatty():
        return None
    import shutil

    from launchpad.cli.layout import NARROWEST

    return max(shutil.get_terminal_size().columns, NARROWEST)


def _lines(text: str, width: int | None, hang: int) -> list[str]:
    """`text` wrapped at words for a terminal, continued under its own beginning."""
    if width is None or len(text) <= width:
        return [text]
    from launchpad.cli.layout import wrap

    start = text[: len(text) - len(text.lstrip())]
    return wrap(text.lstrip(), width, first=start, rest=start + " " * hang)


def error_record(error: LaunchpadError) -> ErrorRecord:
    """The error as JSON shows it."""
    from launchpad.cli.documents import ErrorRecord

    return ErrorRecord(
        code=error.code,
        message=error.what,
        why=error.why,
        hint=error.hint,
        retryable=error.retryable,
        exit_code=error.exit_code,
    )


def clean_line(text: str) -> str:
    """One line that no control character can turn into something else."""
    from launchpad.sanitize import clean

    return clean(text)


def _is_clean(text: str) -> bool:
    """Whether `clean_line` would leave it as it is, seen at a glance."""
    return text.isascii() and text.isprintable()


def _styled(text: str, styles: Sequence[str]) -> str:
    codes = ";".join(_STYLES[style] for style in styles)
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text

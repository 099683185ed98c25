"""Text in unit files: systemd expands `%` and `$`, splits at blanks, and ends a line where it ends. PURE."""

from __future__ import annotations

STOPPED = "SuccessExitStatus=143"  # how `serve` ends when systemd stops it
_SPECIAL = frozenset(" \t'\";\\")


def quoted(word: str) -> str:
    """One word of a command line."""
    escaped = plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if not escaped or _SPECIAL & set(escaped) else escaped


def plain(text: str) -> str:
    """Text on one line, in which nothing is expanded."""
    return "".join(c if c.isprintable() else " " for c in text).replace("%", "%%")

"""Text in unit files: systemd expands `%` and `$`, splits at blanks, and ends a line where it ends. PURE."""

from __future__ import annotations

SUPERVISED = (
    "Restart=on-failure",
    "RestartSec=5",
    "RestartPreventExitStatus=2",  # a mistake in the command line or the configuration: time does not mend it
    "SuccessExitStatus=143",  # how `serve` ends when systemd stops it
    "TimeoutStartSec=900",  # weights come from a disk, an image from the network
)
_SPECIAL = frozenset(" \t'\";\\")


def quoted(word: str) -> str:
    """One word of a command line."""
    escaped = plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"' if not escaped or _SPECIAL & set(escaped) else escaped


def plain(text: str) -> str:
    """Text on one line, in which nothing is expanded."""
    return "".join(c if c.isprintable() else " " for c in text).replace("%", "%%")

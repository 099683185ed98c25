"""Reading the small text files of /proc and /sys, any of which may be absent, closed or odd."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text(path: Path) -> str | None:
    """The file's text without surrounding white space, or None when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
    except (OSError, ValueError):
        return None


def number(path: Path) -> int | None:
    """The one whole number in the file (decimal, or hexadecimal after 0x), or None."""
    return whole(text(path))


def whole(written: str | None) -> int | None:
    """A whole number as the kernel writes it, or None."""
    try:
        return None if written is None else int(written, 0 if written.lower().startswith("0x") else 10)
    except ValueError:
        return None


def cpu_list(written: str | None) -> frozenset[int]:
    """The CPUs of a list such as "0-3,8,10-11"; empty when it is malformed."""
    cpus: set[int] = set()
    for part in (written or "").split(","):
        first, _, last = part.strip().partition("-")
        low, high = whole(first), whole(last or first)
        if low is None or high is None or not 0 <= low <= high < 65536:
            return frozenset()
        cpus.update(range(low, high + 1))
    return frozenset(cpus)

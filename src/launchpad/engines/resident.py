"""How much main memory a process really holds."""

from __future__ import annotations


def resident_bytes(pid: int) -> int | None:
    """Bytes of the process that are in main memory, mapped files included; None when it is gone."""
    import psutil

    try:
        held: int = psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return None
    return held

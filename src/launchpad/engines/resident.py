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


def private_bytes(pid: int) -> int:
    """Bytes of main memory that come free when the process and all below it end.

    Files that are mapped count as free already, wherever the system says which part they are.
    """
    import psutil

    try:
        engine = psutil.Process(pid)
        family = [engine, *engine.children(recursive=True)]
    except psutil.Error:
        return 0
    total = 0
    for process in family:
        try:
            info = process.memory_info()
        except psutil.Error:
            continue
        total += info.rss - getattr(info, "shared", 0)
    return total

"""How much main memory a process really holds."""

from __future__ import annotations

from contextlib import suppress


def resident_bytes(pid: int) -> int | None:
    """Bytes of main memory that the process and all below it hold; None when it is gone.

    Some engines compute in processes of their own. Files that are mapped count where most is held, and nowhere else.
    """
    held = _family(pid)
    if not held:
        return None
    most = max(held, key=lambda process: process[0])
    return most[0] + sum(private for _, private in held) - most[1]


def private_bytes(pid: int) -> int:
    """Bytes of main memory that come free when the process and all below it end.

    Files that are mapped count as free already, wherever the system says which part they are.
    """
    return sum(private for _, private in _family(pid))


def _family(pid: int) -> list[tuple[int, int]]:
    """What the process and each one below it hold, and which part of that is their own; none when it is gone."""
    import psutil

    try:
        engine = psutil.Process(pid)
        family = [engine, *engine.children(recursive=True)]
    except psutil.Error:
        return []
    held = []
    for process in family:
        with suppress(psutil.Error):
            info = process.memory_info()
            held.append((info.rss, info.rss - getattr(info, "shared", 0)))
    return held

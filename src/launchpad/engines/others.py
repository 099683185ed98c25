"""What else keeps this machine busy, seen while an engine of ours is at rest."""

from __future__ import annotations

LOOK = 0.15  # s; fifteen ticks of a core, which is as finely as systems count


def cores_busy(ours: int | None = None, seconds: float = LOOK) -> float:
    """How many cores are at work, looked at for so long, for others than the process `ours`. 0 where nobody tells."""
    import psutil

    try:
        before = _seconds_of(ours)
        share: float = psutil.cpu_percent(interval=seconds) / 100
        busy = share * (psutil.cpu_count() or 1) - (_seconds_of(ours) - before) / seconds
    except (psutil.Error, OSError, RuntimeError):
        return 0.0
    return max(0.0, busy)


def _seconds_of(pid: int | None) -> float:
    """Processor time that a process and its children took so far: threads of llama.cpp spin before they sleep."""
    import psutil

    if pid is None:
        return 0.0
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))

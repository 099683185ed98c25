"""What an exception that no part of launchpad expected means to whoever ran the command."""

from __future__ import annotations

import errno

from launchpad.cli.streams import Unwritten
from launchpad.errors import AnswerError, BugError, DiskFull, EngineError, LaunchpadError

_MEMORY, _THREADS, _FILES = "memory", "processes or threads", "open files"
_RUN_OUT = {
    errno.ENOMEM: _MEMORY,
    errno.EAGAIN: _THREADS,  # fork's; who reads or writes without waiting looks for it
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}


def explain(error: Exception) -> LaunchpadError:
    """The refusal to show for it: full disk, limit reached, output that cannot be written, or a mistake of launchpad."""
    if isinstance(error, Unwritten):
        return AnswerError(
            "The output could not be written.",
            why=error.strerror or str(error),
            hint="Check where stdout goes.",
        )
    if resource := _run_out(error):
        return EngineError(
            f"The system has no more {resource} for launchpad.",
            why=f"A limit of this process, its group, its user or the machine is reached ({_words(error)}).",
            hint="Raise the limit (`ulimit -a` shows those of this shell), or end what is not needed.",
        )
    if isinstance(error, OSError):
        return _of_system(error)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f" at {last.tb_frame.f_globals.get('__name__')}:{last.tb_lineno}" if last else ""
    return BugError(
        "launchpad made a mistake.",
        why=f"{_words(error)}{where}",
        hint="Please report it with the output of the same command with `launchpad --debug …`.",
    )


def _run_out(error: Exception) -> str | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, OSError):
        return _RUN_OUT.get(error.errno or 0)
    return _THREADS if isinstance(error, RuntimeError) and "start new thread" in str(error) else None


def _of_system(error: OSError) -> LaunchpadError:
    where = f": {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(f"The disk is full{where}", why=str(error), hint="Free some room and run it again.")
    return EngineError(f"The system refused{where}", why=str(error), hint="Run it with --debug for details.")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

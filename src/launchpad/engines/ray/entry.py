"""What is sent to a cluster: programs as text, and the words for a shell that find Ray's own Python there. PURE."""

from __future__ import annotations

from collections.abc import Sequence

# The raylet is the grandparent of a job's shell, and its command line names the Python that starts Ray's workers. Where it
# does not, the PATH must do.
ENTRYPOINT = (
    "raylet=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status); "
    "python=$(tr '\\0' '\\n' </proc/$raylet/cmdline | sed -n 's/^--python_worker_command=\\([^ ]*\\) .*/\\1/p'); "
    '[ -x "$python" ] || python=python3; '
    'exec "$python" -c \'import os; exec(os.environ["LAUNCHPAD_JOB"])\''
)
HEAD, LOOK = "launchpad-head ", "launchpad-look "  # how their one line for us begins


FAILED, WHY, DO = "launchpad failed: ", "  why: ", "  do:  "


def failed(what: str, why: str | None, hint: str | None) -> str:
    """A failure as lines of a log."""
    return FAILED + what + (f"\n{WHY}{why}" if why else "") + (f"\n{DO}{hint}" if hint else "")


def failure_in(lines: Sequence[str]) -> tuple[str, str | None, str | None] | None:
    """What, why and hint of the last failure that the lines of a log tell; None when they tell of none."""
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].startswith(FAILED):
            after = lines[number + 1 : number + 3]
            why = next((line.removeprefix(WHY) for line in after if line.startswith(WHY)), None)
            hint = next((line.removeprefix(DO) for line in after if line.startswith(DO)), None)
            return lines[number].removeprefix(FAILED), why, hint
    return None


def said(log: str, mark: str) -> str | None:
    """What the first whole line with this mark says; None before it is there."""
    for line in log.splitlines(keepends=True):
        if line.startswith(mark) and line.endswith("\n"):
            return line[len(mark) :].strip()
    return None

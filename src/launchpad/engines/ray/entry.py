"""What is sent to a cluster: programs as text, and the words for a shell that find Ray's own Python there. PURE."""

from __future__ import annotations

# The raylet is the grandparent of a job's shell, and its command line names the Python that starts Ray's workers. Where it
# does not, the PATH must do.
ENTRYPOINT = (
    "raylet=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status); "
    "python=$(tr '\\0' '\\n' </proc/$raylet/cmdline | sed -n 's/^--python_worker_command=\\([^ ]*\\) .*/\\1/p'); "
    '[ -x "$python" ] || python=python3; '
    'exec "$python" -c \'import os; exec(os.environ["LAUNCHPAD_JOB"])\''
)
HEAD, LOOK = "launchpad-head ", "launchpad-look "  # how their one line for us begins


def said(log: str, mark: str) -> str | None:
    """What the first whole line with this mark says; None before it is there."""
    for line in log.splitlines(keepends=True):
        if line.startswith(mark) and line.endswith("\n"):
            return line[len(mark) :].strip()
    return None

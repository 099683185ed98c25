"""The guard: a small process between launchpad and an engine that outlives neither of them.

It is started by path (`python -I -S guard.py`), uses the standard library and its neighbour `guard_processes.py` alone, so
that it starts in milliseconds and keeps working while launchpad is being upgraded, killed or swapped out.

    launchpad ──stdin──▶ guard ──▶ engine ──▶ workers
              ◀─stdout──       ◀─output pipe─

Protocol, one JSON object per line. In: the job (`argv`, `env`, `cwd`, `stdin`, `log`, `log_limit`, `parent`, `grace`,
`orphan_grace`, `own_workers`), then lines: `stop`; `ready` when the engine has loaded; `sync`, to have in the log all
that the engine wrote; `owner <pid>` when another process takes launchpad's place and the pipes. The end of stdin
without `stop` means that the owner died. Out: `started` (pid), `failed` (errno, message), `synced`, `owner` (pid),
`exited` (code or signal).

Why nothing survives (Linux): the guard is a *subreaper*, so that workers which fork twice or call setsid become its
children when their parents die, and it leaves only when it has no descendant left. The engine itself is tied to the
guard by a parent-death signal in case the guard is the one that is killed; what then remains carries the start token
in its environment. By that launchpad sweeps, and if it was killed in the same instant, the guard's witness: a fork in
a session of its own, which waits for the end of a pipe that the guard alone holds (`guard_processes.py`). macOS has
neither of the two: there the guard ends the engine's process group and all descendants that are still linked to it. Windows has `guard_windows.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

TYPE_CHECKING = False  # the module `typing` takes longer to load than the guard to start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from launchpad.engines.guard_processes import (
        become_subreaper,
        descendants,
        is_tracker,
        leave_witness,
        prctl,
    )
else:
    sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120  (`-I` leaves it out)
    from guard_processes import become_subreaper, descendants, is_tracker, leave_witness, prctl

    del sys.path[0]

READY_VARIABLE = "LAUNCHPAD_READY_FILE"  # as in `command`
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOADING_GRACE = 3.0  # s for an engine that is told to stop while it loads: it has nothing to lose
TRACKER_SECONDS = (
    2.0  # that a resource tracker gets, when all others are gone, to give back what they have shared
)


class BoundedLog:
    """The engine's output in a private file; at `limit` bytes it becomes `<path>.1` and a new one begins."""

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path, flags, 0o600)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append. A full disk loses log lines, never the engine: its output must keep being drained."""
        with contextlib.suppress(OSError):
            if self._size + len(data) > self._limit:
                os.replace(self._path, f"{self._path}.1")  # noqa: PTH105  (pathlib is slow to load)
                full = self._fd
                self._open()
                os.close(full)
            self._size += os.write(self._fd, data)


class Guard:
    """One engine, from its start to the end of its last descendant."""

    def __init__(self, job: dict[str, Any], control: bytes) -> None:
        self._job = job
        self._control = control
        self._log = BoundedLog(job["log"], job["log_limit"])
        self._poll = select.poll()
        self._actions: dict[int, Callable[[], object]] = {}
        self._status: int | None = None
        self._deadline: float | None = None
        self._ready = False
        self._witness = 0
        self._owner: int | None = None  # pidfd of the process that this guard will not outlive

    def run(self) -> int:
        """Start, watch, clean up. Returns the exit code to leave with: the engine's, or 128 + n after signal n."""
        become_subreaper()
        try:
            self._engine = self._spawn()
        except OSError as error:
            _tell(event="failed", errno=error.errno, message=error.strerror or str(error))
            return 127
        _tell(event="started", pid=self._engine.pid)
        mark = f"{READY_VARIABLE}={os.environ[READY_VARIABLE]}"  # of this start; its keeper bears another
        self._witness = leave_witness(mark.encode())
        self._watch_signals()
        self._watch_output()
        self._watch_control()
        while self._status is None and not self._overdue():
            self._step()
        code = os.waitstatus_to_exitcode(self._end_descendants())
        if code < 0:
            _tell(event="exited", signal=-code)
            return 128 - code
        _tell(event="exited", code=code)
        return code

    # -- starting -----------------------------------------------------------------------------------------------

    def _spawn(self) -> subprocess.Popen[bytes]:
        guard, control = os.getpid(), prctl()

        def tie_to_guard() -> None:
            """Runs between fork and exec. The guard has one thread, which lives as long as the guard does."""
            if control is None:
                return
            control(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != guard:
                os._exit(1)
            with contextlib.suppress(
                OSError
            ):  # when memory runs out the engine goes first, not the user's work
                os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC), b"500")

        return subprocess.Popen(
            self._job["argv"],
            env=self._job["env"],
            cwd=self._job["cwd"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            process_group=0,  # its own session would be its own share of the processor, too
            preexec_fn=tie_to_guard,
        )

    def _watch_signals(self) -> None:
        wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self._begin_stop(self._job["grace"]))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._watch(wake, select.POLLIN, lambda: _read(wake))
        self._reap()  # it may have ended before the handler stood

    def _watch_output(self) -> None:
        output, feed = self._engine.stdout, self._engine.stdin
        assert output is not None
        assert feed is not None
        self._watch(output.fileno(), select.POLLIN, lambda: self._read_output(output))
        self._unfed = memoryview(self._job["stdin"].encode())
        self._watch(feed.fileno(), select.POLLOUT, lambda: self._feed(feed))

    def _watch_control(self) -> None:
        self._watch(0, select.POLLIN, self._read_control)
        self._watch_owner(self._job["parent"])
        self._obey(b"")

    def _watch_owner(self, pid: int) -> None:
        """A fork of the owner can hold our stdin open after it is gone; a pidfd cannot be fooled so."""
        if self._owner is not None:
            self._unwatch(self._owner)
            os.close(self._owner)
            self._owner = None
        if not hasattr(os, "pidfd_open"):
            return
        try:
            self._owner = fd = os.pidfd_open(pid)
        except OSError:
            self._begin_stop(self._job["orphan_grace"])
        else:
            self._watch(fd, select.POLLIN, lambda: self._owner_died(fd))

    def _watch(self, fd: int, events: int, action: Callable[[], object]) -> None:
        os.set_blocking(fd, False)
        self._actions[fd] = action
        self._poll.register(fd, events)

    def _unwatch(self, fd: int) -> None:
        self._poll.unregister(fd)
        del self._actions[fd]

    # -- watching -----------------------------------------------------------------------------------------------

    def _step(self, longest: float = 3600.0) -> None:
        """Wait for one thing to happen, at most `longest` seconds."""
        if self._deadline is not None:
            longest = min(longest, max(0.0, self._deadline - time.monotonic()))
        for fd, _ in self._poll.poll(longest * 1000):
            if fd in self._actions:
                self._actions[fd]()
        self._reap()

    def _read_control(self) -> None:
        data = _read(0)
        if data == b"":
            self._owner_died(0)
        elif data:
            self._obey(data)

    def _obey(self, data: bytes) -> None:
        *lines, self._control = (self._control + data).split(b"\n")
        for line in lines:
            word, _, pid = line.partition(b" ")
            if word == b"stop":
                self._begin_stop(self._job["grace"])
            elif word == b"ready":
                self._ready = True
            elif word == b"sync":
                self._drain()
                _tell(event="synced")
            elif word == b"owner":
                self._watch_owner(int(pid))
                _tell(event="owner", pid=int(pid))

    def _owner_died(self, fd: int) -> None:
        self._unwatch(fd)
        if fd == self._owner:
            self._owner = None
        self._begin_stop(self._job["orphan_grace"])

    def _read_output(self, output: IO[bytes]) -> None:
        data = _read(output.fileno())
        if data == b"":
            self._unwatch(output.fileno())
        elif data:
            self._log.write(data)

    def _drain(self) -> None:
        """Bring into the log all that the engine has written so far."""
        output = self._engine.stdout
        while output and output.fileno() in self._actions and (data := _read(output.fileno())):
            self._log.write(data)

    def _feed(self, feed: IO[bytes]) -> None:
        """Hand the engine its standard input, which may hold secrets, and close it."""
        try:
            self._unfed = self._unfed[os.write(feed.fileno(), self._unfed[:65536]) :]
        except BlockingIOError:
            return
        except OSError:  # it went without reading
            self._unfed = memoryview(b"")
        if not self._unfed:
            self._unwatch(feed.fileno())
            feed.close()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._engine.pid:
                    self._status = self._engine.returncode = found[1]
                elif found[0] == self._witness:
                    self._witness = 0

    # -- stopping -----------------------------------------------------------------------------------------------

    def _begin_stop(self, grace: float) -> None:
        """Ask the engine to end; KILL to everything `grace` seconds later. A later call can only shorten it."""
        if self._job.get("own_workers") and not self._ready:
            grace = min(grace, LOADING_GRACE)
        deadline = time.monotonic() + grace
        if self._deadline is None:
            self._deadline = deadline
            with contextlib.suppress(ProcessLookupError, PermissionError):
                self._ask_to_end()
        else:
            self._deadline = min(self._deadline, deadline)

    def _ask_to_end(self) -> None:
        """TERM to the engine's group. One that ends its workers itself: INT to the group until it is ready, then TERM to it alone."""
        if not self._job.get("own_workers"):
            os.killpg(self._engine.pid, signal.SIGTERM)
        elif self._ready:
            os.kill(self._engine.pid, signal.SIGTERM)
        else:
            os.killpg(self._engine.pid, signal.SIGINT)

    def _overdue(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _end_descendants(self) -> int:
        """Kill and reap whatever is left, the engine included; keep its last words. Returns its wait status.

        Python's resource trackers see the end of those that they serve, and then unlink the shared memory that nobody
        else will: they are killed only if they do not end by themselves.
        """
        patience = time.monotonic() + TRACKER_SECONDS
        while (left := [pid for pid in descendants() if pid != self._witness]) or self._status is None:
            trackers = {pid for pid in left if is_tracker(pid)}
            if len(trackers) < len(left) or self._status is None:
                patience = time.monotonic() + TRACKER_SECONDS
            for pid in left:
                if pid in trackers and time.monotonic() < patience:
                    continue
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self._deadline = None
            self._step(longest=0.02)
        self._drain()
        if self._witness:
            os.kill(self._witness, signal.SIGKILL)
            os.waitpid(self._witness, 0)
        return self._status


# -- the system ---------------------------------------------------------------------------------------------------


def _read(fd: int) -> bytes | None:
    """What is there now; b"" at the end of the stream, None when there is nothing yet."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None


def _tell(**message: object) -> None:
    """Report to launchpad, if it still listens."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


def _read_job() -> tuple[dict[str, Any], bytes] | None:
    """The job and what came after it; None when launchpad died before it had sent one."""
    data = b""
    while b"\n" not in data:
        if not (more := os.read(0, 65536)):
            return None
        data += more
    line, _, rest = data.partition(b"\n")
    return json.loads(line), rest


def main() -> int:
    """Guard one engine."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    job = _read_job()
    return Guard(*job).run() if job else 0


if __name__ == "__main__":
    sys.exit(main())

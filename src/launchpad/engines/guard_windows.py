"""The guard for Windows: the same protocol as `guard.py`, with a job object in place of signals.

Guard and engine are in one job that the system ends, with everything in it, when the last handle on it is closed: the
guard holds the only one, so that no end of the guard, however hard, leaves a process.

Not covered by the automatic tests, which run on Linux.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import threading
from typing import IO, Any

EXTENDED_LIMIT_INFORMATION = 9
KILL_ON_JOB_CLOSE = 0x2000
INFORMATION_SIZE = 144 if sys.maxsize > 2**32 else 112  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
LIMIT_FLAGS_OFFSET = 16  # of BasicLimitInformation.LimitFlags, after two LARGE_INTEGERs
NEW_GROUP = 0x200  # CREATE_NEW_PROCESS_GROUP: only then can CTRL_BREAK be sent to the engine alone


def _enter_job() -> None:
    """Put this process, and thereby all that it starts, into a job that dies with it. Raises `OSError`."""
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    limits = ctypes.create_string_buffer(INFORMATION_SIZE)
    ctypes.c_uint32.from_buffer(limits, LIMIT_FLAGS_OFFSET).value = KILL_ON_JOB_CLOSE
    process = ctypes.c_void_p(kernel32.GetCurrentProcess())
    done = kernel32.SetInformationJobObject(job, EXTENDED_LIMIT_INFORMATION, limits, INFORMATION_SIZE)
    if not done or not kernel32.AssignProcessToJobObject(job, process):
        number = ctypes.get_last_error()  # type: ignore[attr-defined,unused-ignore]
        raise OSError(number, "no job object for the engine")


def _tell(**message: object) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


def _feed(stream: IO[bytes], text: str) -> None:
    with contextlib.suppress(OSError), stream:
        stream.write(text.encode())


def _drain(stream: IO[bytes], path: str, limit: int) -> None:
    """Keep the engine's output, from its beginning up to the limit and then from anew in `<path>`."""
    log = open(path, "wb", buffering=0)  # noqa: PTH123, SIM115  (replaced below)
    with contextlib.suppress(OSError):
        while data := stream.read1(65536):  # type: ignore[attr-defined]
            if log.tell() + len(data) > limit:
                log.close()
                os.replace(path, f"{path}.1")  # noqa: PTH105
                log = open(path, "wb", buffering=0)  # noqa: PTH123, SIM115
            log.write(data)
    log.close()


def _obey(control: IO[bytes], engine: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
    """Wait for `stop` or for launchpad's end, then stop the engine: politely, then by force."""
    grace = job["grace"] if control.readline() == b"stop\n" else job["orphan_grace"]
    with contextlib.suppress(OSError):
        engine.send_signal(1)  # CTRL_BREAK_EVENT
    try:
        engine.wait(grace)
    except subprocess.TimeoutExpired:
        engine.kill()


def main() -> int:
    """Guard one engine; returns its exit code. The system ends what it left behind when this process ends."""
    control = sys.stdin.buffer
    if not (line := control.readline()):
        return 0
    job = json.loads(line)
    try:
        _enter_job()
        engine = subprocess.Popen(
            job["argv"],
            env=job["env"],
            cwd=job["cwd"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            creationflags=NEW_GROUP,
        )
    except OSError as error:
        _tell(event="failed", errno=error.errno, message=error.strerror or str(error))
        return 127
    _tell(event="started", pid=engine.pid)
    assert engine.stdin is not None
    assert engine.stdout is not None
    work = (
        (_feed, (engine.stdin, job["stdin"])),
        (_drain, (engine.stdout, job["log"], job["log_limit"])),
        (_obey, (control, engine, job)),
    )
    for function, arguments in work:
        threading.Thread(target=function, args=arguments, daemon=True).start()
    code = engine.wait()
    _tell(event="exited", code=code)
    return code


if __name__ == "__main__":
    os._exit(main())  # not through the interpreter's end: a daemon thread may hold standard input

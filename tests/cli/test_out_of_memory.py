"""Row E2 of the fault model with a real lack of memory: the kernel's killer strikes in a control group of its own.

Needs the right to make one (root, cgroup v1 or v2). Only the engine is simulated; that it takes the memory is real.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes

LIMIT = 900_000_000
PLUGIN = Path(__file__).with_name("simulated_backend.py")


def _group() -> Path | None:
    """A new control group with the limit; None where this user, or this system, makes none."""
    name = f"launchpad-test-{os.getpid()}"
    v1, v2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root, files = (
        (v1, ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"))
        if v1.is_dir()
        else (v2, ("memory.max", "memory.swap.max"))
    )
    group = root / name
    try:
        group.mkdir()
        (group / files[0]).write_text(str(LIMIT))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        return None
    with contextlib.suppress(OSError):  # without swap
        (group / files[1]).write_text(str(LIMIT if "memsw" in files[1] else 0))
    return group


@pytest.fixture
def group() -> Iterator[Path]:
    found = _group()
    if found is None:
        pytest.skip("no control group with a limit of memory can be made here")
    yield found
    found.rmdir()


def test_the_kernels_killer_is_named_and_a_smaller_context_tried(
    group: Path, tmp_path: Path, private_home: Path
) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    env = {
        **os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "LAUNCHPAD_PLUGIN_PATH": str(PLUGIN),
        "SIMULATED_ENGINE": f"--hold {LIMIT} --load-seconds 1",
    }  # fmt: skip
    inside = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    command = [
        "sh",
        "-c",
        inside,
        "sh",
        sys.executable,
        "-m",
        "launchpad",
        "run",
        str(path),
        "hello",
        "--backend",
        "simulated",
    ]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=150)
    assert ran.returncode == 5, ran.stderr
    assert ran.stderr.count("signal SIGKILL (the system ran out of memory)") == 2
    assert "Trying once more with a context of" in ran.stderr
    assert not engine_processes(private_home)

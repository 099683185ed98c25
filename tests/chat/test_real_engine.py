"""The same client against a real llama.cpp with a real small model."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.chat.client import stream
from launchpad.chat.delta import Delta, Finish, Text
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError

pytestmark = pytest.mark.engine

ENGINE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 512
params.n_parallel = 1
params.ctx_shift = False
params.api_keys = ["secret-key"]
server = xllamacpp.Server(params)
print("ready", server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def endpoint(smollm2: Path) -> Iterator[str]:
    command = [sys.executable, "-c", ENGINE, str(smollm2)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        address = next(line for line in process.stdout if line.startswith("ready")).split()[1]
        yield f"{address}/v1"
        process.kill()


def ask(endpoint: str, text: str, **options: object) -> list[Delta]:
    settings = ChatOptions(temperature=0.0, seed=1, **options)  # type: ignore[arg-type]
    return list(stream(endpoint, "secret-key", [Message("user", text)], settings))


def test_an_answer_with_the_engines_own_figures(endpoint: str) -> None:
    *pieces, finish = ask(endpoint, "Count from one to five.", max_tokens=16)
    assert all(isinstance(piece, Text) for piece in pieces)
    assert isinstance(finish, Finish)
    assert finish.reason in ("stop", "length")
    assert finish.usage is not None
    assert 1 < finish.usage.completion <= 16
    assert finish.timings is not None
    assert finish.timings.decode_speed is not None


def test_json_that_is_asked_for_is_json(endpoint: str) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"enum": [1, 2]}},
        "required": ["n"],
        "additionalProperties": False,
    }
    response_format = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    pieces = ask(endpoint, "Pick a number.", response_format=response_format, max_tokens=40)
    answer = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    assert json.loads(answer) in ({"n": 1}, {"n": 2})


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(endpoint: str) -> None:
    with pytest.raises(AnswerError) as caught:
        ask(endpoint, "word " * 900)
    assert caught.value.why == "It needs 931 tokens; the context holds 512."


def test_a_wrong_key(endpoint: str) -> None:
    with pytest.raises(AnswerError, match="refused the key"):
        next(stream(endpoint, "wrong", [Message("user", "hi")], ChatOptions()))

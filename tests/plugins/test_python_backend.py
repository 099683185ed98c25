"""An engine that is a Python library, behind `serve_chat`: a real process, asked by launchpad's own client and by hand."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from backend_starts import start
from launchpad.catalog.model import Build, Model, Shape
from launchpad.chat.client import stream
from launchpad.chat.delta import Delta, Finish, Text
from launchpad.chat.options import ChatOptions, Message
from launchpad.engines.server import RunningServer, Server
from launchpad.errors import AnswerError
from launchpad.events import ignore
from launchpad.hardware.machine import Machine
from launchpad.plugins import Backend, PythonBackend, hookimpl
from launchpad.plugins.chat_server import ChatRefused, read_request
from launchpad.plugins.host import Host
from launchpad.survey import BackendHere
from launchpad.testing import BackendContract, write_gguf
from launchpad.testing.backend_contract import MACHINES
from launchpad.wish import Wish

ECHO = Path(__file__).with_name("echo_server.py")
HERE = Machine(name="here")
WORKSTATION = MACHINES[2]
BUILD = Build(ref="hf://a/b:Q4_K_M", format="gguf", quantization="Q4_K_M", size=1 << 30)
SHAPE = Shape(
    architecture="llama", layers=16, hidden_size=2048, attention_heads=32, kv_heads=8, head_dim_k=64, head_dim_v=64,
    ffn=8192, vocab_size=128256,
)  # fmt: skip
LLAMA = Model(
    id="a/b", name="B", lab="A", lab_id="a", parameters=1.2e9, shape=SHAPE, context=8192, builds=(BUILD,)
)


def backend(package: str = "launchpad-models", **abilities: bool) -> PythonBackend:
    return PythonBackend("echo", package, ECHO, **abilities)


class TestContract(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, tmp_path: Path) -> None:
        self._path = write_gguf(tmp_path / "m.gguf")

    def backend(self) -> PythonBackend:
        return backend()

    def model_file(self) -> Path:
        return self._path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One engine for all that only ask."""
    folder = tmp_path_factory.mktemp("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCHPAD_HOME", str(folder))
        path = write_gguf(folder / "m.gguf")
        found = backend().launch(start(backend(), path.as_uri(), path, context=32), ignore)
    yield found
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCHPAD_HOME", str(folder))
        found.stop()


def ask(running: RunningServer, text: str, **options: Any) -> list[Delta]:
    server = running.server
    return list(
        stream(server.endpoint, server.api_key, [Message("user", text)], ChatOptions(stall=10, **options))
    )


def post(server: Server, body: Any, path: str = "/chat/completions") -> tuple[int, Any]:
    url = urlsplit(server.endpoint)
    connection = HTTPConnection(str(url.hostname), url.port, timeout=150)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body)
        connection.request("POST", url.path + path, data, {"Authorization": f"Bearer {server.api_key}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_an_answer_comes_in_pieces_with_its_counts(running: RunningServer) -> None:
    *pieces, end = ask(running, "a b c", max_tokens=2)
    assert pieces == [Text("a "), Text("b ")]
    assert isinstance(end, Finish) and end.reason == "length"
    assert end.usage is not None and (end.usage.prompt, end.usage.completion) == (3, 2)


def test_a_whole_answer(running: RunningServer) -> None:
    status, answer = post(running.server, {"messages": [{"role": "user", "content": "a b"}]})
    assert status == 200 and answer["choices"][0]["message"]["content"] == "a b "
    assert answer["usage"]["total_tokens"] == 4


def test_the_context_is_read_back(running: RunningServer) -> None:
    assert running.server.report.context == 32
    assert running.server.model == "m"


def test_a_long_conversation_is_refused_in_words_that_chats_understand(running: RunningServer) -> None:
    with pytest.raises(AnswerError, match="longer than the context") as caught:
        ask(running, "word " * 40)
    assert "40 tokens" in str(caught.value.why) and "32" in str(caught.value.why)


@pytest.mark.parametrize(("word", "why"), [("refuse", "not today"), ("break", "RuntimeError: simulated")])
def test_a_failure_before_the_first_piece_has_a_status(running: RunningServer, word: str, why: str) -> None:
    with pytest.raises(AnswerError) as caught:
        ask(running, word)
    assert why in str(caught.value.why) and "\n" not in str(caught.value.why)


def test_a_failure_in_mid_answer_is_no_end(running: RunningServer) -> None:
    with pytest.raises(AnswerError, match="reported an error"):
        ask(running, "late")


def test_an_answer_that_nobody_reads_ends(running: RunningServer) -> None:
    server = running.server
    for _ in range(2):  # the second would wait for ever behind the first
        pieces = stream(server.endpoint, server.api_key, [Message("user", "forever")], ChatOptions(stall=10))
        next(pieces)
        pieces.close()
    until = time.monotonic() + 10
    while (said := ask(running, "left")[0]) != Text("2"):
        assert time.monotonic() < until, said


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "no JSON"),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "role"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text only"),
        ({"response_format": {"type": "json_schema"}}, "no schema"),
        ({"response_format": {"type": "grammar"}}, "no schema"),
    ],
)
def test_what_an_engine_would_ignore_is_refused(running: RunningServer, body: Any, why: str) -> None:
    if isinstance(body, dict) and body and "messages" not in body:
        body |= {"messages": [{"role": "user", "content": "a"}]}
    status, answer = post(running.server, body)
    assert status == 400 and why in answer["error"]["message"]


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    request = read_request({"messages": [{"role": "user", "content": parts}], "stop": "x"}, frozenset())
    assert request.messages[0]["content"] == "a b" and request.stop == ("x",)


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": [1]}}}, {"enum": [1]}),
    ],
)
def test_the_schema_of_an_answer(wanted: Any, schema: Any) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "response_format": wanted}
    assert read_request(body, frozenset({"response_format"})).schema == schema


def test_what_only_tools_need_is_left_out_without_them() -> None:
    told = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert read_request({"messages": [told]}, frozenset()).messages == ({"role": "assistant", "content": ""},)
    assert "tool_calls" in read_request({"messages": [told]}, frozenset({"tools"})).messages[0]


def test_pictures_reach_an_engine_that_takes_them() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:…"}}]
    body = {"messages": [{"role": "user", "content": parts}]}
    assert read_request(body, frozenset({"images"})).messages[0]["content"] == parts
    with pytest.raises(ChatRefused):
        read_request(body, frozenset())


def test_nothing_else_is_there(running: RunningServer) -> None:
    assert post(running.server, {}, "/embeddings")[0] == 404


# -- the backend --------------------------------------------------------------------------------------------------


def test_it_is_ready_where_its_package_is() -> None:
    assert backend().status(HERE).state == "ready"
    assert backend().status(HERE).version


def test_a_package_that_is_missing_is_named_with_its_command() -> None:
    status = backend("no-such-engine").status(HERE)
    assert status.state == "installable"
    assert "no-such-engine" in str(status.why) and "pip install no-such-engine" in str(status.hint)


def test_another_python_may_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("ECHO_PYTHON", str(other))
    status = backend().status(HERE)
    assert (status.state, status.place) == ("ready", str(other))
    assert backend().settings.command[0] == str(other)
    assert backend("no-such-engine").status(HERE).state == "installable"
    monkeypatch.setenv("ECHO_PYTHON", str(tmp_path / "none"))
    assert "ECHO_PYTHON" in str(backend().status(HERE).hint)


def test_it_runs_only_where_it_is_asked_for() -> None:
    assert list(backend().builds(LLAMA)) == [BUILD]
    assert backend().fit(LLAMA, BUILD, WORKSTATION, Wish()) is None
    assert backend().fit(LLAMA, BUILD, WORKSTATION, Wish(backend="echo")) is not None


class _Plugin:
    """A plugin with the guest."""

    @hookimpl
    def launchpad_backends(self) -> Sequence[Backend]:
        return [backend()]


@pytest.mark.parametrize(("asked", "plays"), [(None, False), ("other", False), ("echo", True)])
def test_a_guest_takes_no_part_where_it_was_not_asked_for(asked: str | None, plays: bool) -> None:
    (guarded,) = Host.of(echo=_Plugin()).backends()
    here = BackendHere(backend=guarded, status=guarded.status(HERE))
    assert here.usable and here.plays(Wish(backend=asked)) is plays


def test_what_its_fit_cannot_tell_stands_beside_it() -> None:
    one = backend()
    one.remark = "Its own buffers are not known."
    fit = one.fit(LLAMA, BUILD, WORKSTATION, Wish(backend="echo"))
    assert fit is not None and fit.notes[-1] == "Its own buffers are not known."


def test_the_speed_of_another_engine_is_the_best_that_it_can_have() -> None:
    one, wish = PythonBackend("echo", "launchpad-models", ECHO, accelerators=("cuda",)), Wish(backend="echo")
    fit = one.fit(LLAMA, BUILD, WORKSTATION, wish)
    one.slowest = 1.0
    like = one.fit(LLAMA, BUILD, WORKSTATION, wish)
    assert fit is not None and like is not None
    wide, narrow = fit.speed.decode, like.speed.decode
    assert wide is not None and narrow is not None
    assert wide.low == pytest.approx(narrow.low * 0.2)
    assert (wide.value, wide.high) == (narrow.value, narrow.high)


def test_a_network_that_it_does_not_know_is_refused_with_those_that_it_does() -> None:
    one, wish = backend(), Wish(backend="echo")
    one.architectures = frozenset({"qwen3", "gemma3"})
    fit = one.fit(LLAMA, BUILD, WORKSTATION, wish)
    assert fit is not None and fit.verdict == "no"
    assert fit.why == "the engine echo knows the networks gemma3, qwen3, and this is llama"
    unknown = one.fit(replace(LLAMA, shape=Shape()), BUILD, WORKSTATION, wish)
    assert unknown is None or unknown.verdict != "no"


def test_abilities_are_stated() -> None:
    assert backend(json_schema=True).capabilities.json_schema
    assert not backend().capabilities.json_schema

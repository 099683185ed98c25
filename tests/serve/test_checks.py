"""Rows S6 and S11 of the fault model: hostile bodies never reach an engine, and no engine option passes over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.simulated_engine import SimulatedEngine, answer, simulated_engine
from launchpad.serve.apis import APIS
from launchpad.serve.checks import MAX_DEPTH, read
from launchpad.serve.problem import Problem
from serve.conftest import ASK, OneEngine, Running, gateway

CHAT = APIS["/v1/chat/completions"]
MINIMAL: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": []},
    "/v1/completions": {"prompt": "x"},
    "/v1/embeddings": {"input": "x"},
    "/v1/responses": {"input": "x"},
    "/v1/messages": {"messages": [], "max_tokens": 1},
    "/v1/messages/count_tokens": {"messages": []},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[SimulatedEngine]:
    with simulated_engine() as one:
        one.reply(*answer("hi"))
        yield one


@pytest.fixture(scope="module")
def serving(engine: SimulatedEngine) -> Iterator[Running]:
    with gateway(OneEngine(engine), max_body=100_000) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_hostile_arrives(serving: Running, engine: SimulatedEngine) -> Iterator[None]:
    """No refused request reaches the engine, and the next good one is answered."""
    engine.requests.clear()
    yield
    assert serving.client("/v1/chat/completions", {**ASK, "stream": True}).status == 200
    assert len(engine.requests) == 1


def deep(depth: int) -> bytes:
    return b'{"messages": [], "tools": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"null", 400), (b"[]", 400), (b'"x"', 400), (b"{", 400), (b"\xff\xfe{}", 400), (b"{}", 400),
        (b'{"messages": NaN}', 400), (b"x" * 100_001, 413), (b"[" * 90_000, 400), (b'{"a":' * 15_000, 400),
        (deep(MAX_DEPTH), 400), (b'{"messages": [' + b"0," * 40_000 + b"0]}", 200),
    ],
    ids=["empty", "null", "list", "text", "half", "utf-16", "no field", "nan", "large", "lists", "objects", "deep", "flat"],
)  # fmt: skip
def test_bodies_that_are_no_request(
    serving: Running, engine: SimulatedEngine, body: bytes, status: int
) -> None:
    got = serving.client("/v1/chat/completions", body)
    assert got.status == status
    if status != 200:
        assert got.error["type"] == "invalid_request_error"
        assert engine.requests == []
    engine.requests.clear()


def test_a_body_that_says_no_length_is_cut_off(serving: Running, engine: SimulatedEngine) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", serving.client.port)) as raw:
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: test-key-0123456789\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(30):
            try:
                raw.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
            except OSError:
                break
        assert b" 413 " in raw.recv(100)
    assert engine.requests == []


OPTIONS = {
    "n_discard": -1, "n_keep": 1, "chat_template": "{{ 1 }}", "lora": [{"id": 0, "scale": 1}], "id_slot": 0,
    "log_file": "/tmp/x", "log-file": "/tmp/x", "slot_save_path": "/tmp", "rpc": "127.0.0.1:1", "api_key_file": "/x",
    "api_key": "x", "num_ctx": 1, "keep_alive": -1, "options": {"num_ctx": 1}, "n_predict": -1, "prompt_embeds": "x",
    "model_path": "/etc/passwd", "control_vector": "/x", "mmproj": "/x",  "speculative.n_max": 9,
    "guided_regex": "(a+)+$", "extra_body": {"n_discard": -1}, "best_of": 99, "kv_transfer_params": {},
    "previous_response_id": "x", "conversation": "x", "background": True, "container": "x", "mcp_servers": [{"url": "x"}],
    "__proto__": {}, "": 1,
}  # fmt: skip


@pytest.mark.parametrize("path", APIS)
def test_no_option_of_an_engine_passes(serving: Running, engine: SimulatedEngine, path: str) -> None:
    for name, value in OPTIONS.items():
        got = serving.client(path, {**MINIMAL[path], name: value})
        assert got.status == 400, name
        assert name in got.document["error"]["message"]
    assert engine.requests == []


def test_null_says_nothing_and_a_clouds_fields_mean_nothing() -> None:
    body = {"messages": [], "n_discard": None, "user": "me", "store": True, "metadata": {"a": "b"}, "seed": 1}
    assert read(json.dumps(body).encode(), CHAT) == {"messages": [], "seed": 1}


def test_minus_one_is_no_limit() -> None:
    assert read(b'{"messages": [], "max_tokens": -1}', CHAT) == {"messages": []}


@pytest.mark.parametrize(
    ("switches", "allowed"),
    [
        ({"enable_thinking": False}, True),
        ({"reasoning_effort": "low"}, True),
        ({"thinking_budget": 100}, True),
        ({"enable_thinking": "yes"}, False),
        ({"thinking_budget": True}, False),
        ({"reasoning_effort": "x" * 33}, False),
        ({"reasoning_effort": {"a": 1}}, False),
        ({"messages": []}, False),
        ({"bos_token": "x"}, False),
        ("x", False),
    ],
)
def test_only_known_switches_reach_a_template(switches: object, allowed: bool) -> None:
    raw = json.dumps({"messages": [], "chat_template_kwargs": switches}).encode()
    if allowed:
        assert read(raw, CHAT)["chat_template_kwargs"] == switches
    else:
        with pytest.raises(Problem) as caught:
            read(raw, CHAT)
        assert (caught.value.status, caught.value.param) == (400, "chat_template_kwargs")


REMOTE = [
    "http://169.254.169.254/",
    "https://x/y.png",
    "file:///etc/passwd",
    "/etc/passwd",
    "data:text/html,x",
    "",
    1,
    None,
    "DATA:image/png;base64,x",
    " data:image/png;base64,x",
]


@pytest.mark.parametrize("url", REMOTE)
@pytest.mark.parametrize(
    "part",
    [
        lambda url: {"type": "image_url", "image_url": {"url": url}},
        lambda url: {"type": "image_url", "image_url": url},
        lambda url: {"type": "input_image", "image_url": url},
        lambda url: {"type": "video_url", "video_url": {"url": url}},
        lambda url: {"type": "audio_url", "audio_url": {"url": url}},
        lambda url: {"type": "image", "source": {"type": "url", "url": url}},
        lambda url: {
            "type": "tool_result",
            "content": [{"type": "image", "source": {"type": "url", "url": url}}],
        },
        lambda url: {"type": "input_file", "file_url": url},
    ],
)
def test_nothing_is_fetched_for_a_client(part: Any, url: object) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": [part(url)]}]}).encode()
    with pytest.raises(Problem) as caught:
        read(raw, CHAT)
    assert caught.value.code == "remote_media"


def test_pictures_in_the_request_and_addresses_in_words_pass() -> None:
    content = [
        {"type": "text", "text": "look at http://x"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {
            "type": "tool_use",
            "id": "1",
            "name": "open",
            "input": {"url": "https://x", "image_url": "https://y"},
        },
        {"type": "output_text", "text": "x", "annotations": [{"type": "url_citation", "url": "https://x"}]},
    ]
    body = {"messages": [{"role": "user", "content": content}]}
    assert read(json.dumps(body).encode(), CHAT) == body


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": "yes"}, {"stream": 1}, {"model": 5}, {"messages": "x"}, {"max_tokens": -2}, {"max_tokens": 0},
        {"max_tokens": True}, {"max_completion_tokens": 1.5}, {"n": 9}, {"n": 0}, {"n": "2"},
        {"tools": [{"x": "y" * 600_000}]}, {"response_format": {"pattern": "a" * 1025}}, {"grammar": "x" * 600_000},
        {"tools": [{"function": {"parameters": {"properties": {"a": {"pattern": "(" * 2000}}}}}]},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_bounds(fields: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        read(json.dumps({"messages": [], **fields}).encode(), CHAT)
    assert caught.value.status == 400


def test_too_many_values() -> None:
    with pytest.raises(Problem) as caught:
        read(b'{"messages": [' + b"0," * 200_000 + b"0]}", CHAT)
    assert caught.value.code == "too_many_values"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*CHAT.passed, "x", "type", "url", "image_url"]), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(body=JSON, path=st.sampled_from(list(APIS)))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_read_or_refused(body: Any, path: str) -> None:
    raw = json.dumps(body).encode()
    try:
        kept = read(raw, APIS[path])
    except Problem as problem:
        assert problem.status == 400
    else:
        assert kept.keys() <= APIS[path].passed


@given(raw=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_whatever_bytes_come(raw: bytes) -> None:
    with pytest.raises(Problem):
        read(raw, CHAT)

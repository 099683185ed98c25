"""The process of an engine that is a Python library: OpenAI's chat API on 127.0.0.1, with a key, over one method.

A plugin writes a class with `chat`, calls `serve_chat(ThatClass)` in a script, and lets `PythonBackend` start the script.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from launchpad.engines.command import KEY_VARIABLE
from launchpad.engines.loopback import LOOPBACK

LONGEST_BODY = 64 << 20
_OPTIONAL = ("tools", "response_format", "logprobs", "logit_bias")
"""What changes an answer so much that an engine that does not know it must not answer."""


class ChatRequest(Struct, frozen=True, kw_only=True):
    """What is asked. None: the engine's own default. `messages` have a `role` and a `content` of text, and no more without tools.

    `schema` is the JSON Schema that the answer keeps to, for an engine that takes `response_format`; `template` are more words for
    the chat template, such as `enable_thinking`. `body` is the request as it came, for what the engine `takes` besides.
    """

    messages: tuple[dict[str, Any], ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    template: dict[str, Any] = {}
    body: dict[str, Any]


class ChatEnd(Struct, frozen=True, kw_only=True):
    """Why an answer ended ("stop", "length", "tool_calls") and how many tokens it had; None: the engine does not count."""

    reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()


class ChatRefused(Exception):
    """The engine does not answer this request, and says why. Before the first piece it becomes a status of HTTP."""

    def __init__(self, message: str, status: int = 400, **more: int) -> None:
        super().__init__(message)
        self.status, self.more = status, more


def too_long(tokens: int, context: int) -> ChatRefused:
    """The refusal of a prompt that does not fit, in the words that chats understand."""
    message = f"request ({tokens} tokens) exceeds the available context size ({context} tokens)"
    return ChatRefused(message, n_prompt_tokens=tokens, n_ctx=context)


Emit = Callable[[str], bool]
"""Hand over a piece of the answer; False: nobody listens any more, stop."""


class ChatEngine(Protocol):
    """An engine in this process. It is asked one thing at a time."""

    @property
    def takes(self) -> frozenset[str]:
        """Which of `tools`, `response_format`, `logprobs`, `logit_bias` and `images` it knows. The rest is refused."""
        ...

    def chat(self, request: ChatRequest, emit: Emit) -> ChatEnd:
        """Answer. Raises `ChatRefused`."""
        ...


def serve_chat(load: Callable[[Path, int], ChatEngine]) -> None:
    """Load the engine, given the model's path and the context, and serve it until killed: the whole of a script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    options = parser.parse_args()
    key = os.environ.pop(KEY_VARIABLE, "")  # the engine's own children need not know it
    engine = load(options.model, options.context)
    handler = type(
        "Handler",
        (_Handler,),
        {
            "engine": engine,
            "key": key,
            "name": options.model.stem,
            "context": options.context,
            "turn": threading.Lock(),
        },
    )
    ThreadingHTTPServer((LOOPBACK, options.port), handler).serve_forever()


def read_request(body: Any, takes: frozenset[str]) -> ChatRequest:
    """The request, checked. Raises `ChatRefused` for what the engine would otherwise ignore in silence."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise ChatRefused("messages is missing")
    for name in _OPTIONAL:
        if body.get(name) not in (None, False, [], {}, {"type": "text"}) and name not in takes:
            raise ChatRefused(f"this engine does not know {name}")
    stop = body.get("stop") or []
    return ChatRequest(
        messages=tuple(_message(one, takes) for one in body["messages"]),
        max_tokens=_number(body, "max_completion_tokens", int) or _number(body, "max_tokens", int),
        temperature=_number(body, "temperature", float),
        top_p=_number(body, "top_p", float),
        top_k=_number(body, "top_k", int),
        min_p=_number(body, "min_p", float),
        seed=_number(body, "seed", int),
        stop=(stop,) if isinstance(stop, str) else tuple(str(one) for one in stop),
        schema=_schema(body.get("response_format")),
        template=template if isinstance(template := body.get("chat_template_kwargs"), dict) else {},
        body=body,
    )


def _message(one: Any, takes: frozenset[str]) -> dict[str, Any]:
    if not isinstance(one, dict) or not isinstance(one.get("role"), str):
        raise ChatRefused("a message has no role")
    content = one.get("content")
    if isinstance(content, list) and "images" not in takes:
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
            raise ChatRefused("this engine reads text only")
        content = "".join(str(part.get("text", "")) for part in content)
    more = one if "tools" in takes else {}
    return {**more, "role": one["role"], "content": "" if content is None else content}


def _schema(wanted: Any) -> dict[str, Any] | None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": "object"}
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if kind == "json_schema" and isinstance(inner, dict) else None
    if not isinstance(schema, dict):
        raise ChatRefused(f"response_format {kind} has no schema")
    return schema


def _number(body: dict[str, Any], name: str, kind: type[int] | type[float]) -> Any:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and value != int(value)):
        raise ChatRefused(f"{name} is no number")
    return kind(value)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: ChatEngine
    key: str
    name: str
    context: int
    turn: threading.Lock

    def log_message(self, format: str, *args: object) -> None:
        """What is asked is nobody else's business."""

    def do_GET(self) -> None:
        """Say that it is there, and which model it has."""
        if self.path == "/health":
            answer_json(self, 200, {"status": "ok"})
        elif self._has_key():
            if self.path == "/v1/models":
                one = {"id": self.name, "object": "model", "meta": {"n_ctx": self.context}}
                answer_json(self, 200, {"object": "list", "data": [one]})
            else:
                self._error(ChatRefused("there is nothing here", 404))

    def do_POST(self) -> None:
        """Answer a chat, whole or as a stream of events."""
        length = int(self.headers.get("Content-Length", 0))
        if length > LONGEST_BODY:
            self.close_connection = True
            self._error(ChatRefused("the request is too large", 413))
            return
        text = self.rfile.read(length)
        if not self._has_key():
            return
        if self.path != "/v1/chat/completions":
            self._error(ChatRefused("there is nothing here", 404))
            return
        answer = _Answer(self)
        try:
            answer.give(text)
        except ChatRefused as refusal:
            answer.fail(refusal)
        except OSError:
            self.close_connection = True  # nobody listens any more
        except Exception as error:
            answer.fail(ChatRefused(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", 500))

    def _has_key(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self.key or secrets.compare_digest(given.encode(), self.key.encode()):
            return True
        self._error(ChatRefused("Invalid API key", 401))
        return False

    def _error(self, refusal: ChatRefused) -> None:
        answer_json(self, refusal.status, _error(refusal))


def answer_json(handler: BaseHTTPRequestHandler, status: int, body: object) -> None:
    """Answer a request with JSON, whole."""
    data = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


class _Answer:
    """One answer on its way to whoever asked: whole, or in events. Headers go with the first piece, so that a refusal has a status."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._id = f"chatcmpl-{secrets.token_hex(8)}"
        self._pieces: list[str] = []
        self._streams = self._begun = False

    def give(self, text: bytes) -> None:
        """Read the request, answer it."""
        engine = self._handler.engine
        try:
            body = json.loads(text)
        except ValueError:
            raise ChatRefused("the request is no JSON") from None
        request = read_request(body, engine.takes)
        self._streams = bool(body.get("stream"))
        with self._handler.turn:
            end = engine.chat(request, self._emit)
        if self._streams:
            self._end_stream(end, bool((body.get("stream_options") or {}).get("include_usage")))
            return
        message = {"role": "assistant", "content": "".join(self._pieces)}
        if end.tool_calls:
            message["tool_calls"] = list(end.tool_calls)  # type: ignore[assignment]
        choice = {"index": 0, "message": message, "finish_reason": end.reason}
        answer_json(self._handler, 200, self._object("chat.completion", choices=[choice], usage=_usage(end)))

    def fail(self, refusal: ChatRefused) -> None:
        """Say so: as a status while nothing was said, else as an event."""
        if not self._begun:
            self._handler._error(refusal)
            return
        try:
            self._event(_error(refusal))
        except OSError:
            self._handler.close_connection = True

    def _emit(self, piece: str) -> bool:
        if not piece:
            return True
        if not self._streams:
            self._pieces.append(piece)
            return True
        try:
            self._choice({"content": piece})
        except OSError:
            return False
        return True

    def _end_stream(self, end: ChatEnd, with_usage: bool) -> None:
        calls = [{"index": number, **call} for number, call in enumerate(end.tool_calls)]
        self._choice({"tool_calls": calls} if calls else {}, end.reason)
        if with_usage and (usage := _usage(end)):
            self._event(self._object("chat.completion.chunk", choices=[], usage=usage))
        self._write(b"data: [DONE]\n\n")

    def _choice(self, delta: dict[str, Any], reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        self._event(self._object("chat.completion.chunk", choices=[choice]))

    def _event(self, body: object) -> None:
        self._write(b"data: " + json.dumps(body).encode() + b"\n\n")

    def _write(self, data: bytes) -> None:
        if not self._begun:
            self._begun = self._handler.close_connection = True
            self._handler.send_response(200)
            self._handler.send_header("Content-Type", "text/event-stream")
            self._handler.send_header("Connection", "close")
            self._handler.end_headers()
        self._handler.wfile.write(data)

    def _object(self, kind: str, **more: object) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": int(time.time()),
            "model": self._handler.name,
            **more,
        }


def _usage(end: ChatEnd) -> dict[str, int] | None:
    if end.prompt_tokens is None or end.completion_tokens is None:
        return None
    total = end.prompt_tokens + end.completion_tokens
    return {
        "prompt_tokens": end.prompt_tokens,
        "completion_tokens": end.completion_tokens,
        "total_tokens": total,
    }


def _error(refusal: ChatRefused) -> dict[str, Any]:
    kind = {401: "authentication_error", 500: "server_error"}.get(refusal.status, "invalid_request_error")
    return {"error": {"code": refusal.status, "message": str(refusal), "type": kind, **refusal.more}}

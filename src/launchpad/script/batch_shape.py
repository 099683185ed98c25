"""The lines of OpenAI's batch files, read and written. PURE.

A line in is `{"custom_id", "method": "POST", "url": "/v1/chat/completions", "body": {"model", "messages", …}}`, a line out
`{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import UsageError
from launchpad.script.checks import Answer

URL = "/v1/chat/completions"
_NUMBERS = {"temperature": float, "top_p": float, "top_k": int, "min_p": float, "seed": int}
_LENGTHS = ("max_tokens", "max_completion_tokens")
_IGNORED = ("stream", "stream_options", "n", "user", "metadata", "store")
_FIELDS = ("model", "messages", "stop", "response_format", *_NUMBERS, *_LENGTHS, *_IGNORED)


class Request(Struct, frozen=True, kw_only=True):
    """One line: valid, or with the `fault` that its answer will tell."""

    custom_id: str
    model: str | None
    messages: tuple[Message, ...] = ()
    options: ChatOptions = ChatOptions()
    fault: str | None = None


def read_request(line: Any, number: int, path: object) -> Request:
    """A request. A line without a `custom_id` breaks the file (`UsageError`); other faults are told in its answer."""
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str) or not line["custom_id"]:
        raise UsageError(
            f"{path}:{number}: no batch request.",
            why="The line has no custom_id.",
            hint='Each line is {"custom_id": …, "method": "POST", "url": "/v1/chat/completions", "body": {…}}.',
        )
    body = line.get("body")
    model = body.get("model") if isinstance(body, dict) else None
    named = model if isinstance(model, str) and model != "auto" else None
    try:
        _check_envelope(line, body)
        assert isinstance(body, dict)
        return Request(
            custom_id=line["custom_id"],
            model=named,
            messages=_messages(body.get("messages")),
            options=_options(body),
        )
    except ValueError as error:
        return Request(custom_id=line["custom_id"], model=named, fault=str(error))


def _check_envelope(line: Mapping[str, Any], body: Any) -> None:
    if line.get("url", URL) != URL or line.get("method", "POST") != "POST":
        raise ValueError(f"Only POST {URL} is answered.")
    if not isinstance(body, dict):
        raise ValueError("body must be an object.")
    if unknown := sorted(set(body) - set(_FIELDS)):
        raise ValueError(f"Unknown or unsupported fields: {', '.join(unknown)}.")
    if body.get("n", 1) != 1:
        raise ValueError("n must be 1.")


def _messages(found: Any) -> tuple[Message, ...]:
    if not isinstance(found, list) or not found:
        raise ValueError("messages must be a list with at least one message.")
    messages = []
    for item in found:
        if not isinstance(item, dict) or item.get("role") not in ("system", "user", "assistant", "tool"):
            raise ValueError("A message needs a role: system, user, assistant or tool.")
        content = item.get("content")
        if isinstance(content, list) and all(
            isinstance(part, dict) and part.get("type") == "text" for part in content
        ):
            content = "".join(str(part.get("text", "")) for part in content)
        if not isinstance(content, str):
            raise ValueError("content must be a text, or text parts.")
        if item.get("tool_calls"):
            raise ValueError("tool_calls are not answered in batches.")
        messages.append(Message(item["role"], content, call=item.get("tool_call_id")))
    return tuple(messages)


def _options(body: Mapping[str, Any]) -> ChatOptions:
    values: dict[str, Any] = {}
    for name, kind in _NUMBERS.items():
        if body.get(name) is not None:
            if isinstance(body[name], bool) or not isinstance(body[name], int | float):
                raise ValueError(f"{name} must be a number.")
            values[name] = kind(body[name])
    for name in _LENGTHS:
        if body.get(name) is not None:
            if isinstance(body[name], bool) or not isinstance(body[name], int) or body[name] < 1:
                raise ValueError(f"{name} must be a whole number above 0.")
            values["max_tokens"] = body[name]
    stop = body.get("stop")
    if stop is not None:
        stops = [stop] if isinstance(stop, str) else stop
        if not isinstance(stops, list) or not all(isinstance(word, str) for word in stops):
            raise ValueError("stop must be a text or a list of texts.")
        values["stop"] = tuple(stops)
    if isinstance(body.get("response_format"), dict):
        values["response_format"] = body["response_format"]
    return ChatOptions(**values)


def completion(model: str, answer: Answer) -> dict[str, Any]:
    """An answer as OpenAI's `chat.completion`."""
    prompt, made = answer.prompt_tokens or 0, answer.completion_tokens or 0
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
    }


def batch_record(custom_id: str, status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the output."""
    response = {"status_code": status, "request_id": custom_id, "body": body}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": None}

"""What a request may ask for: only fields named here ever reach an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Defaults
from launchpad.chat.delta import ToolCall
from launchpad.sanitize import encodable

Role = Literal["system", "user", "assistant", "tool"]


class Message(Struct, frozen=True):
    """One message of a conversation, as the engine is sent it.

    `images` are base64 texts of PNG or JPEG files. An assistant's `calls` are those that it made; a message of the role
    "tool" is the answer to the call `call` (its id) of the tool `tool`.
    """

    role: Role
    content: str
    images: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    tool: str | None = None
    call: str | None = None


class ChatOptions(Struct, frozen=True, kw_only=True):
    """Settings of one answer. None = the engine's own default.

    `response_format` and `tools` are written as OpenAI's API writes them, whatever the engine is asked in.
    `think` switches the reasoning of models whose template allows it. `stall` is the longest silence of the connection
    in seconds (None = wait for as long as it takes; reading a long prompt is slow on a CPU); an engine that sends
    keep-alive comments is not silent. `cache_prompt` False makes llama.cpp compute the whole prompt anew.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    response_format: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    think: bool | None = None
    stall: float | None = None
    cache_prompt: bool | None = None


def chat_options(defaults: Defaults | None, **asked: Any) -> ChatOptions:
    """What was asked for, over the model's own defaults, over the engine's. None = not asked."""
    return over_defaults(ChatOptions(**{k: v for k, v in asked.items() if v is not None}), defaults)


def over_defaults(asked: ChatOptions, defaults: Defaults | None) -> ChatOptions:
    """`asked`, and where it is silent, how the model answers best."""
    if defaults is None or asked.temperature is not None:
        return asked  # the defaults were tuned together: half of them is nobody's recommendation
    names = ("temperature", "top_p", "top_k", "min_p")
    return replace(asked, **{name: getattr(defaults, name) for name in names if getattr(asked, name) is None})


_SAME_NAME = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "max_tokens",
    "response_format",
    "cache_prompt",
)


def request_body(model: str, messages: Sequence[Message], options: ChatOptions) -> dict[str, Any]:
    """The JSON body of a streaming `/v1/chat/completions` request.

    Nothing in it lets the engine drop or shift context: a conversation that is too long must be an error.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [written(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= {name: value for name in _SAME_NAME if (value := getattr(options, name)) is not None}
    if options.stop:
        body["stop"] = list(options.stop)
    if options.tools:
        body["tools"] = list(options.tools)
    if options.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": options.think}
    return body


def written(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API writes it."""
    written: dict[str, Any] = {"role": message.role, "content": encodable(message.content)}
    if message.images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": written["content"]}]
        parts += [{"type": "image_url", "image_url": {"url": _data_url(image)}} for image in message.images]
        written["content"] = parts
    if message.calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for call in message.calls
        ]
    if message.call is not None:
        written["tool_call_id"] = message.call
    return written


def _data_url(image: str) -> str:
    kind = "jpeg" if image.startswith("/9j/") else "png"
    return f"data:image/{kind};base64,{image}"

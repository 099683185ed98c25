"""What a request may ask for: only fields named here ever reach an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from launchpad.catalog.model import Defaults
from launchpad.sanitize import encodable

Role = Literal["system", "user", "assistant"]


class Message(Struct, frozen=True):
    """One message of a conversation, as the engine is sent it."""

    role: Role
    content: str


class ChatOptions(Struct, frozen=True, kw_only=True):
    """Settings of one answer. None = the engine's own default.

    `think` switches the reasoning of models whose template allows it. `stall` is the longest silence of the connection
    in seconds (None = wait for as long as it takes; reading a long prompt is slow on a CPU); an engine that sends
    keep-alive comments is not silent.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    response_format: Mapping[str, Any] | None = None
    think: bool | None = None
    stall: float | None = None


def chat_options(defaults: Defaults | None, **asked: Any) -> ChatOptions:
    """What was asked for, over the model's own defaults, over the engine's. None = not asked."""
    own = (
        {name: getattr(defaults, name) for name in ("temperature", "top_p", "top_k", "min_p")}
        if defaults
        else {}
    )
    if asked.get("temperature") is not None:
        own = {}  # the defaults were tuned together: half of them is nobody's recommendation
    return ChatOptions(**{**own, **{name: value for name, value in asked.items() if value is not None}})


_SAME_NAME = ("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "response_format")


def request_body(model: str, messages: Sequence[Message], options: ChatOptions) -> dict[str, Any]:
    """The JSON body of a streaming `/v1/chat/completions` request.

    Nothing in it lets the engine drop or shift context: a conversation that is too long must be an error.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": encodable(message.content)} for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    body |= {name: value for name in _SAME_NAME if (value := getattr(options, name)) is not None}
    if options.stop:
        body["stop"] = list(options.stop)
    if options.think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": options.think}
    return body

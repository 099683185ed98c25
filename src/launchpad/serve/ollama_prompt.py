"""Ollama's `/v1` routes cut a prompt that is too long without a word and cannot be told not to: so it is measured first.

The native API can be told (`truncate: false`). One token is asked for there, with the same messages; what was read of
the prompt stays in the engine's cache, so that the real request does not read it again. Prompts that cannot be too long,
for a token is at least one byte, are not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from launchpad.chat.wire import too_long_figures
from launchpad.engines.server import Server
from launchpad.serve.problem import Dialect, Problem, too_long
from launchpad.serve.upstream import request

MAX_ANSWER = 1 << 16
TEMPLATE = 16  # bytes that a chat template adds to each message, at least


async def refuse_too_long(server: Server, body: Mapping[str, Any], dialect: Dialect) -> None:
    """Raise `Problem` with both numbers when the prompt is longer than the context of an Ollama server.

    Where the server cannot say (it is busy, its runner died, nobody is there), the request is refused with that as the
    reason: it could be cut. What it refuses to measure at all (no model for chat) is for the request itself to meet.
    """
    context = server.settings.context // server.settings.parallel
    messages = list(_messages(body))
    size = sum(len(m["content"].encode()) + TEMPLATE for m in messages)
    if not messages or size <= context:
        return
    asked = {
        "model": server.model,
        "messages": messages,
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": context, "num_predict": 1},
    }
    if server.keep_alive is not None:
        asked["keep_alive"] = server.keep_alive
    prompt, limit = await _ask(server, asked)
    if limit is not None:
        raise too_long(prompt or size, limit, dialect)


async def _ask(server: Server, asked: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The lengths of the prompt and of the context when it is too long, else None. Raises `Problem`, `EngineGone`."""
    exchange = await request(server.endpoint, server.api_key, "/api/chat", msgspec.json.encode(asked))
    try:
        status = (await exchange.head()).status
        text = b""
        while status >= 400 and len(text) < MAX_ANSWER and (data := await exchange.read()):
            text += data
        if status < 400:
            while await exchange.read():  # the whole prompt has been read once this ends
                pass
        said = text.decode("utf-8", "replace")
        found = too_long_figures(said)
        if status >= 500 and found[1] is None:
            raise Problem(
                503,
                f"Whether the prompt fits could not be found out: {said.strip() or status}",
                code="not_measured",
                retry_after=5,
            )
        return found
    finally:
        exchange.close()


def _messages(body: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The text of what was asked, in the order in which a template writes it, whichever API it came by."""
    for name in ("tools", "functions"):
        if body.get(name):
            yield {"role": "system", "content": msgspec.json.encode(body[name]).decode()}
    for name in ("system", "instructions"):
        if text := _text(body.get(name)):
            yield {"role": "system", "content": text}
    said = body.get("messages", body.get("input", body.get("prompt")))
    if isinstance(said, str):
        yield {"role": "user", "content": said}
    for message in said if isinstance(said, list) else ():
        if isinstance(message, dict):
            role = message.get("role")
            yield {
                "role": role if role in ("system", "user", "assistant", "tool") else "user",
                "content": _text(message),
            }


def _text(value: object) -> str:
    """All text in a message or a part of one; pictures are not counted, calls of tools are."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_text, value))
    if not isinstance(value, dict):
        return ""
    found = "".join(_text(value.get(name)) for name in ("content", "text", "output", "thinking"))
    for name in ("tool_calls", "input", "arguments"):
        if value.get(name):
            found += msgspec.json.encode(value[name]).decode()
    return found

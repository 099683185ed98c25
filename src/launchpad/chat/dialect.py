"""Which API a server is spoken to in: one place for everything that asks an engine."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from launchpad.chat.delta import Delta
from launchpad.chat.options import ChatOptions, Message
from launchpad.engines.server import Server


def stream_from(server: Server, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
    """The pieces of one answer of `server` as they come; the last is a `Finish`. Raises `AnswerError`."""
    if server.dialect == "ollama":
        from launchpad.chat.ollama import stream as native

        return native(server, messages, options)
    from launchpad.chat.client import stream

    return stream(
        server.endpoint, server.api_key, messages, options, model=server.model, engine=server.report.engine
    )

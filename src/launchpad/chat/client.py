"""Stream an answer from an OpenAI-compatible engine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

from launchpad.chat.answer import Answer, deltas
from launchpad.chat.connection import post
from launchpad.chat.delta import Delta
from launchpad.chat.options import ChatOptions, Message, request_body
from launchpad.chat.sse import EventReader
from launchpad.chat.wire import CallCollector, Chunk, engine_error, quote, read_chunk
from launchpad.errors import AnswerError


def stream(
    endpoint: str,
    api_key: str,
    messages: Sequence[Message],
    options: ChatOptions,
    *,
    model: str = "",
    engine: str = "engine",
) -> Generator[Delta]:
    """The pieces of one answer as they come; the last is a `Finish`.

    `endpoint` is the base of the API (`http://127.0.0.1:PORT/v1`). No proxy is used, whatever the environment says:
    prompts stay on the machine. Closing the iterator closes the connection, which makes the engine stop.
    Raises `AnswerError`; what was yielded before remains valid, and an answer without an end is an error.
    """
    answer = Answer(engine)
    body = request_body(model, messages, options)
    yield from deltas(_chunks(_events(endpoint, api_key, body, options, engine, answer), answer), answer)


def _chunks(events: Generator[str], answer: Answer) -> Generator[Chunk]:
    """The events, read; calls of tools come in fragments and are put together at the end."""
    calls = CallCollector()
    with closing(events):
        for data in events:
            chunk = read_chunk(data)
            calls.feed(chunk.call_fragments())
            yield chunk
    answer.calls += calls.whole()


def _events(
    endpoint: str, api_key: str, body: dict[str, Any], options: ChatOptions, engine: str, answer: Answer
) -> Generator[str]:
    """The data of each event up to `[DONE]`; every way that HTTP can fail becomes an `AnswerError`."""
    url = f"{endpoint.rstrip('/')}/chat/completions"
    with post(url, api_key, body, answer, engine, options.stall) as response:
        if response.incoming.status != 200:
            raise engine_error(response.text(), response.incoming.status)
        if response.incoming.kind != "text/event-stream":
            raise AnswerError(
                "The engine sent a broken answer.",
                why=f"Not a stream of events: {quote(response.incoming.kind)}",
            )
        events = EventReader()
        for part in response.parts():
            for data in events.feed(part):
                if data.strip() == "[DONE]":
                    answer.finish_reason = answer.finish_reason or "stop"
                    return
                yield data

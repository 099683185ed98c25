"""Stream an answer from Ollama's native API: the only one that can fix the context and refuse to cut a prompt."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.chat.answer import Answer, deltas
from launchpad.chat.connection import post
from launchpad.chat.delta import Delta
from launchpad.chat.ollama_wire import Line, Repeats, chat_body, chat_error, read_line, spoken
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.sse import MAX_EVENT
from launchpad.errors import AnswerError

if TYPE_CHECKING:
    from launchpad.engines.server import Server


def stream(server: Server, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
    """The pieces of one answer as they come; the last is a `Finish`.

    No proxy is used, whatever the environment says. Closing the iterator closes the connection, which makes Ollama stop.
    Raises `AnswerError`: also for an answer without its last line, and for a prompt that Ollama would have cut.
    """
    abilities = server.report.abilities
    body = chat_body(
        server.model,
        messages,
        options,
        context=server.settings.context // server.settings.parallel,
        keep_alive=server.keep_alive,
        thinks=None if abilities is None else "thinking" in abilities,
    )
    answer = Answer(server.report.engine)
    yield from deltas(_lines(server, body, options, answer), answer)


def _lines(server: Server, body: dict[str, Any], options: ChatOptions, answer: Answer) -> Generator[Line]:
    """The lines up to the last one; every way that HTTP can fail becomes an `AnswerError`."""
    url = server.endpoint.removesuffix("/").removesuffix("/v1") + "/api/chat"
    engine, model = server.report.engine, spoken(server.model)
    repeats = Repeats()
    with post(url, server.api_key, body, answer, engine, options.stall) as response:
        if response.incoming.status != 200:
            raise chat_error(response.text(), response.incoming.status, model)
        for text in split_lines(response.parts()):
            line = read_line(text, model)
            repeats.feed(line)
            answer.calls += line.calls()
            yield line
            if line.finish_reason:
                return
    if repeats.gave_up:
        raise answer.cut(
            "the model said the same thing over and over, and Ollama gave up",
            "Ask in other words, or with a higher --temperature.",
        )


def split_lines(parts: Iterator[bytes]) -> Generator[str]:
    """Whole lines from bytes that were cut anywhere; blank ones are dropped. Raises `AnswerError` for an endless one."""
    held = b""
    for part in parts:
        *whole, held = (held + part).split(b"\n")
        for line in whole:
            if line.strip():
                yield line.decode("utf-8", "replace")
        if len(held) > MAX_EVENT:
            raise AnswerError(
                "The engine sent a broken answer.", why=f"A line is longer than {MAX_EVENT} bytes."
            )
    if held.strip():
        yield held.decode("utf-8", "replace")

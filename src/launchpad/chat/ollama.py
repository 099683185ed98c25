"""Stream an answer from Ollama's native API: the only one that can fix the context and refuse to cut a prompt."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.chat.answer import Answer, deltas
from launchpad.chat.client import CONNECT_SECONDS, MAX_EVENT, error_body, unreachable
from launchpad.chat.connection import traced
from launchpad.chat.delta import Delta
from launchpad.chat.ollama_wire import Line, Repeats, chat_body, chat_error, read_line, spoken
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.wire import quote
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
    import httpx2

    url = server.endpoint.removesuffix("/").removesuffix("/v1") + "/api/chat"
    timeout = httpx2.Timeout(options.stall, connect=CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity"}
    if server.api_key:
        headers["Authorization"] = f"Bearer {server.api_key}"
    repeats = Repeats()
    try:
        with (
            httpx2.Client(trust_env=False, verify=url.startswith("https:"), timeout=timeout) as client,
            client.stream("POST", url, json=body, headers=headers, extensions=traced()) as response,
        ):
            if response.status_code != 200:
                raise chat_error(error_body(response), response.status_code, spoken(server.model))
            for text in split_lines(response.iter_bytes()):
                line = read_line(text, spoken(server.model))
                repeats.feed(line)
                answer.calls += line.calls()
                yield line
                if line.finish_reason:
                    return
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL) as error:
        raise unreachable(server.report.engine, server.endpoint, error) from error
    except httpx2.ReadTimeout as error:
        raise answer.cut(f"nothing came for {options.stall:g} s") from error
    except httpx2.HTTPError as error:
        raise answer.cut(quote(str(error))) from error
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

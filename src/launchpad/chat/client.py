"""Stream an answer from an OpenAI-compatible engine."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Timings, Usage
from launchpad.chat.options import ChatOptions, Message, request_body
from launchpad.chat.think import ThinkSplitter
from launchpad.chat.wire import engine_error, quote, read_chunk
from launchpad.errors import AnswerError

if TYPE_CHECKING:
    import httpx2

MAX_EVENT = 10 * 2**20  # bytes of one event; more is an attack or a bug
MAX_ERROR_BODY = 2**20  # bytes of an error answer that are read
CONNECT_SECONDS = 10.0


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
    answer = _Answer(engine)
    body = request_body(model, messages, options)
    try:
        with closing(_events(endpoint, api_key, body, options, engine, answer)) as events:
            for data in events:
                yield from answer.feed(data)
    except AnswerError:
        yield from answer.close()
        if not answer.finish_reason:
            raise
    yield from answer.close()
    yield answer.finish()


def _events(
    endpoint: str, api_key: str, body: dict[str, Any], options: ChatOptions, engine: str, answer: _Answer
) -> Generator[str]:
    """The data of each event up to `[DONE]`; every way that HTTP can fail becomes an `AnswerError`."""
    import httpx2

    timeout = httpx2.Timeout(options.stall, connect=CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    url = f"{endpoint.rstrip('/')}/chat/completions"
    verify = url.startswith("https:")  # loading certificates takes 30 ms, which a plain address need not pay
    try:
        with (
            httpx2.Client(trust_env=False, verify=verify, timeout=timeout, headers=headers) as client,
            client.sse(url, method="POST", json=body, max_event_size=MAX_EVENT) as events,
        ):
            _check(events.response)
            for event in events:
                if event.data.strip() == "[DONE]":
                    answer.finish_reason = answer.finish_reason or "stop"
                    return
                yield event.data
    except httpx2.SSEError as error:
        raise AnswerError("The engine sent a broken answer.", why=quote(str(error))) from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL) as error:
        raise _unreachable(engine, endpoint, error) from error
    except httpx2.ReadTimeout as error:
        raise answer.cut(f"nothing came for {options.stall:g} s") from error
    except httpx2.HTTPError as error:
        raise answer.cut(quote(str(error))) from error


class _Answer:
    """Collects what the chunks say about the end; passes on the text."""

    def __init__(self, engine: str) -> None:
        self.finish_reason: str | None = None
        self._engine = engine
        self._characters = 0
        self._usage: Usage | None = None
        self._timings: Timings | None = None
        self._own_reasoning = False
        self._splitter = ThinkSplitter()

    def feed(self, data: str) -> Iterator[Text | Reasoning]:
        chunk = read_chunk(data)
        for piece in chunk.pieces():
            self._characters += len(piece.text)
            yield from self._told_apart(piece)
        self.finish_reason = chunk.finish_reason or self.finish_reason
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings

    def _told_apart(self, piece: Text | Reasoning) -> Iterator[Text | Reasoning]:
        """Look for tags, but not in the text of an engine that reports reasoning by itself."""
        if isinstance(piece, Reasoning):
            yield from self.close()
            self._own_reasoning = True
        if self._own_reasoning:
            yield piece
        else:
            yield from self._splitter.feed(piece.text)

    def close(self) -> Iterator[Text | Reasoning]:
        yield from self._splitter.close()

    def finish(self) -> Finish:
        if not self.finish_reason:
            raise self.cut("the stream ended without a finish reason")
        return Finish(reason=self.finish_reason, usage=self._usage, timings=self._timings)

    def cut(self, cause: str) -> AnswerError:
        return AnswerError(
            "The answer was cut.",
            why=f"{self._engine} stopped after {self._characters} characters: {cause}.",
            hint="What came before is kept; ask again.",
            retryable=True,
        )


def _check(response: httpx2.Response) -> None:
    """Raise for an error status. Only so much of its body is read as an error can need."""
    response.encoding = "utf-8"  # event streams are always UTF-8, whatever the header claims
    if response.status_code == 200:
        return
    body = b""
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_ERROR_BODY:
            break
    raise engine_error(body[:MAX_ERROR_BODY].decode("utf-8", "replace"), response.status_code)


def _unreachable(engine: str, endpoint: str, error: Exception) -> AnswerError:
    return AnswerError(
        f"{engine} does not answer.",
        why=f"No connection to {endpoint}: {quote(str(error))}",
        hint="It may have been stopped or have died; start it again.",
        retryable=True,
    )

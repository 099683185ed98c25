"""Stream an answer from an OpenAI-compatible engine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from launchpad.chat.answer import Answer, deltas
from launchpad.chat.connection import traced
from launchpad.chat.delta import Delta
from launchpad.chat.options import ChatOptions, Message, request_body
from launchpad.chat.wire import CallCollector, Chunk, engine_error, quote, read_chunk
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
    import httpx2

    timeout = httpx2.Timeout(options.stall, connect=CONNECT_SECONDS)
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    url = f"{endpoint.rstrip('/')}/chat/completions"
    verify = url.startswith("https:")  # loading certificates takes 30 ms, which a plain address need not pay
    try:
        with (
            httpx2.Client(trust_env=False, verify=verify, timeout=timeout, headers=headers) as client,
            client.sse(
                url, method="POST", json=body, max_event_size=MAX_EVENT, extensions=traced()
            ) as events,
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
        raise unreachable(engine, endpoint, error) from error
    except httpx2.ReadTimeout as error:
        raise answer.cut(f"nothing came for {options.stall:g} s") from error
    except httpx2.HTTPError as error:
        raise answer.cut(quote(str(error))) from error


def _check(response: httpx2.Response) -> None:
    """Raise for an error status."""
    response.encoding = "utf-8"  # event streams are always UTF-8, whatever the header claims
    if response.status_code != 200:
        raise engine_error(error_body(response), response.status_code)


def error_body(response: httpx2.Response) -> str:
    """The text of an error answer: only so much of it is read as an error can need."""
    body = b""
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_ERROR_BODY:
            break
    return body[:MAX_ERROR_BODY].decode("utf-8", "replace")


def unreachable(engine: str, endpoint: str, error: Exception) -> AnswerError:
    """The error for an engine that cannot be reached."""
    return AnswerError(
        f"{engine} does not answer.",
        why=f"No connection to {endpoint}: {quote(str(error))}",
        hint="It may have been stopped or have died; start it again.",
        retryable=True,
    )

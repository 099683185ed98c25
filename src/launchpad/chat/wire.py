"""The words of OpenAI-compatible engines, understood: stream chunks and error objects. Pure: data in, data out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launchpad.chat.delta import Reasoning, Text, Timings, ToolCall, Usage
from launchpad.errors import AnswerError
from launchpad.sanitize import clean, encodable

MAX_QUOTE = 300  # characters of an engine's own words in our message
_LIMIT = re.compile(r"(?:maximum context length is|context size \() ?(\d+)")
_WANTED = re.compile(r"(?:requested|resulted in|contains|has|request \() ?(?:at least )?(\d+)")


class Chunk:
    """One event of the stream. Unknown fields are ignored; wrong types count as absent."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        choices = data.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else {}
        self._choice: Mapping[str, Any] = first if isinstance(first, dict) else {}
        self._data = data

    @property
    def finish_reason(self) -> str | None:
        """The engine's reason to stop; None while it goes on."""
        reason = self._choice.get("finish_reason")
        return reason if isinstance(reason, str) and reason else None

    @property
    def usage(self) -> Usage | None:
        """Token counts; engines send them in the last chunk."""
        found = self._data.get("usage")
        if not isinstance(found, dict):
            return None
        prompt, completion = count(found.get("prompt_tokens")), count(found.get("completion_tokens"))
        if prompt is None or completion is None or not prompt + completion:
            return None
        details = found.get("prompt_tokens_details")
        cached = count(details.get("cached_tokens")) if isinstance(details, dict) else None
        return Usage(prompt=prompt, completion=completion, cached=cached)

    @property
    def timings(self) -> Timings | None:
        """Speeds, which llama.cpp measures itself."""
        found = self._data.get("timings")
        if not isinstance(found, dict):
            return None
        return Timings(prefill_speed=_speed(found, "prompt"), decode_speed=_speed(found, "predicted"))

    def pieces(self) -> Iterator[Text | Reasoning]:
        """The text in this chunk: reasoning under either of its two names, then content."""
        delta = self._choice.get("delta")
        if not isinstance(delta, dict):
            return
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            yield Reasoning(encodable(reasoning))
        content = delta.get("content")
        if isinstance(content, str) and content:
            yield Text(encodable(content))

    def call_fragments(self) -> list[Mapping[str, Any]]:
        """Parts of the calls of tools in this chunk."""
        delta = self._choice.get("delta")
        found = delta.get("tool_calls") if isinstance(delta, dict) else None
        return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


class CallCollector:
    """Calls of tools from their fragments: the name comes once, the arguments as pieces of one JSON text."""

    def __init__(self) -> None:
        self._calls: dict[object, dict[str, str]] = {}

    def feed(self, fragments: Iterable[Mapping[str, Any]]) -> None:
        """Add what one chunk holds."""
        for part in fragments:
            function = part.get("function")
            call = self._calls.setdefault(part.get("index"), {"id": "", "name": "", "arguments": ""})
            call["id"] = str(part.get("id") or call["id"])
            if isinstance(function, dict):
                call["name"] = str(function.get("name") or call["name"])
                call["arguments"] += str(function.get("arguments") or "")

    def whole(self) -> Iterator[ToolCall]:
        """The calls, in their order. Raises `AnswerError` for arguments that are no JSON object."""
        for call in self._calls.values():
            arguments = read_object(call["arguments"] or "{}")
            yield ToolCall(name=call["name"], arguments=arguments, id=call["id"])


def read_chunk(data: str) -> Chunk:
    """One event's data, or the `AnswerError` that the engine reports in it or that it deserves."""
    found = read_object(data)
    if found.get("error"):
        raise engine_error(found, status=None)
    return Chunk(found)


def read_object(data: str) -> dict[str, Any]:
    """A JSON object. Raises `AnswerError` for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AnswerError("The engine sent a broken answer.", why=f"Not JSON: {quote(data)}") from error
    if not isinstance(found, dict):
        raise AnswerError("The engine sent a broken answer.", why=f"Not an object: {quote(data)}")
    return found


def engine_error(body: object, status: int | None) -> AnswerError:
    """The error that an engine reported, as the user should read it.

    `body` is the decoded error answer (or its text). Ollama wraps its runner's JSON in a string: it is opened.
    """
    message = error_text(body)
    wanted, limit = too_long_figures(body)
    if limit is not None:
        return too_long(wanted, limit)
    why = quote(message) if message else f"It answered with status {status} and no explanation."
    if status in (401, 403):
        return AnswerError("The engine refused the key.", why=why)
    if status in (429, 503):
        return AnswerError("The engine is busy.", why=why, hint="Try again in a moment.", retryable=True)
    return AnswerError("The engine reported an error.", why=why)


def error_text(body: object) -> str:
    """The engine's own words in an error answer, or those of a proxy's page; "" when there are none."""
    words = str(_error_object(body).get("message") or "")
    if not words[:200].lstrip().lower().startswith(("<!doctype html", "<html")):
        return words
    from launchpad.chat.pages import words_of

    return words_of(words)


def too_long_figures(body: object) -> tuple[int | None, int | None]:
    """(tokens needed, tokens of context) of an error about a prompt that is too long; (None, None) of any other."""
    found = _error_object(body)
    wanted, limit = count(found.get("n_prompt_tokens")), count(found.get("n_ctx"))
    if wanted is None or limit is None:
        message = str(found.get("message") or "")
        wanted, limit = _number(_WANTED, message), _number(_LIMIT, message)
    return (wanted, limit) if limit is not None else (None, None)


def too_long(wanted: int | None, limit: int) -> AnswerError:
    """The conversation does not fit into the context. Nothing was cut silently."""
    needs = f"needs {wanted} tokens" if wanted else "is too long"
    room = 1 << (max(wanted or 0, limit) - 1).bit_length()
    return AnswerError(
        "The conversation is longer than the context.",
        why=f"It {needs}; the context holds {limit}.",
        hint=larger_context(room if room > limit else 2 * limit),
    )


def larger_context(tokens: int) -> str:
    """What to do about a context that is full."""
    return f"Start with --context {tokens}, if the model can have it, ask with less text, or forget what was said (/clear)."


def quote(text: str) -> str:
    """An engine's own words: safe, on one line, not too long."""
    shown = clean(text[: MAX_QUOTE + 1]).strip()
    return shown if len(text) <= MAX_QUOTE else shown[:MAX_QUOTE] + "…"


def _error_object(body: object, depth: int = 3) -> Mapping[str, Any]:
    if isinstance(body, str):
        try:
            opened = json.loads(body)
        except (ValueError, RecursionError):
            return {"message": body}
        return _error_object(opened, depth - 1) if depth and isinstance(opened, dict) else {"message": body}
    if not isinstance(body, dict):
        return {}
    inner: Any = body.get("error", body)
    if isinstance(inner, dict) and isinstance(inner.get("message"), str) and inner["message"].startswith("{"):
        inner = inner["message"]
    if inner is body:
        return dict(body)
    return _error_object(inner, depth - 1) if depth else {"message": str(inner)}


def count(value: object) -> int | None:
    """A number of tokens; None for anything that is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match and len(match[1]) < 12 else None


def _speed(timings: Mapping[str, Any], kind: str) -> float | None:
    """Tokens/s. llama.cpp's clock for decoding starts *at* the first token, so n tokens took n - 1 steps."""
    tokens, milliseconds = timings.get(f"{kind}_n"), timings.get(f"{kind}_ms")
    if (
        not isinstance(tokens, int)
        or not isinstance(milliseconds, int | float)
        or tokens < 2
        or milliseconds <= 0
    ):
        return None
    return (tokens - 1 if kind == "predicted" else tokens) / milliseconds * 1000

"""Ollama's native chat API, written and understood. PURE: data in, data out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.chat.delta import Reasoning, Text, Timings, ToolCall, Usage
from launchpad.chat.ollama_words import explain_ollama
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.wire import count, read_object
from launchpad.errors import AnswerError
from launchpad.sanitize import encodable

REPEATS = 30  # equal pieces after which Ollama gives up without a last line
_SAME_NAME = ("temperature", "top_p", "top_k", "min_p", "seed")


def chat_body(
    model: str,
    messages: Sequence[Message],
    options: ChatOptions,
    *,
    context: int,
    keep_alive: str | None,
    thinks: bool | None,
) -> dict[str, Any]:
    """The JSON body of a streaming `/api/chat` request.

    The context goes with every request: another value, or none, would make Ollama load the model anew. Nothing may be
    cut or shifted silently. `thinks` is False for a model that cannot: Ollama refuses to be asked.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [_written(message) for message in messages],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": _options(options, context),
    }
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    if options.think is not None and thinks is not False:
        body["think"] = options.think
    if (form := _format(options.response_format or {})) is not None:
        body["format"] = form
    if options.tools:
        body["tools"] = list(options.tools)
    return body


def _written(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": encodable(message.content)}
    if message.images:
        written["images"] = list(message.images)
    if message.calls:
        written["tool_calls"] = [
            {"function": {"name": call.name, "arguments": dict(call.arguments)}} for call in message.calls
        ]
    if message.tool is not None:
        written["tool_name"] = message.tool
    return written


def _options(options: ChatOptions, context: int) -> dict[str, Any]:
    told: dict[str, Any] = {"num_ctx": context}
    told |= {name: value for name in _SAME_NAME if (value := getattr(options, name)) is not None}
    if options.max_tokens is not None:
        told["num_predict"] = options.max_tokens
    if options.stop:
        told["stop"] = list(options.stop)
    return told


def _format(response_format: Mapping[str, Any]) -> Any:
    """OpenAI's `response_format` in Ollama's words: a schema, "json", or None for plain text."""
    schema = response_format.get("json_schema")
    if isinstance(schema, Mapping) and isinstance(schema.get("schema"), Mapping):
        return dict(schema["schema"])
    return "json" if response_format.get("type") in ("json_object", "json_schema") else None


class Line:
    """One line of the stream. Unknown fields are ignored; wrong types count as absent."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        message = data.get("message")
        self._message: Mapping[str, Any] = message if isinstance(message, dict) else {}
        self._data = data

    @property
    def finish_reason(self) -> str | None:
        """Ollama's reason to stop, None before the last line. Ollama says "stop" also where a tool is called."""
        if self._data.get("done") is not True:
            return None
        return str(self._data.get("done_reason") or "stop")

    @property
    def usage(self) -> Usage | None:
        """Token counts of the last line. The prompt's are all its tokens, also those that were still known."""
        prompt, completion = count(self._data.get("prompt_eval_count")), count(self._data.get("eval_count"))
        if not prompt and not completion:
            return None
        return Usage(prompt=prompt or 0, completion=completion or 0)

    @property
    def timings(self) -> Timings | None:
        """The speed of the answer. That of reading the prompt cannot be told: its count holds tokens from the cache."""
        tokens, nanoseconds = count(self._data.get("eval_count")), count(self._data.get("eval_duration"))
        if not tokens or tokens < 2 or not nanoseconds:
            return None
        return Timings(decode_speed=(tokens - 1) / nanoseconds * 1e9)  # the clock starts at the first token

    def pieces(self) -> Iterator[Text | Reasoning]:
        """The text in this line: reasoning, then content."""
        thinking, content = self._message.get("thinking"), self._message.get("content")
        if isinstance(thinking, str) and thinking:
            yield Reasoning(encodable(thinking))
        if isinstance(content, str) and content:
            yield Text(encodable(content))

    def calls(self) -> Iterator[ToolCall]:
        """Calls of tools; each comes whole, its arguments as an object."""
        found = self._message.get("tool_calls")
        for call in found if isinstance(found, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                arguments = function.get("arguments")
                yield ToolCall(
                    name=function["name"],
                    arguments=arguments if isinstance(arguments, dict) else {},
                    id=str(call.get("id") or ""),
                )


def read_line(text: str, model: str) -> Line:
    """One line, or the `AnswerError` that Ollama reports in it or that it deserves."""
    found = read_object(text)
    if found.get("error"):
        raise chat_error(found, None, model)
    return Line(found)


def chat_error(body: object, status: int | None, model: str) -> AnswerError:
    """An error of Ollama's as one of an answer."""
    problem = explain_ollama(body, status, model)
    return AnswerError(problem.what, why=problem.why, hint=problem.hint, retryable=problem.retryable)


def spoken(model: str) -> str:
    """What errors call a model: not by the name that launchpad gives to one with a context of its own, for one launch."""
    return re.sub(r"^launchpad/(.+):ctx\d+-[0-9a-z-]+$", r"\1", model)


class Repeats:
    """Whether the last pieces were all the same: then Ollama stopped because the model would not."""

    def __init__(self) -> None:
        self._piece = ""
        self._times = 0

    def feed(self, line: Line) -> None:
        """Take the next line into account. Ollama compares the pieces without blanks around them."""
        for piece in line.pieces():
            text = piece.text.strip()
            self._times = self._times + 1 if text == self._piece else 1
            self._piece = text

    @property
    def gave_up(self) -> bool:
        """True after as many equal pieces as Ollama bears."""
        return self._times >= REPEATS

"""Many single requests: OpenAI's batch files (JSONL), in and out.

A line in is `{"custom_id", "method": "POST", "url": "/v1/chat/completions", "body": {"model", "messages", …}}`, a line out
`{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct

from launchpad.chat.delta import ToolCall
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import LaunchpadError, UsageError
from launchpad.script.answerers import Answerer
from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
from launchpad.script.checks import Answer, Referee
from launchpad.script.load import json_lines
from launchpad.script.model import Script
from launchpad.script.results import worst_code
from launchpad.script.runner import Opener

URL = "/v1/chat/completions"
_NUMBERS = {"temperature": float, "top_p": float, "top_k": int, "min_p": float, "seed": int}
_LENGTHS = ("max_tokens", "max_completion_tokens")
_IGNORED = ("stream", "stream_options", "n", "user", "metadata", "store")
_FIELDS = ("model", "messages", "stop", "response_format", *_NUMBERS, *_LENGTHS, *_IGNORED)


class BatchCounts(Struct, frozen=True, kw_only=True):
    """How many requests were answered, failed, and had been answered before."""

    answered: int
    failed: int
    skipped: int
    exit_code: int


class Request(Struct, frozen=True, kw_only=True):
    """One line: valid, or with the `fault` that its answer will tell."""

    custom_id: str
    model: str | None
    messages: tuple[Message, ...] = ()
    options: ChatOptions = ChatOptions()
    fault: str | None = None


def run_batch(
    source: Path, target: Path, opener: Opener, referee: Referee, *, jobs: int = 1, resume: bool = False
) -> BatchCounts:
    """Answer every request of `source` into `target`, model by model; each line is on disk when the next is asked.

    With `resume`, requests that `target` has an answer for are skipped, and its errors are tried again. Raises
    `UsageError` for a file that is no batch, before any model is started.
    """
    done = _answered(target) if resume else set()
    models = _models(source)
    with _Writer(target, append=resume) as writer:
        batch = _Batch(source, writer, opener, referee, jobs, done)
        for model in models:
            batch.run(model)
    return BatchCounts(
        answered=batch.answered,
        failed=batch.failed,
        skipped=batch.skipped,
        exit_code=worst_code(batch.codes),
    )


class _Batch:
    def __init__(
        self, source: Path, writer: _Writer, opener: Opener, referee: Referee, jobs: int, done: set[str]
    ) -> None:
        self._source = source
        self._writer = writer
        self._opener = opener
        self._referee = referee
        self._jobs = jobs
        self._done = done
        self.answered = self.failed = self.skipped = 0
        self.codes: set[int] = set()

    def run(self, model: str | None) -> None:
        """All requests for one model."""
        if all(request.custom_id in self._done for request in self._requests(model)):
            self.skipped += sum(1 for _ in self._requests(model))
            return
        try:
            with self._opener(model, Script(entries=())) as answerer:
                answerer.begin()
                self._answer(model, answerer)
        except UsageError:
            raise
        except LaunchpadError as error:
            self.codes.add(error.exit_code)
            for request in self._requests(model):
                if request.custom_id not in self._done:
                    self._fail(request, f"{error.what} {error.why or ''}".strip(), 503)

    def _requests(self, model: str | None) -> Iterator[Request]:
        found = (read_request(line, number, self._source) for number, line in json_lines(self._source))
        return (request for request in found if request.model == model)

    def _answer(self, model: str | None, answerer: Answerer) -> None:
        waiting: deque[tuple[Request, Future[Answer]]] = deque()
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="batch") as pool:
            for request in self._requests(model):
                if request.custom_id in self._done:
                    self.skipped += 1
                    continue
                if request.fault:
                    self._fail(request, request.fault, 400)
                    continue
                waiting.append((request, pool.submit(self._ask, answerer, request)))
                if len(waiting) >= 2 * self._jobs:
                    self._take(*waiting.popleft())
            while waiting:
                self._take(*waiting.popleft())

    def _ask(self, answerer: Answerer, request: Request) -> Answer:
        return ask(
            answerer, request.messages, answerer.options(request.options), Wanted(), Limits(first=600.0, stall=60.0),
            self._referee,
        )  # fmt: skip

    def _take(self, request: Request, future: Future[Answer]) -> None:
        try:
            answer = future.result()
        except FailedAnswer as failed:
            self.codes.add(failed.error.exit_code)
            self._fail(request, f"{failed.error.what} {failed.error.why or ''}".strip(), 500)
            return
        self.answered += 1
        self._done.add(request.custom_id)
        self._writer.write(_line(request.custom_id, 200, completion(request.model or "auto", answer)))

    def _fail(self, request: Request, message: str, status: int) -> None:
        self.failed += 1
        self.codes.add(6)
        self._done.add(request.custom_id)
        body = {
            "error": {
                "message": message,
                "type": "invalid_request_error" if status == 400 else "server_error",
            }
        }
        self._writer.write(_line(request.custom_id, status, body))


def read_request(line: Any, number: int, path: Path) -> Request:
    """A request. A line without a `custom_id` breaks the file (`UsageError`); other faults are told in its answer."""
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str) or not line["custom_id"]:
        raise UsageError(
            f"{path}:{number}: no batch request.",
            why="The line has no custom_id.",
            hint='Each line is {"custom_id": …, "method": "POST", "url": "/v1/chat/completions", "body": {…}}.',
        )
    body = line.get("body")
    model = body.get("model") if isinstance(body, dict) else None
    named = model if isinstance(model, str) and model != "auto" else None
    try:
        _check_envelope(line, body)
        assert isinstance(body, dict)
        return Request(
            custom_id=line["custom_id"],
            model=named,
            messages=_messages(body.get("messages")),
            options=_options(body),
        )
    except ValueError as error:
        return Request(custom_id=line["custom_id"], model=named, fault=str(error))


def _check_envelope(line: Mapping[str, Any], body: Any) -> None:
    if line.get("url", URL) != URL or line.get("method", "POST") != "POST":
        raise ValueError(f"Only POST {URL} is answered.")
    if not isinstance(body, dict):
        raise ValueError("body must be an object.")
    if unknown := sorted(set(body) - set(_FIELDS)):
        raise ValueError(f"Unknown or unsupported fields: {', '.join(unknown)}.")
    if body.get("n", 1) != 1:
        raise ValueError("n must be 1.")


def _messages(found: Any) -> tuple[Message, ...]:
    if not isinstance(found, list) or not found:
        raise ValueError("messages must be a list with at least one message.")
    messages = []
    for item in found:
        if not isinstance(item, dict) or item.get("role") not in ("system", "user", "assistant", "tool"):
            raise ValueError("A message needs a role: system, user, assistant or tool.")
        content = item.get("content")
        if isinstance(content, list) and all(
            isinstance(part, dict) and part.get("type") == "text" for part in content
        ):
            content = "".join(str(part.get("text", "")) for part in content)
        if not isinstance(content, str):
            raise ValueError("content must be a text, or text parts.")
        messages.append(Message(item["role"], content, calls=_calls(item), call=item.get("tool_call_id")))
    return tuple(messages)


def _calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    if message.get("tool_calls"):
        raise ValueError("tool_calls are not answered in batches.")
    return ()


def _options(body: Mapping[str, Any]) -> ChatOptions:
    values: dict[str, Any] = {}
    for name, kind in _NUMBERS.items():
        if body.get(name) is not None:
            if isinstance(body[name], bool) or not isinstance(body[name], int | float):
                raise ValueError(f"{name} must be a number.")
            values[name] = kind(body[name])
    for name in _LENGTHS:
        if body.get(name) is not None:
            if isinstance(body[name], bool) or not isinstance(body[name], int) or body[name] < 1:
                raise ValueError(f"{name} must be a whole number above 0.")
            values["max_tokens"] = body[name]
    stop = body.get("stop")
    if stop is not None:
        stops = [stop] if isinstance(stop, str) else stop
        if not isinstance(stops, list) or not all(isinstance(word, str) for word in stops):
            raise ValueError("stop must be a text or a list of texts.")
        values["stop"] = tuple(stops)
    if isinstance(body.get("response_format"), dict):
        values["response_format"] = body["response_format"]
    return ChatOptions(**values)


def completion(model: str, answer: Answer) -> dict[str, Any]:
    """An answer as OpenAI's `chat.completion`."""
    prompt, made = answer.prompt_tokens or 0, answer.completion_tokens or 0
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made},
    }


def batch_record(custom_id: str, status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the output."""
    response = {"status_code": status, "request_id": custom_id, "body": body}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": response, "error": None}


def _line(custom_id: str, status: int, body: Mapping[str, Any]) -> str:
    return json.dumps(batch_record(custom_id, status, body), ensure_ascii=False) + "\n"


def _models(source: Path) -> list[str | None]:
    """The models in the order of their first request. Raises `UsageError` for doubled ids."""
    models: dict[str | None, None] = {}
    seen: set[str] = set()
    for number, line in json_lines(source):
        request = read_request(line, number, source)
        if request.custom_id in seen:
            raise UsageError(
                f"{source}:{number}: the custom_id {request.custom_id!r} is there twice.",
                why="Answers are told apart by it.",
                hint="Give each request its own.",
            )
        seen.add(request.custom_id)
        models[request.model] = None
    return list(models)


def _answered(target: Path) -> set[str]:
    from launchpad.script.journal import read_lines

    if not target.exists():
        return set()
    return {
        str(line.get("custom_id"))
        for line in read_lines(target)
        if isinstance(line.get("response"), dict) and line["response"].get("status_code") == 200
    }


class _Writer:
    """Appends lines, each whole and synced. Thread-safe."""

    def __init__(self, path: Path, *, append: bool) -> None:
        from launchpad.script.journal import open_lines

        if not append and path.exists() and path.stat().st_size:
            raise UsageError(
                f"{path} exists already.",
                why="Its answers would be mixed with others.",
                hint="Go on with it: --resume.",
            )
        self._fd = open_lines(path)
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        data = memoryview(line.encode("utf-8", "replace"))
        with self._lock:
            while data:
                data = data[os.write(self._fd, data) :]
            os.fsync(self._fd)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

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

from launchpad.errors import LaunchpadError, UsageError
from launchpad.script.answerers import Answerer
from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
from launchpad.script.batch_shape import Request, batch_record, completion, read_request
from launchpad.script.checks import Answer, Referee
from launchpad.script.load import json_lines
from launchpad.script.model import Script
from launchpad.script.results import worst_code
from launchpad.script.runner import Opener


class BatchCounts(Struct, frozen=True, kw_only=True):
    """How many requests were answered, failed, and had been answered before."""

    answered: int
    failed: int
    skipped: int
    exit_code: int


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

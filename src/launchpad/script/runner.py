"""Running scripts: model by model, case by case, turn by turn."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from launchpad.chat.delta import Text
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import LaunchpadError, UsageError
from launchpad.script.answerers import Answerer, message_hash
from launchpad.script.case import CaseRun, Job
from launchpad.script.given import initial_values
from launchpad.script.journal import Finished, Journal, result_key
from launchpad.script.load import rows_of
from launchpad.script.model import Script
from launchpad.script.referee import RealReferee
from launchpad.script.results import Report, Result, shortened
from launchpad.script.variables import as_text


class Opener(Protocol):
    """Gives answerers for models."""

    def __call__(self, model: str | None, script: Script) -> AbstractContextManager[Answerer]:
        """An answerer for `model` (None: the best that fits), closed at the end. Raises `LaunchpadError`."""
        ...

    def knows(self, model: str) -> bool:
        """True for a model that can be named here; GitHub's files name some that cannot."""
        ...


class RunOptions(Struct, frozen=True, kw_only=True):
    """How a script is run. `jobs` requests at a time within one engine. `models` replaces the script's;
    `judge` is the model that judges, in place of those that the checks name. Without `whole_texts` the report keeps only
    the beginning of each text, so that any number of cases fits into memory; `emit` hears all of it.
    """

    models: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}
    judge: str | None = None
    jobs: int = 1
    transcript: str | None = None
    resume: str | None = None
    resume_changed: bool = False
    whole_texts: bool = True
    one_shot: bool = False
    allow_code: bool = False
    allow_path: bool = False
    run: str = ""
    version: str = ""


Emit = Callable[[str, Mapping[str, Any]], None]


def ignore(kind: str, fields: Mapping[str, Any]) -> None:
    """The default `emit`."""


def run_script(script: Script, opener: Opener, options: RunOptions, *, emit: Emit = ignore) -> Report:
    """Run every case with every model; results in the file's order.

    `emit` hears `delta`, `turn`, `check`, `result` as they happen. An answer or check that fails is a result, not an
    exception; so is an engine that cannot be started. Raises `UsageError` and `RefusedError` for what is wrong with the
    script itself, before any model is started, and passes `KeyboardInterrupt` on.
    """
    run = _Run(script, opener, options, emit)
    try:
        return run.whole()
    finally:
        run.close()


class _Run:
    def __init__(self, script: Script, opener: Opener, options: RunOptions, emit: Emit) -> None:
        self._script = one_shot(script) if options.one_shot else script
        self._opener = opener
        self._options = options
        self._emit = emit
        self._finished = (
            Finished(options.resume, script.sha256, allow_changed=options.resume_changed)
            if options.resume
            else None
        )
        self._journal = Journal(options.transcript or options.resume, options.run)
        self._deadline = None if script.timeouts.run is None else time.monotonic() + script.timeouts.run
        self._judges: dict[str | None, Answerer] = {}
        self._fingerprints: dict[str, Mapping[str, Any]] = {}
        self._opened = ExitStack()
        self._lock = threading.Lock()

    def close(self) -> None:
        self._opened.close()
        self._journal.close()

    def whole(self) -> Report:
        script, options = self._script, self._options
        self._check_variables()
        self._journal.write(
            "run",
            script=script.sha256,
            path=script.path,
            name=script.name,
            version=options.version,
            time=_now(),
        )
        results: list[Result] = []
        for model in options.models or script.models or (None,):
            results += self._with_model(model)
        report = Report(
            name=script.name,
            path=script.path,
            repeat=script.repeat,
            passes=script.wanted_passes,
            results=tuple(results),
            fingerprints=self._fingerprints,
        )
        self._journal.write("end", sync=True, counts=report.counts, exit=report.exit_code, time=_now())
        return report

    def _check_variables(self) -> None:
        """Refuse what is missing before a model is started: the first row shows which names rows give."""
        with closing(rows_of(self._script, allow_path=self._options.allow_path)) as rows:
            first = next(rows, {})
        initial_values(self._script, self._options.given, os.environ, set(first))

    def _with_model(self, model: str | None) -> Iterator[Result]:
        try:
            opened = self._opener(model, self._script)
            with opened as answerer:
                self._judges[None] = answerer
                yield from self._cases(answerer)
        except (UsageError, KeyboardInterrupt):
            raise
        except LaunchpadError as error:
            yield self._not_started(model, error)

    def _not_started(self, model: str | None, error: LaunchpadError) -> Result:
        """An engine or model that cannot be had is one error, not one for each case."""
        result = Result(
            case="*",
            model=model or "auto",
            outcome="error",
            error=error.what,
            why=error.why,
            exit_code=error.exit_code,
        )
        return self._tell(result, {})

    def _cases(self, answerer: Answerer) -> Iterator[Result]:
        referee = RealReferee(self._judge, code_folder=self._code_folder())
        job = Job(
            script=self._script, answerer=answerer, referee=referee, journal=self._journal, emit=self._emit,
            deadline=self._deadline, allow_path=self._options.allow_path,
        )  # fmt: skip
        try:
            yield from self._in_order(job)
        finally:
            referee.close()
            if job.fingerprint is not None:
                self._fingerprints[answerer.model] = job.fingerprint

    def _in_order(self, job: Job) -> Iterator[Result]:
        """Results in the file's order; at most `jobs` cases are under way, and no more rows are read than that."""
        jobs = 1 if self._script.deterministic else max(1, self._options.jobs)
        if jobs == 1:
            for run in self._runs(job):
                yield self._done(run, run.result())
                if job.broken:
                    return
            return
        with ThreadPoolExecutor(jobs, thread_name_prefix="case") as pool:
            waiting: deque[tuple[CaseRun, Future[Result]]] = deque()
            try:
                for run in self._runs(job):
                    waiting.append((run, pool.submit(run.result)))
                    if len(waiting) >= 2 * jobs:
                        yield self._next(waiting)
                    if job.broken:
                        break
                while waiting:
                    yield self._next(waiting)
            finally:
                for _, future in waiting:
                    future.cancel()

    def _next(self, waiting: deque[tuple[CaseRun, Future[Result]]]) -> Result:
        run, future = waiting.popleft()
        return self._done(run, future.result())

    def _runs(self, job: Job) -> Iterator[CaseRun]:
        """What is to be done: rows times repeats."""
        for number, row in enumerate(rows_of(self._script, allow_path=self._options.allow_path)):
            name = as_text(row.get("id") or row.get("stem") or number + 1)
            values = {
                **initial_values(self._script, self._options.given, os.environ, set(row)),
                **row,
                **self._options.given,
            }
            for repeat in range(self._script.repeat):
                keys = self._keys(job, row, repeat)
                earlier = self._finished.get(keys) if self._finished else None
                yield CaseRun(job, case=name, repeat=repeat, values=values, keys=keys, earlier=earlier)

    def _keys(self, job: Job, row: Mapping[str, Any], repeat: int) -> dict[str, str]:
        rest = (row, self._options.given, repeat, job.answerer.identity, to_builtins(self._script.parameters))
        return {"key": result_key(self._script.sha256, *rest), "case_key": result_key(*rest)}

    def _done(self, run: CaseRun, result: Result) -> Result:
        return self._tell(result, run.keys if not result.resumed else None)

    def _tell(self, result: Result, keys: Mapping[str, str] | None) -> Result:
        if keys is not None:
            self._journal.write("result", sync=True, **keys, **result.summary())
        self._emit("result", {"result": result})
        return result if self._options.whole_texts else shortened(result)

    def _judge(self, model: str | None, messages: Sequence[Message], schema: Mapping[str, Any]) -> str:
        """Put messages to a judge, and return what it says."""
        judge = self._judge_for(self._options.judge or model)
        form = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema}}
        options = ChatOptions(temperature=0, seed=0, max_tokens=64, think=False, response_format=form)
        text = "".join(delta.text for delta in judge.stream(messages, options) if isinstance(delta, Text))
        self._journal.write(
            "message", role="judge", model=judge.model, asked=message_hash(messages), content=text
        )
        return text

    def _judge_for(self, model: str | None) -> Answerer:
        """The judge, opened once beside the model under test; which judges itself where no other can be named."""
        if model is not None and not (model == self._judges[None].model or self._opener.knows(model)):
            model = None
        if model is None or model == self._judges[None].model:
            return self._judges[None]
        with self._lock:
            if model not in self._judges:
                judge = self._opened.enter_context(self._opener(model, Script(entries=())))
                judge.begin()
                self._judges[model] = judge
            return self._judges[model]

    def _code_folder(self) -> Path | None:
        return Path(self._script.path or ".").resolve().parent if self._options.allow_code else None


def one_shot(script: Script) -> Script:
    """As gh-models runs it: only the last user message is asked, all before it is history."""
    asked = [number for number, entry in enumerate(script.entries) if entry.asked]
    entries = tuple(replace(entry, asked=number == asked[-1]) for number, entry in enumerate(script.entries))
    return replace(script, entries=entries)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")

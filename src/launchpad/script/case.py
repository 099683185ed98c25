"""One case: the conversation of a script with one row's values."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError, EngineError, LaunchpadError, UsageError
from launchpad.script.answerers import Answerer, message_hash
from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
from launchpad.script.checks import Answer, CheckResult, Referee, evaluate, worst
from launchpad.script.journal import Journal
from launchpad.script.load import inside
from launchpad.script.model import Entry, OutputFile, Parameters, Script
from launchpad.script.results import Result, Turn, from_summary
from launchpad.script.variables import expand


class Job:
    """What all cases with one model share. `broken` is set when no further case can be answered."""

    def __init__(
        self,
        *,
        script: Script,
        answerer: Answerer,
        referee: Referee,
        journal: Journal,
        emit: Callable[[str, Mapping[str, Any]], None],
        deadline: float | None,
        allow_path: bool,
    ) -> None:
        self.script = script
        self.answerer = answerer
        self.referee = referee
        self.journal = journal
        self.emit = emit
        self.deadline = deadline
        self.allow_path = allow_path
        self.fingerprint: Mapping[str, Any] | None = None
        self.broken = False
        self._begun = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Have the answerer ready before the first case that is really asked. Raises `LaunchpadError`."""
        with self._lock:
            if not self._begun:
                self._begun = True
                self.broken = (
                    True  # until it is ready: what cannot start will not start for the next case either
                )
                self.fingerprint = self.answerer.begin()
                self.broken = False
                self.journal.write("env", model=self.answerer.model, fingerprint=self.fingerprint)


class CaseRun:
    """One try of one case. `result` runs it, unless an earlier run did."""

    def __init__(
        self,
        job: Job,
        *,
        case: str,
        repeat: int,
        values: Mapping[str, Any],
        keys: Mapping[str, str],
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        self.keys = keys
        self._job = job
        self._case = case
        self._repeat = repeat
        self._values = dict(values)
        self._earlier = earlier
        self._history: list[Message] = []
        self._turns: list[Turn] = []
        self._where: dict[str, Any] = {"case": case, "repeat": repeat, "model": job.answerer.model}

    def result(self) -> Result:
        """Run the case. Every failure of an answer is a result."""
        if self._earlier is not None:
            return from_summary(self._earlier)
        begin = time.monotonic()
        base = Result(case=self._case, model=self._job.answerer.model, outcome="pass", repeat=self._repeat)
        try:
            target = self._output_path()
            if target is not None and target.exists() and self._output().if_exists == "skip":
                return replace(base, outcome="skip", output=str(target))
            self._job.begin()
            self._converse(begin)
            checks = self._case_checks()
            output = self._write(target)
        except FailedAnswer as failed:
            return self._failed(base, failed.error, begin)
        except LaunchpadError as error:
            return self._failed(base, error, begin)
        outcomes = [check.outcome for turn in self._turns for check in turn.checks] + [
            c.outcome for c in checks
        ]
        return replace(
            base,
            outcome=worst(outcomes) if outcomes else "pass",
            turns=tuple(self._turns),
            checks=checks,
            milliseconds=(time.monotonic() - begin) * 1000,
            output=output,
            exit_code=6 if "error" in outcomes else 0,
        )

    def _failed(self, base: Result, error: LaunchpadError, begin: float) -> Result:
        job = self._job
        code = error.exit_code
        if not job.broken and not job.answerer.alive():
            job.broken, code = True, EngineError.exit_code
        return replace(
            base,
            outcome="error",
            turns=tuple(self._turns),
            milliseconds=(time.monotonic() - begin) * 1000,
            error=error.what,
            why=error.why,
            exit_code=AnswerError.exit_code if isinstance(error, UsageError) else code,
        )

    # -- the conversation -----------------------------------------------------------------------------------------

    def _converse(self, begin: float) -> None:
        for number, entry in enumerate(self._job.script.entries):
            content = expand(entry.content, self._values)
            if not entry.asked:
                self._history.append(Message(entry.role, content))
                continue
            if not self._wanted_now(entry, number):
                continue
            for again in range(entry.repeat_until.most if entry.repeat_until else 1):
                answer = self._turn(entry, number, content, begin, again)
                if entry.repeat_until is None:
                    break
                if self._check(entry.repeat_until.check, answer).outcome == "pass":
                    break
            if entry.stop:
                return

    def _wanted_now(self, entry: Entry, number: int) -> bool:
        """False for a turn whose condition does not hold."""
        if entry.when is None:
            return True
        kept = self._values.get(entry.when.of)
        if kept is not None:
            found = self._check(entry.when.check, Answer(text=str(kept)))
            if found.outcome == "error":
                raise LaunchpadError("A condition cannot be evaluated.", why=found.detail)
            if found.outcome == "pass":
                return True
        self._turns.append(Turn(turn=number, question="", outcome="skip", keep_as=entry.keep_as))
        self._job.journal.write("skip", turn=number, **self._where)
        return False

    def _turn(self, entry: Entry, number: int, content: str, begin: float, again: int) -> Answer:
        job = self._job
        self._history.append(Message("user", content))
        asked = message_hash(self._history)
        job.journal.write("message", role="user", content=content, turn=number, **self._where)
        job.emit("ask", {**self._where, "turn": number, "question": content})
        try:
            answer = ask(
                job.answerer,
                tuple(self._history),
                self._options(entry, again),
                self._form(entry),
                self._limits(entry, begin),
                job.referee,
                lambda delta: job.emit("delta", {**self._where, "turn": number, "delta": delta}),
            )
        except FailedAnswer as failed:
            self._record(entry, number, content, failed.answer, asked, failed.error)
            raise
        self._history.append(Message("assistant", answer.text))
        if entry.keep_as:
            self._values[entry.keep_as] = answer.said
        self._record(entry, number, content, answer, asked, None)
        return answer

    def _record(
        self,
        entry: Entry,
        number: int,
        content: str,
        answer: Answer,
        asked: str,
        error: LaunchpadError | None,
    ) -> None:
        """Write the turn down: what came, and what the checks say of it."""
        job = self._job
        usage = None
        if answer.prompt_tokens is not None:
            usage = {"prompt": answer.prompt_tokens, "completion": answer.completion_tokens}
        job.journal.write(
            "message", sync=True, role="assistant", content=answer.text, reasoning=answer.reasoning,
            finish_reason=answer.finish_reason, usage=usage, ms=round(answer.milliseconds),
            tokens_per_second=answer.tokens_per_second,
            asked=None if error else asked, error=str(error) if error else None, turn=number, **self._where,
        )  # fmt: skip
        checks = () if error else tuple(self._check(check, answer) for check in entry.expect)
        for check in checks:
            job.journal.write("check", turn=number, **self._where, **to_builtins(check))
        turn = Turn(
            turn=number,
            question=content,
            answer=answer,
            keep_as=entry.keep_as,
            checks=checks,
            outcome="error" if error else worst([c.outcome for c in checks]) if checks else "pass",
        )
        self._turns.append(turn)
        job.emit("turn", {**self._where, "turn": turn})

    def _check(self, check: Any, answer: Answer) -> CheckResult:
        return evaluate(check, answer, self._values, self._job.referee)

    def _case_checks(self) -> tuple[CheckResult, ...]:
        """The script's own checks, on the last answer."""
        last = next((turn.answer for turn in reversed(self._turns) if turn.answer), None)
        if last is None:
            return ()
        checks = tuple(self._check(check, last) for check in self._job.script.expect)
        for check in checks:
            self._job.journal.write("check", **self._where, **to_builtins(check))
        return checks

    # -- what is asked of the engine --------------------------------------------------------------------------------

    def _options(self, entry: Entry, again: int) -> ChatOptions:
        parameters = entry.parameters.over(self._job.script.parameters)
        if self._job.script.deterministic:
            parameters = replace(parameters, temperature=0.0, seed=parameters.seed or 0)
        asked = chat_options_of(parameters)
        if asked.seed is not None or self._job.script.repeat > 1 or again:
            asked = replace(asked, seed=(asked.seed or 0) + self._repeat + again)
        return self._job.answerer.options(asked)

    def _form(self, entry: Entry) -> Wanted:
        script = self._job.script
        if entry.schema is not None:
            return Wanted(format="json_schema", schema=entry.schema)
        if script.response_format == "json_schema":
            return Wanted(format="json_schema", schema=script.schema)
        return Wanted(format=script.response_format or "text")

    def _limits(self, entry: Entry, begin: float) -> Limits:
        times = self._job.script.timeouts
        ends = [end for end in (self._job.deadline, begin + times.case if times.case else None) if end]
        return Limits(
            first=times.first,
            turn=entry.timeout or times.turn,
            stall=times.stall,
            deadline=min(ends, default=None),
        )

    # -- the output file -------------------------------------------------------------------------------------------

    def _output(self) -> OutputFile:
        assert self._job.script.output is not None
        return self._job.script.output

    def _output_path(self) -> Path | None:
        if self._job.script.output is None:
            return None
        name = expand(self._output().file, self._values)
        return inside(self._job.script, name, allow_path=self._job.allow_path)

    def _write(self, target: Path | None) -> str | None:
        """Write the last answer, at once and whole."""
        last = next((turn.answer for turn in reversed(self._turns) if turn.answer), None)
        if target is None or last is None:
            return None
        output = self._output()
        if target.exists() and output.if_exists == "error":
            raise UsageError(
                f"{target} exists already.", why="output.if_exists is error.", hint="Use skip or overwrite."
            )
        text = last.said + "\n"
        if output.template is not None:
            text = expand(output.template, {**self._values, "answer": last.said})
        write_whole(target, text)
        return str(target)


def write_whole(target: Path, text: str) -> None:
    """A reader sees all of the file or nothing. Raises `UsageError`."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written.", why=error.strerror, hint="Choose another place."
        ) from error


def chat_options_of(parameters: Parameters) -> ChatOptions:
    """A script's parameters as the options of an answer; `context_length` belongs to the engine's start."""
    think = None if parameters.reasoning is None else parameters.reasoning != "off"
    return ChatOptions(
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        top_k=parameters.top_k,
        min_p=parameters.min_p,
        seed=parameters.seed,
        max_tokens=parameters.max_tokens,
        stop=parameters.stop,
        think=think,
    )

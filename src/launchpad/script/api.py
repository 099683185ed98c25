"""Prompt files from Python.

report = Script.load("triage.prompt.yml").run(models=["auto"], vars={"tone": "dry"})
assert report.ok, report.text()
report.write("junit", "out.xml")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from launchpad.errors import UsageError
from launchpad.events import Report, ignore
from launchpad.script import model, results
from launchpad.script import report as render
from launchpad.script.checks import CheckResult
from launchpad.script.engine import Openers
from launchpad.script.journal import new_run_id
from launchpad.script.load import load_script
from launchpad.script.results import Result
from launchpad.script.runner import Opener, RunOptions, run_script
from launchpad.talk import Answer
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan

Format = Literal["text", "json", "jsonl", "markdown", "junit", "openai-batch"]


class Script:
    """A prompt file."""

    def __init__(self, script: model.Script) -> None:
        self._script = script

    @classmethod
    def load(cls, path: str | Path) -> Script:
        """Read a file. Raises `UsageError` with line and column."""
        return cls(load_script(path))

    @property
    def name(self) -> str:
        """Its name, or its path."""
        return self._script.name or self._script.path

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it names; none: the best that fits."""
        return self._script.models

    def run(
        self,
        *,
        models: Sequence[str] = (),
        vars: Mapping[str, Any] | None = None,
        jobs: int = 1,
        backend: str | None = None,
        wish: Wish | None = None,
        transcript: str | Path | None = None,
        resume: str | Path | None = None,
        judge: str | None = None,
        strict_model: bool = False,
        allow_code: bool = False,
        allow_path: bool = False,
        max_download: int | None = None,
        on_event: Callable[[str, Mapping[str, Any]], None] = lambda kind, fields: None,
        report: Report = ignore,
        opener: Opener | None = None,
    ) -> ScriptReport:
        """Run every case with every model; every engine is stopped at the end.

        `backend` may also be `echo` or `replay:FILE`. `on_event` hears `ask`, `delta`, `turn` and `result`; `report` hears
        of pulls and starts. Answers and checks that fail are in the report; raises `UsageError` and `RefusedError` for
        what is wrong with the script itself.
        """
        wish = wish or Wish()
        options = RunOptions(
            models=tuple(models),
            given=vars or {},
            judge=judge,
            jobs=jobs,
            transcript=str(transcript) if transcript else None,
            resume=str(resume) if resume else None,
            allow_code=allow_code,
            allow_path=allow_path,
            run=new_run_id(),
        )
        opener = opener or _openers(wish, backend, max_download, report, strict_model, jobs)
        return ScriptReport(run_script(self._script, opener, options, emit=on_event))


def _openers(
    wish: Wish, backend: str | None, max_download: int | None, report: Report, strict: bool, jobs: int
) -> Openers:
    from msgspec.structs import replace

    from launchpad.events import Notice
    from launchpad.launcher import unattended

    def start(plan: Plan, fresh: bool) -> tuple[Plan, RunningServer]:
        return unattended.started(plan, report)

    return Openers(
        replace(wish, backend=backend or wish.backend),
        lambda wish: unattended.planned(wish, max_download, report),
        start,
        knows=unattended.knows,
        notice=lambda line: report(Notice(message=line)),
        strict=strict,
        jobs=jobs,
    )


class CaseResult:
    """One try of one case."""

    def __init__(self, result: Result) -> None:
        self.result = result

    @property
    def case(self) -> str:
        """The case's `id`, or its number from 1."""
        return self.result.case

    @property
    def model(self) -> str:
        """The model that answered."""
        return self.result.model

    @property
    def outcome(self) -> str:
        """pass, fail, error or skip."""
        return self.result.outcome

    status = outcome  # as reports of other tools call it

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """What each check found: those of the turns, then those of the case."""
        return self.result.all_checks

    @property
    def messages(self) -> list[dict[str, str]]:
        """What was asked and answered, in OpenAI's shape."""
        asked = [turn for turn in self.result.turns if turn.answer is not None]
        pairs = ((("user", turn.question), ("assistant", turn.answer.text)) for turn in asked if turn.answer)
        return [{"role": role, "content": content} for pair in pairs for role, content in pair]

    @property
    def answer(self) -> Answer:
        """The last answer. Raises `UsageError` when there is none."""
        return _answer(self.result.answer, self.result)

    def kept(self, name: str) -> Answer:
        """The answer that the script keeps as `name`. Raises `UsageError` when there is none."""
        turns = [turn for turn in self.result.turns if turn.keep_as == name]
        return _answer(turns[-1].answer if turns else None, self.result)

    @property
    def faults(self) -> list[str]:
        """What went wrong, one line each."""
        found = [
            f"{check.check}: {check.detail}"
            for check in self.result.all_checks
            if check.outcome in ("fail", "error")
        ]
        return (
            [f"{self.result.error} {self.result.why or ''}".strip(), *found] if self.result.error else found
        )


class ScriptReport:
    """All results of a run."""

    def __init__(self, report: results.Report) -> None:
        self.report = report

    @property
    def ok(self) -> bool:
        """True when nothing failed."""
        return self.report.ok

    @property
    def exit_code(self) -> int:
        """What `launchpad test` would end with."""
        return self.report.exit_code

    @property
    def results(self) -> list[CaseResult]:
        """Every try of every case with every model."""
        return [CaseResult(result) for result in self.report.results]

    def case(self, name: str, *, model: str | None = None, repeat: int = 0) -> CaseResult:
        """The case called `name` (its `id`, or its number from 1). Raises `UsageError` when there is none."""
        for result in self.report.results:
            if (result.case, result.repeat) == (name, repeat) and model in (None, result.model):
                return CaseResult(result)
        known = ", ".join(dict.fromkeys(result.case for result in self.report.results))
        raise UsageError(
            f"There is no case {name!r}.", why=f"There are: {known or 'none'}.", hint="Check its id."
        )

    def text(self, style: Format = "text") -> str:
        """The report in a format of `launchpad test`."""
        import msgspec

        match style:
            case "markdown":
                return render.markdown([self.report])
            case "junit":
                return render.junit([self.report])
            case "jsonl":
                return "".join(render.result_line(result, self.report.path) for result in self.report.results)
            case "openai-batch":
                return "".join(render.batch_line(result) for result in self.report.results)
            case "json":
                return msgspec.json.format(
                    msgspec.json.encode(render.run_record(self.report)), indent=2
                ).decode()
        return render.text(self.report)

    def write(self, style: Format, path: str | Path) -> None:
        """Write the report to a file."""
        Path(path).write_text(self.text(style), encoding="utf-8")


def _answer(found: Any, result: Result) -> Answer:
    from launchpad.talk import as_answer

    if found is None:
        raise UsageError(
            f"The case {result.case} has no such answer.",
            why=result.error or "It was not asked.",
            hint="Look at .faults.",
        )
    return as_answer(found)

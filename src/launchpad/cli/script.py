"""What `run FILE.prompt.yml` and `test` share: running prompt files, and what stdout gets of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad import __version__
from launchpad.cli.streams import Unwritten
from launchpad.errors import AnswerError, UsageError

if TYPE_CHECKING:
    from launchpad.cli.app import App
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan
    from launchpad.script.engine import Openers
    from launchpad.script.model import Script
    from launchpad.script.results import Report, Result
    from launchpad.wish import Wish


def run_scripts(
    app: App,
    scripts: Sequence[Script],
    wish: Wish,
    options: Mapping[str, Any],
    *,
    yes: bool,
    show: str | None,
) -> int:
    """Run scripts one after the other; returns the exit code, the worst of all.

    `show` says which answers of a text run are printed (`last`, `all`, `none`, or the name of a kept answer); None
    prints a report of each script instead.
    """
    from launchpad.script.journal import new_run_id
    from launchpad.script.results import worst_code
    from launchpad.script.runner import RunOptions, run_script

    style = options["output_format"] or ("json" if app.output.json_mode else "text")
    app.output.json_mode = style == "json"
    opener = openers(app, wish, yes=yes, jobs=options["jobs"], strict=options["strict_model"])
    given = _given(app, scripts, options)
    run = RunOptions(
        models=options["models"], given=given, judge=options["judge"], jobs=options["jobs"],
        transcript=options["transcript"], resume=options["resume"], resume_changed=options["resume_changed"],
        whole_texts=style in ("json", "junit"), one_shot=options["one_shot"], allow_code=options["allow_code"], allow_path=options["allow_path"],
        run=new_run_id(), version=__version__,
    )  # fmt: skip
    reports: list[Report] = []
    for script in scripts:
        printer = Printer(style, script, show, jobs=options["jobs"])
        report = run_script(script, opener, run, emit=printer)
        report = _compared(app, report, options["against"])
        reports.append(report)
        printer.end(report, app)
    _print_whole(app, style, reports)
    return worst_code(report.code(options["fail_on"], options["max_error_rate"]) for report in reports)


def openers(app: App, wish: Wish, *, yes: bool, jobs: int, strict: bool = False) -> Openers:
    """What starts the models that a script or a batch names."""
    from launchpad.cli.launching import begin, keep_seconds, launch, make_plan
    from launchpad.script.engine import Openers

    def start(plan: Plan, fresh: bool) -> tuple[Plan, RunningServer]:
        if fresh:
            return launch(app, plan, yes=yes)
        return begin(app, plan, yes=yes, keep=keep_seconds(app, None))

    return Openers(
        wish,
        lambda wish: make_plan(app, wish, starts=True),
        start,
        knows=lambda name: _knows(app, name),
        notice=app.output.warn,
        strict=strict,
        jobs=jobs,
    )


def _knows(app: App, name: str) -> bool:
    from launchpad.catalog.find import known
    from launchpad.catalog.merge import models_of

    return known(name, lambda: models_of(app.host.catalogs()))


def _given(app: App, scripts: Sequence[Script], options: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of the command line, and standard input where a script asks for it."""
    from launchpad.chat.stdin import PATIENCE_SECONDS, read_stdin
    from launchpad.script.given import parse_given
    from launchpad.script.parse import uses_stdin

    given: dict[str, Any] = parse_given(options["given"])
    if "stdin" not in given and any(uses_stdin(script) for script in scripts):
        patience = options["stdin_timeout"]
        text = read_stdin(
            "", notice=app.output.note, encoding=options["stdin_encoding"],
            patience=PATIENCE_SECONDS if patience is None else patience,
        )  # fmt: skip
        if text is not None:
            given["stdin"] = text.rstrip("\n")
    return given


def _compared(app: App, report: Report, against: str | None) -> Report:
    if against is None:
        return report
    from launchpad.script.compare import compared

    report, notice = compared(report, Path(against))
    if notice:
        app.output.note(notice)
    return report


def _print_whole(app: App, style: str, reports: Sequence[Report]) -> None:
    """Formats that need all reports."""
    from launchpad.script import report as render

    if style == "markdown":
        app.output.line(render.markdown(reports).rstrip("\n"))
    elif style == "junit":
        app.output.line(render.junit(reports).rstrip("\n"))
    elif style == "json":
        from launchpad.cli.script_documents import ScriptRuns

        records = tuple(render.run_record(report) for report in reports)
        results = [result for record in records for result in record.results]
        answer = results[0].answer if len(results) == 1 else None
        app.output.data(ScriptRuns(scripts=records, answer=answer))


class Printer:
    """Hears what happens in a run, and prints what the format wants at once."""

    def __init__(self, style: str, script: Script, show: str | None, *, jobs: int) -> None:
        self._style = style
        self._show = show
        self._script = script
        kept = {entry.keep_as for entry in script.entries if entry.keep_as}
        if show not in (None, "last", "all", "none", *kept):
            raise UsageError(
                f"--print {show} names no answer.",
                why="No turn keeps one under that name.",
                hint="Use last, all or none.",
            )
        self._answers = _Answers() if style == "text" and show not in (None, "none") else None
        asked = [number for number, entry in enumerate(script.entries) if entry.asked]
        plain = jobs == 1 and script.output is None
        self._live = {
            number
            for number in asked
            if plain and (show == "all" or (show == "last" and number == asked[-1]))
        }
        self._said: set[int] = set()

    def __call__(self, kind: str, fields: Mapping[str, Any]) -> None:
        """One event of `runner.run_script`."""
        from launchpad.script.report import batch_line, result_line

        if self._style == "stream-json":
            self._stream(kind, fields)
        elif self._style == "jsonl" and kind == "result":
            self._write(result_line(fields["result"], self._script.path))
        elif self._style == "openai-batch" and kind == "result":
            self._write(batch_line(fields["result"]))
        elif self._answers is not None:
            try:
                self._text(self._answers, kind, fields)
            except AnswerError as error:  # no later case would be written either
                raise Unwritten(*(error.__cause__ or error).args) from error

    def end(self, report: Report, app: App) -> None:
        """Formats that are complete with each script."""
        from launchpad.script import report as render

        if self._style == "text" and self._show is None:
            app.output.line(render.text(report))
        elif self._style == "text":
            for line in render.faults(report):
                app.output.warn(line)
        elif self._style == "stream-json":
            self._line({"type": "end", "counts": report.counts, "exit_code": report.exit_code})
        sys.stdout.flush()

    def _text(self, answers: _Answers, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "delta" and fields["turn"] in self._live:
            answers.piece(fields["delta"])
            self._said.add(fields["turn"])
        elif kind == "turn":
            answers.end()
        elif kind == "result":
            answers.end()
            self._rest(answers, fields["result"])
            self._said.clear()

    def _rest(self, answers: _Answers, result: Result) -> None:
        """Answers that were not shown while they came."""
        turns = [turn for turn in result.turns if turn.answer is not None]
        if self._show == "last":
            turns = turns[-1:]
        elif self._show != "all":
            turns = [turn for turn in turns if turn.keep_as == self._show]
        for turn in turns:
            if turn.turn not in self._said and turn.answer is not None:
                answers.whole(turn.answer.text)

    def _stream(self, kind: str, fields: Mapping[str, Any]) -> None:
        from msgspec import to_builtins

        from launchpad.chat.delta import Finish, Reasoning
        from launchpad.script.report import record

        where = {
            name: fields[name]
            for name in ("case", "repeat", "model", "turn")
            if name in fields and kind != "turn"
        }
        match kind:
            case "delta":
                delta = fields["delta"]
                if isinstance(delta, Finish):
                    return
                shown = "reasoning" if isinstance(delta, Reasoning) else "content"
                self._line({"type": "delta", **where, shown: delta.text})
            case "ask":
                self._line({"type": "ask", **where, "question": fields["question"]})
            case "turn":
                rest = {name: fields[name] for name in ("case", "repeat", "model")}
                self._line({"type": "turn", **rest, **to_builtins(fields["turn"])})
            case "result":
                self._line({"type": "result", **to_builtins(record(fields["result"], self._script.path))})

    def _line(self, fields: Mapping[str, Any]) -> None:
        self._write(json.dumps({"schema_version": 1, **fields}, ensure_ascii=False) + "\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class _Answers:
    """Answers on stdout as they come, reasoning on stderr."""

    def __init__(self) -> None:
        from launchpad.chat.terminal import Writer
        from launchpad.chat.view import thoughts_writer

        self._text = Writer(sys.stdout, sanitize=sys.stdout.isatty())
        self._thoughts = thoughts_writer(sys.stderr)

    def piece(self, delta: Any) -> None:
        from launchpad.chat.delta import Reasoning, Text

        if isinstance(delta, Reasoning):
            self._thoughts.write(delta.text)
        elif isinstance(delta, Text):
            self._thoughts.end()
            self._text.write(delta.text)

    def whole(self, text: str) -> None:
        self._text.write(text)
        self.end()

    def end(self) -> None:
        self._thoughts.end()
        self._text.end()
        sys.stdout.flush()

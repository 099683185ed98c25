"""Reports of a run as text, Markdown, JUnit XML, JSON lines. PURE."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from msgspec import Struct, structs, to_builtins

from launchpad.script.checks import Answer, CheckResult, read_json
from launchpad.script.model import Outcome
from launchpad.script.results import Group, Report, Result, Turn

_SIGNS = {"pass": "ok", "fail": "FAILED", "error": "ERROR", "skip": "skipped"}


def text(report: Report) -> str:
    """A line for each case, what went wrong below it, and the counts."""
    lines = [f"{report.name or report.path}"]
    for group in report.groups:
        tries = f" {group.passed}/{len(group.tries)}" if len(group.tries) > 1 else ""
        figures = ", ".join(_figures(group))
        lines.append(
            f"  {_SIGNS[group.outcome]:7} {group.case}  [{group.model}]{tries}{f'  {figures}' if figures else ''}"
        )
        if group.outcome in ("fail", "error"):
            lines += [f"          {line}" for line in dict.fromkeys(_faults(group))]
    counts = ", ".join(f"{count} {_WORDS[kind]}" for kind, count in report.counts.items() if count)
    return "\n".join([*lines, counts or "nothing was run", ""])


_WORDS = {"pass": "passed", "fail": "failed", "error": "with errors", "skip": "skipped"}


def faults(report: Report) -> Iterable[str]:
    """A line for each thing that went wrong, with its case."""
    for group in report.groups:
        if group.outcome in ("fail", "error"):
            yield from (f"{group.case}: {fault}" for fault in dict.fromkeys(_faults(group)))


def _figures(group: Group) -> Iterable[str]:
    answers = [result.answer for result in group.tries if result.answer]
    if not answers:
        return
    yield f"{statistics.median(answer.milliseconds for answer in answers) / 1000:.1f} s"
    speeds = [answer.tokens_per_second for answer in answers if answer.tokens_per_second]
    if speeds:
        yield f"{statistics.median(speeds):.0f} tok/s"


def _faults(group: Group) -> Iterable[str]:
    """What went wrong, one line each."""
    for result in group.tries:
        if result.error:
            yield f"{result.error} {result.why or ''}".strip()
        for turn in result.turns:
            yield from _failed(turn.checks, turn.answer)
        yield from _failed(result.checks, result.answer)


def _failed(checks: Sequence[CheckResult], answer: Answer | None) -> Iterable[str]:
    """The checks that did not hold, and the answer that they are about."""
    failed = [check for check in checks if check.outcome in ("fail", "error")]
    yield from (f"{check.check}: {check.detail}".rstrip(": ") for check in failed)
    if failed and answer:
        yield f"the answer: {_one_line(answer.said)}"


def _one_line(text: str, most: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def markdown(reports: Sequence[Report]) -> str:
    """A table of models by cases for each script: tries that held, median time and speed."""
    parts = []
    for report in reports:
        models = list(dict.fromkeys(group.model for group in report.groups))
        cases = list(dict.fromkeys(group.case for group in report.groups))
        cells = {(group.case, group.model): _cell(group) for group in report.groups}
        rows = [
            f"| {_bar(case)} | " + " | ".join(cells.get((case, m), "") for m in models) + " |"
            for case in cases
        ]
        head = ["| case | " + " | ".join(map(_bar, models)) + " |", "| --- |" + " --- |" * len(models)]
        total = [f"| **all** | {' | '.join(_total(report, model) for model in models)} |"]
        parts.append("\n".join([f"## {_bar(report.name or report.path)}", "", *head, *rows, *total, ""]))
    return "\n".join(parts)


def _cell(group: Group) -> str:
    return " · ".join([f"{group.passed}/{len(group.tries)}", *_figures(group)]) + (
        "" if group.outcome in ("pass", "skip") else f" ({_SIGNS[group.outcome].lower()})"
    )


def _total(report: Report, model: str) -> str:
    groups = [group for group in report.groups if group.model == model]
    return f"**{sum(group.outcome in ('pass', 'skip') for group in groups)}/{len(groups)}**"


def _bar(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def junit(reports: Sequence[Report]) -> str:
    """JUnit XML: a suite for each script, a case for each case and model."""
    suites = "".join(_suite(report) for report in reports)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def _suite(report: Report) -> str:
    groups, counts = report.groups, report.counts
    seconds = sum(result.milliseconds for result in report.results) / 1000
    name = quoteattr(_xml(report.name or report.path))
    head = (
        f'  <testsuite name={name} tests="{len(groups)}" failures="{counts["fail"]}" errors="{counts["error"]}" '
        f'skipped="{counts["skip"]}" time="{seconds:.3f}">\n'
    )
    return head + "".join(_junit_case(report, group) for group in groups) + "  </testsuite>\n"


def _junit_case(report: Report, group: Group) -> str:
    seconds = sum(result.milliseconds for result in group.tries) / 1000
    attributes = (
        f"classname={quoteattr(_xml(f'{report.path}.{group.model}'))} name={quoteattr(_xml(group.case))} "
        f'time="{seconds:.3f}"'
    )
    inner = ""
    if group.outcome in ("fail", "error"):
        faults = list(dict.fromkeys(_faults(group))) or [group.outcome]
        tag = "failure" if group.outcome == "fail" else "error"
        inner = f"      <{tag} message={quoteattr(_xml(faults[0]))}>{escape(_xml(chr(10).join(faults)))}</{tag}>\n"
    elif group.outcome == "skip":
        inner = "      <skipped/>\n"
    answers = [result.answer.text for result in group.tries if result.answer]
    if answers:
        inner += f"      <system-out>{escape(_xml(answers[-1]))}</system-out>\n"
    return f"    <testcase {attributes}>\n{inner}    </testcase>\n"


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 forbids; they show as escapes."""
    allowed = (
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
        else f"\\x{ord(c):02x}"
        for c in text
    )
    return "".join(allowed)


class AnswerRecord(Struct, frozen=True, kw_only=True):
    """An answer in JSON reports. `json` is its value where it is JSON. Times in milliseconds, speed in tokens/s."""

    text: str
    json: Any
    reasoning: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    milliseconds: float
    first_token: float | None
    tokens_per_second: float | None
    tries: int


class ResultRecord(Struct, frozen=True, kw_only=True):
    """A try of a case in JSON reports; `answer` is the last one."""

    script: str
    case: str
    model: str
    outcome: Outcome
    repeat: int
    answer: AnswerRecord | None
    turns: tuple[Turn, ...]
    checks: tuple[CheckResult, ...]
    milliseconds: float
    error: str | None
    why: str | None
    exit_code: int
    output: str | None
    resumed: bool


class RunRecord(Struct, frozen=True, kw_only=True):
    """A script in JSON reports. `counts` are of cases, all tries of one together."""

    name: str
    path: str
    counts: dict[str, int]
    exit_code: int
    results: tuple[ResultRecord, ...]


def record(result: Result, path: str) -> ResultRecord:
    """A result as JSON reports have it."""
    answer = None
    if result.answer is not None:
        value = None
        with contextlib.suppress(ValueError):
            value = read_json(result.answer.text)
        answer = AnswerRecord(
            json=value,
            **{n: getattr(result.answer, n) for n in AnswerRecord.__struct_fields__ if n != "json"},
        )
    return ResultRecord(script=path, answer=answer, **structs.asdict(result))


def run_record(report: Report) -> RunRecord:
    """A report as JSON has it."""
    return RunRecord(
        name=report.name,
        path=report.path,
        counts=report.counts,
        exit_code=report.exit_code,
        results=tuple(record(result, report.path) for result in report.results),
    )


def result_line(result: Result, path: str) -> str:
    """One line of JSON for a result."""
    return json.dumps(to_builtins(record(result, path)), ensure_ascii=False) + "\n"


def batch_line(result: Result) -> str:
    """A line of OpenAI's batch output; `custom_id` names case, try and model."""
    from launchpad.script.batch_shape import batch_record, completion

    custom = ":".join([result.case, *([str(result.repeat)] if result.repeat else []), result.model])
    if result.answer is None or result.error:
        message = f"{result.error or 'no answer'} {result.why or ''}".strip()
        found = batch_record(custom, 500, {"error": {"message": message, "type": "server_error"}})
    else:
        found = batch_record(custom, 200, completion(result.model, result.answer))
    return json.dumps(found, ensure_ascii=False) + "\n"

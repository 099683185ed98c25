"""The answers of a run beside those of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.script.checks import CheckResult
from launchpad.script.journal import read_lines
from launchpad.script.results import Report, Result


def compared(report: Report, path: Path) -> tuple[Report, str | None]:
    """The report with a check "same text as before" for each case that the earlier run has.

    Texts are compared only where the fingerprints (model, engine, arguments, hardware) are equal; elsewhere a notice
    says why not, and the checks alone count. Raises `UsageError` when there is no such transcript.
    """
    if not path.is_file():
        raise UsageError(
            f"There is no transcript {path}.", why="No file has that name.", hint="Check --against."
        )
    texts: dict[tuple[str, str, int], str] = {}
    prints: dict[str, Mapping[str, Any]] = {}
    for line in read_lines(path):
        if line.get("type") == "env":
            prints[str(line.get("model"))] = line.get("fingerprint") or {}
        elif line.get("type") == "result" and isinstance(line.get("answer"), dict):
            key = (str(line.get("model")), str(line.get("case")), int(line.get("repeat") or 0))
            texts[key] = str(line["answer"].get("text", ""))
    different = {
        model
        for model, now in report.fingerprints.items()
        if model in prints and dict(prints[model]) != dict(now)
    }
    results = tuple(_checked(result, texts, different) for result in report.results)
    notice = None
    if different:
        notice = f"Not compared by text, for model, engine or hardware differ from then: {', '.join(sorted(different))}"
    return replace(report, results=results), notice


def _checked(result: Result, texts: Mapping[tuple[str, str, int], str], different: set[str]) -> Result:
    before = texts.get((result.model, result.case, result.repeat))
    if before is None or result.model in different or result.answer is None:
        return result
    same = before == result.answer.text
    check = CheckResult(
        check="same text as before", outcome="pass" if same else "fail", detail=f"before: {before[:80]!r}"
    )
    outcome = "fail" if not same and result.outcome == "pass" else result.outcome
    return replace(result, checks=(*result.checks, check), outcome=outcome)

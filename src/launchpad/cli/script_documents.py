"""The JSON documents of the commands that run prompt files; `documents` lists them with all others."""

from __future__ import annotations

from msgspec import Struct

from launchpad.script.report import AnswerRecord, RunRecord


class ScriptRuns(Struct, frozen=True, kw_only=True):
    """`test --json`, and `run FILE.prompt.yml --output-format json`; `answer` where there is just one result."""

    scripts: tuple[RunRecord, ...]
    answer: AnswerRecord | None


class BatchReport(Struct, frozen=True, kw_only=True):
    """`batch --json`: how many requests were answered, failed, and had an answer already."""

    path: str
    answered: int
    failed: int
    skipped: int


class LintProblem(Struct, frozen=True, kw_only=True):
    """An error or warning in a prompt file; lines and columns from 1."""

    path: str
    severity: str
    line: int
    column: int
    message: str
    hint: str | None


class LintReport(Struct, frozen=True, kw_only=True):
    """`lint --json`."""

    files: int
    problems: tuple[LintProblem, ...]

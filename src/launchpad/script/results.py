"""What a run found out: frozen data. PURE."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from launchpad.script.checks import Answer, CheckResult, worst
from launchpad.script.model import Outcome

# Worst first, by exit code: a signal, the engine, the pull, an answer, a check.
_ORDER = (130, 7, 5, 4, 3, 6, 2, 1)


class Turn(Struct, frozen=True, kw_only=True):
    """One question and its answer. `outcome` is skip for a turn whose condition did not hold."""

    turn: int
    question: str
    answer: Answer | None = None
    keep_as: str | None = None
    outcome: Outcome = "pass"
    checks: tuple[CheckResult, ...] = ()


class Result(Struct, frozen=True, kw_only=True):
    """One try of one case with one model. `error`, `why` and `exit_code` where there is no usable answer."""

    case: str
    model: str
    outcome: Outcome
    repeat: int = 0
    turns: tuple[Turn, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    milliseconds: float = 0.0
    error: str | None = None
    why: str | None = None
    exit_code: int = 0
    output: str | None = None
    resumed: bool = False

    @property
    def answer(self) -> Answer | None:
        """The last answer."""
        return next((turn.answer for turn in reversed(self.turns) if turn.answer), None)

    @property
    def all_checks(self) -> tuple[CheckResult, ...]:
        """Those of the turns, then those of the case."""
        return (*(check for turn in self.turns for check in turn.checks), *self.checks)

    def summary(self) -> dict[str, Any]:
        """The fields of the transcript's `result` line: everything but the turns, which have lines of their own."""
        fields = {
            name: getattr(self, name) for name in self.__struct_fields__ if name not in ("turns", "resumed")
        }
        built: dict[str, Any] = to_builtins(fields)
        if self.answer is not None:
            built["answer"] = to_builtins(self.answer)
        return built


_SHORT = 500  # characters


def shortened(result: Result) -> Result:
    """With the beginnings of its texts alone."""
    turns = []
    for turn in result.turns:
        answer = turn.answer and replace(turn.answer, text=turn.answer.text[:_SHORT], reasoning="")
        turns.append(replace(turn, question=turn.question[:_SHORT], answer=answer))
    return replace(result, turns=tuple(turns))


def from_summary(line: Mapping[str, Any]) -> Result:
    """A `Result` out of the transcript of an earlier run."""
    answer = line.get("answer")
    turns = (Turn(turn=0, question="", answer=convert(answer, Answer)),) if answer else ()
    fields = {name: line[name] for name in Result.__struct_fields__ if name in line and name != "turns"}
    return replace(convert(fields, Result), turns=turns, resumed=True)


class Group(Struct, frozen=True, kw_only=True):
    """All tries of one case with one model. `passed` of them held; the outcome counts that against `pass`."""

    case: str
    model: str
    tries: tuple[Result, ...]
    passed: int
    outcome: Outcome


class Report(Struct, frozen=True, kw_only=True):
    """All results of one script."""

    name: str
    path: str
    results: tuple[Result, ...]
    repeat: int = 1
    passes: int = 1
    fingerprints: Mapping[str, Mapping[str, Any]] = {}

    @property
    def groups(self) -> tuple[Group, ...]:
        """The tries of each case, together."""
        keyed = itertools.groupby(self.results, key=lambda result: (result.model, result.case))
        return tuple(_group(case, model, tuple(tries), self.passes) for (model, case), tries in keyed)

    @property
    def counts(self) -> dict[str, int]:
        """How many cases (with all their tries) had each outcome."""
        outcomes = [group.outcome for group in self.groups]
        return {kind: outcomes.count(kind) for kind in ("pass", "fail", "error", "skip")}

    @property
    def ok(self) -> bool:
        """True when nothing failed."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """The worst of all cases."""
        return self.code()

    def code(self, fail_on: str = "error", max_error_rate: float = 0.0) -> int:
        """The exit code. `fail_on`: `none`, `fail` (errors are forgiven) or `error` (the default: both count).

        Errors of at most this share of the cases are forgiven.
        """
        groups = self.groups
        failed = any(group.outcome == "fail" for group in groups)
        errors = [group for group in groups if group.outcome == "error"]
        codes = {1} if failed and fail_on != "none" else set()
        forgiven = fail_on in ("none", "fail") or len(errors) <= max_error_rate * len(groups)
        if errors and not forgiven:
            codes |= {
                result.exit_code or 6
                for group in errors
                for result in group.tries
                if result.outcome == "error"
            }
        return worst_code(codes)


def worst_code(codes: Iterable[int]) -> int:
    """The exit code of several things that were done."""
    found = set(codes)
    return next((code for code in _ORDER if code in found), max(found, default=0))


def _group(case: str, model: str, tries: tuple[Result, ...], passes: int) -> Group:
    passed = sum(result.outcome in ("pass", "skip") for result in tries)
    if passed >= min(passes, len(tries)):
        outcome: Outcome = worst([result.outcome for result in tries if result.outcome in ("pass", "skip")])
    else:
        outcome = worst([result.outcome for result in tries])
    return Group(case=case, model=model, tries=tries, passed=passed, outcome=outcome)

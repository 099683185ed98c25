"""Judging an answer. PURE: what needs a child process or a model is asked of a `Referee`.

A check sees the answer without its reasoning, and without white space at its ends. Its outcome is pass, fail, error or
skip: a judge or pattern that breaks down is an error, never a failed answer.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from launchpad.chat.delta import ToolCall
from launchpad.errors import LaunchpadError
from launchpad.script.model import Check, Judge, Outcome
from launchpad.script.variables import as_text, expand_all

MAX_COMPARED = 20_000  # characters; the ratio of longer texts takes too long


class Answer(Struct, frozen=True, kw_only=True):
    """One answer as checks see it. Times in milliseconds, None = unknown."""

    text: str
    reasoning: str = ""
    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    milliseconds: float = 0.0
    first_token: float | None = None
    tokens_per_second: float | None = None
    tries: int = 1
    calls: tuple[ToolCall, ...] = ()

    @property
    def said(self) -> str:
        """The text without white space at its ends."""
        return self.text.strip()


class CheckResult(Struct, frozen=True, kw_only=True):
    """How one check went. `score` from 0 to 1 where the check has one."""

    check: str
    outcome: Outcome
    detail: str = ""
    score: float | None = None


class Referee(Protocol):
    """What a check may ask for. Each method raises `LaunchpadError` when it breaks down."""

    def matches(self, pattern: str, text: str) -> bool:
        """True if the pattern is found; a pattern that takes too long is stopped."""
        ...

    def violation(self, schema: Mapping[str, Any], value: Any) -> str | None:
        """What of `value` the schema forbids, None if nothing."""
        ...

    def judge(self, judge: Judge, values: Mapping[str, Any]) -> tuple[str, float]:
        """The word that a model chose, and its score."""
        ...

    def language(self, text: str) -> str:
        """The ISO 639-1 code of the language of `text`."""
        ...

    def python(self, function: str, answer: Answer, values: Mapping[str, Any]) -> tuple[bool, str]:
        """What a function of the user's says."""
        ...


def evaluate(check: Check, answer: Answer, values: Mapping[str, Any], referee: Referee) -> CheckResult:
    """Judge `answer`; `values` are the variables, kept answers among them."""
    try:
        passed, detail, score = _judged(check, answer, values, referee)
    except LaunchpadError as error:
        return CheckResult(
            check=check.title, outcome="error", detail=f"{error.what} {error.why or ''}".strip()
        )
    outcome: Outcome = "pass" if passed is not check.negated else "fail"
    return CheckResult(check=check.title, outcome=outcome, detail=detail, score=score)


_Judged = tuple[bool, str, float | None]


def _judged(check: Check, answer: Answer, values: Mapping[str, Any], referee: Referee) -> _Judged:
    match check.kind:
        case "llm":
            assert check.judge is not None
            return _ask_judge(check.judge, answer, values, referee)
        case "json":
            return _at_path(check, answer, values, referee)
        case "is-json":
            return _is_json(check.value, answer, referee)
        case "python":
            passed, detail = referee.python(check.value, answer, values)
            return passed, detail, None
    value = expand_all(check.value, values)
    match check.kind:
        case "regex":
            return referee.matches(value, answer.said), f"the pattern {_short(value)}", None
        case "language":
            found = referee.language(answer.said)
            return found == value.lower(), f"the language is {found}, {value} was wanted", None
        case "similar":
            return _similar(answer.said, value)
        case "same-as":
            return answer.said == as_text(values.get(value, "")).strip(), f"the answer kept as {value}", None
        case "finish-reason":
            return answer.finish_reason == value, f"it ended with {answer.finish_reason}", None
    if check.kind in _TEXTS:
        return _TEXTS[check.kind](answer.said, value), f"wanted: {_short(value)}", None
    return _measured(check.kind, value, answer)


def _has_any(text: str, wanted: list[str]) -> bool:
    return any(word in text for word in wanted)


def _has_all(text: str, wanted: list[str]) -> bool:
    return all(word in text for word in wanted)


_TEXTS: Mapping[str, Callable[[str, Any], bool]] = {
    "equals": lambda text, wanted: text == wanted.strip(),
    "contains": lambda text, wanted: wanted in text,
    "icontains": lambda text, wanted: wanted.lower() in text.lower(),
    "starts-with": lambda text, wanted: text.startswith(wanted),
    "istarts-with": lambda text, wanted: text.lower().startswith(wanted.lower()),
    "ends-with": lambda text, wanted: text.endswith(wanted),
    "iends-with": lambda text, wanted: text.lower().endswith(wanted.lower()),
    "contains-any": _has_any,
    "contains-all": _has_all,
}


def _measured(kind: str, limit: float, answer: Answer) -> _Judged:
    """Checks of a figure against a limit."""
    figures: Mapping[str, tuple[float | None, str]] = {
        "min-words": (len(answer.said.split()), "words"),
        "max-words": (len(answer.said.split()), "words"),
        "max-chars": (len(answer.said), "characters"),
        "latency": (answer.milliseconds, "ms"),
        "first-token": (answer.first_token, "ms to the first token"),
        "tokens-per-second": (answer.tokens_per_second, "tokens/s"),
    }
    found, unit = figures[kind]
    if found is None:
        raise LaunchpadError(
            f"{kind} is unknown.", why="The engine did not say.", hint="Leave this check out."
        )
    passed = found >= limit if kind in ("min-words", "tokens-per-second") else found <= limit
    return passed, f"{found:,.6g} {unit}, the limit is {limit:,.6g}", None


def _similar(text: str, value: Mapping[str, Any]) -> _Judged:
    wanted, least = as_text(value["to"]).strip(), value["min"]
    if max(len(text), len(wanted)) > MAX_COMPARED:
        raise LaunchpadError(
            "The texts are too long to compare.",
            why=f"The limit is {MAX_COMPARED:,} characters.",
            hint="Use llm.",
        )
    ratio = difflib.SequenceMatcher(None, text, wanted, autojunk=False).ratio()
    return ratio >= least, f"{ratio:.2f} alike, {least:g} was wanted", ratio


def read_json(text: str) -> Any:
    """The JSON that an answer is, also inside one ``` fence. Raises `ValueError`."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text[text.index("\n") : -3]
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _is_json(wanted: Any, answer: Answer, referee: Referee) -> _Judged:
    try:
        found = read_json(answer.text)
    except ValueError as error:
        return wanted is False, f"it is not JSON: {error}", None
    if isinstance(wanted, bool):
        return wanted, "it is JSON", None
    wrong = referee.violation(wanted, found)
    return wrong is None, wrong or "the schema holds", None


def _at_path(check: Check, answer: Answer, values: Mapping[str, Any], referee: Referee) -> _Judged:
    assert check.path is not None
    assert check.inner is not None
    try:
        found = read_json(answer.text)
        for field in check.path.split("."):
            found = found[int(field)] if isinstance(found, list) else found[field]
    except ValueError as error:
        return False, f"it is not JSON: {error}", None
    except (KeyError, IndexError, TypeError):
        return False, f"there is no {check.path}", None
    result = evaluate(
        check.inner, Answer(text=as_text(found), finish_reason=answer.finish_reason), values, referee
    )
    if result.outcome == "error":
        raise LaunchpadError(result.detail)
    return (
        result.outcome == "pass",
        f"{check.path} is {_short(as_text(found))}; {result.detail}",
        result.score,
    )


def _ask_judge(judge: Judge, answer: Answer, values: Mapping[str, Any], referee: Referee) -> _Judged:
    word, score = referee.judge(judge, {**values, "completion": answer.said})
    passed = score > 0 if judge.least is None else score >= judge.least
    return passed, f"the judge said {_short(word)}", score


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def worst(outcomes: list[Outcome]) -> Outcome:
    """error before fail before pass; skip when there is nothing else."""
    return next((kind for kind in ("error", "fail", "pass") if kind in outcomes), "skip")

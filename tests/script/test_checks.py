from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import RefusedError
from launchpad.script.checks import Answer, evaluate, read_json, worst
from launchpad.script.document import parse_yaml
from launchpad.script.parse_checks import parse_check
from launchpad.script.problems import Fields
from launchpad.script.referee import RealReferee, Worker

Outcome = tuple[str, str]


@pytest.fixture(scope="module")
def referee() -> Iterator[RealReferee]:
    made = RealReferee(lambda model, messages, schema: f"I say: {messages[-1].content[-4:]}")
    yield made
    made.close()


def judged(
    referee: RealReferee, check: str, text: str, values: Mapping[str, Any] = {}, **answer: Any
) -> Outcome:
    fields = Fields()
    parsed = parse_check(fields, parse_yaml(check, "x"))
    assert parsed is not None, fields.problems
    result = evaluate(parsed, Answer(text=text, **answer), values, referee)
    return result.outcome, result.detail


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ("equals: Paris", " Paris\n", "paris"),
        ("contains: ari", "Paris", "PARIS"),
        ("icontains: ARI", "Paris", "London"),
        ("contains-any: [a, b]", "xbx", "xyz"),
        ("contains-all: [a, b]", "ab", "a"),
        ("starts-with: Pa", "Paris", "in Paris"),
        ("ends-with: is", "Paris", "Paris!"),
        ("regex: '^P.*s$'", "Paris", "London"),
        ("regex: '^.{61,}'", "x" * 61, "x" * 60 + "\n" + "y" * 80),
        ("is-json: true", '{"a": 1}', "{a: 1}"),
        ("is-json: true", '```json\n[1]\n```', "NaN"),
        ("is-json: {type: array}", "[1]", "{}"),
        ("json: {path: queue, equals: billing}", '{"queue": "billing"}', '{"queue": "bug"}'),
        ("json: {path: a.1.b, contains: x}", '{"a": [0, {"b": "xy"}]}', '{"a": []}'),
        ("json: {path: n, equals: '3'}", '{"n": 3}', "no json"),
        ("min-words: 2", "one two", "one"),
        ("max-words: 2", "one two", "one two three"),
        ("max-chars: 3", "abc ", "abcd"),
        ("similar: {to: Paris is big, min: 0.8}", "Paris is bog", "Rome"),
        ("language: en", "The weather is nice today and I am going out.", "Das Wetter ist heute schön, ich gehe hinaus."),
        ("not: {contains: x}", "abc", "xyz"),
        ("not: {not: {contains: x}}", "xyz", "abc"),
    ],
)  # fmt: skip
def test_each_check_can_hold_and_fail(referee: RealReferee, check: str, good: str, bad: str) -> None:
    assert judged(referee, check, good)[0] == "pass"
    assert judged(referee, check, bad)[0] == "fail"


def test_figures(referee: RealReferee) -> None:
    figures = {"milliseconds": 100.0, "first_token": 20.0, "tokens_per_second": 30.0, "finish_reason": "stop"}
    for good, bad in [
        ("latency: 100", "latency: 99"),
        ("first-token: 20", "first-token: 19"),
        ("tokens-per-second: 30", "tokens-per-second: 31"),
        ("finish-reason: stop", "finish-reason: length"),
    ]:
        assert judged(referee, good, "x", **figures)[0] == "pass"
        assert judged(referee, bad, "x", **figures)[0] == "fail"
    assert judged(referee, "tokens-per-second: 1", "x")[0] == "error"


def test_variables_and_kept_answers_in_checks(referee: RealReferee) -> None:
    values = {"queue": "bug", "first": " same ", "n": 3}
    assert judged(referee, "equals: '{{queue}}'", "bug", values)[0] == "pass"
    assert judged(referee, "json: {path: q, equals: '{{queue}}'}", '{"q": "bug"}', values)[0] == "pass"
    assert judged(referee, "same-as: first", "same", values)[0] == "pass"
    assert judged(referee, "same-as: first", "other", values)[0] == "fail"
    # A value is text, never a pattern's or a template's syntax of its own.
    assert judged(referee, "contains: '{{v}}'", "{{queue}}", {"v": "{{queue}}", "queue": "x"})[0] == "pass"


def test_reasoning_is_not_seen(referee: RealReferee) -> None:
    assert judged(referee, "contains: secret", "no", reasoning="secret")[0] == "fail"


@pytest.mark.parametrize(
    ("check", "word"),
    [
        ("regex: '('", "not a regular expression"),
        ("is-json: {type: 3}", "schema itself"),
        ("is-json: {$ref: 'http://127.0.0.1:9/x'}", "refers to"),
        ("is-json: {$ref: '#'}", "without end"),
    ],
)
def test_a_check_that_breaks_down_is_an_error_not_a_failed_answer(
    referee: RealReferee, check: str, word: str
) -> None:
    outcome, detail = judged(referee, check, '{"a": 1}')
    assert outcome == "error"
    assert word in detail


def test_a_pattern_that_takes_for_ever_is_stopped_and_the_next_one_works(
    referee: RealReferee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.script.referee.PATIENCE", 0.3)
    judged(referee, "regex: x", "x")  # the child runs
    outcome, detail = judged(referee, "regex: '(a+)+$'", "a" * 40 + "b")
    assert outcome == "error"
    assert "too long" in detail
    monkeypatch.undo()
    assert judged(referee, "regex: x", "x")[0] == "pass"


def test_the_child_ends() -> None:
    worker = Worker()
    worker.ask({"pattern": "a", "text": "a"})
    child = worker._child
    assert child is not None
    worker.close()
    worker.close()
    assert child.poll() is not None


def judge(least: str = "") -> str:
    return f"llm: {{prompt: '{{{{completion}}}}', choices: [{{choice: good, score: 1}}, {{choice: bad, score: 0}}]{least}}}"


def test_a_judge_decides_by_its_word(referee: RealReferee) -> None:
    assert judged(referee, judge(), "this is good")[0] == "pass"
    assert judged(referee, judge(), "this is  bad")[0] == "fail"
    assert judged(referee, judge(", min: 0.5"), "this is good")[0] == "pass"


def test_a_judge_without_a_verdict_is_an_error(referee: RealReferee) -> None:
    outcome, detail = judged(referee, judge(), "this is what")
    assert outcome == "error"
    assert "no verdict" in detail


def test_a_judge_reads_only_its_own_prompt() -> None:
    seen: list[Any] = []

    def ask(model: str | None, messages: Any, schema: Mapping[str, Any]) -> str:
        seen.append((model, [(m.role, m.content) for m in messages], schema))
        return '"4"'

    made = RealReferee(ask)
    fields = Fields()
    from launchpad.script.parse_checks import parse_evaluators

    (check,) = parse_evaluators(fields, parse_yaml("[{uses: github/similarity}]", "x"))
    result = evaluate(check, Answer(text="{{expected}}"), {"input": "I", "expected": "E"}, made)
    assert (result.outcome, result.score) == ("pass", 0.75)
    (model, messages, schema), *_ = seen
    assert model is None
    assert "{{expected}}" in messages[-1][1]  # the answer's own braces stay
    assert schema["enum"] == ["1", "2", "3", "4", "5"]


def test_code_of_the_script_runs_only_when_allowed(tmp_path: Path) -> None:
    (tmp_path / "checks_of_a_script.py").write_text(
        "def short(text, values):\n    return len(text) < 5, f'{len(text)} letters'\n\ndef breaks(text, values):\n    1 / 0\n"
    )
    refused = RealReferee(lambda *_: "")
    outcome, detail = judged(refused, "python: checks_of_a_script:short", "abc")
    assert outcome == "error"
    assert "refused" in detail
    with pytest.raises(RefusedError):
        refused.python("checks_of_a_script:short", Answer(text=""), {})
    allowed = RealReferee(lambda *_: "", code_folder=tmp_path)
    assert judged(allowed, "python: checks_of_a_script:short", "abc") == ("pass", "3 letters")
    assert judged(allowed, "python: checks_of_a_script:short", "abcdef")[0] == "fail"
    assert judged(allowed, "python: checks_of_a_script:breaks", "abc")[0] == "error"
    assert judged(allowed, "python: no_such_module_here:f", "abc")[0] == "error"


def test_json_inside_a_fence_is_json() -> None:
    assert read_json('```json\n{"a": 1}\n```') == {"a": 1}
    for text in ("", "NaN", "[" * 100_000, "```\n```"):
        with pytest.raises(ValueError):
            read_json(text)


def test_the_worst_outcome() -> None:
    assert worst(["pass", "fail", "error"]) == "error"
    assert worst(["pass", "fail"]) == "fail"
    assert worst(["skip", "pass"]) == "pass"
    assert worst([]) == "skip"

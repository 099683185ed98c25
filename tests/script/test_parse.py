from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.script.document import parse_yaml
from launchpad.script.model import Script
from launchpad.script.parse import literal_names, parse_script, uses_stdin
from launchpad.script.problems import Problem

ASK = "messages: [{role: user, content: hi}]\n"


def read(text: str) -> tuple[Script | None, list[Problem]]:
    return parse_script(parse_yaml(text, "x"))


def good(text: str) -> Script:
    script, problems = read(text)
    assert script is not None, problems
    return script


def errors(text: str) -> list[Problem]:
    script, problems = read(text)
    assert script is None
    return [problem for problem in problems if problem.severity == "error"]


GITHUB = """
name: N
description: D
model: openai/gpt-4o
modelParameters: {temperature: 0.5, topP: 0.9, maxTokens: 50}
responseFormat: json_schema
jsonSchema: |-
  {"name": "animal", "strict": false, "schema": {"type": "object"}}
testData:
  - {input: hello, expected: greeting}
messages:
  - {role: System, content: You help.}
  - {role: user, content: 'Say: {{input}}'}
evaluators:
  - {name: e, string: {equals: x}}
  - {name: c, string: {contains: '{{input}}'}}
  - {name: s, string: {startsWith: x}}
  - {name: n, string: {endsWith: x}}
  - {name: u, uses: github/similarity}
  - name: l
    llm: {modelId: m, prompt: 'P {{completion}}', systemPrompt: S, choices: [{choice: good, score: 1}]}
"""


def test_every_field_of_github() -> None:
    script = good(GITHUB)
    assert (script.name, script.description, script.models) == ("N", "D", ("openai/gpt-4o",))
    assert (script.parameters.temperature, script.parameters.top_p, script.parameters.max_tokens) == (
        0.5,
        0.9,
        50,
    )
    assert script.response_format == "json_schema"
    assert script.schema is not None
    assert (script.schema.name, script.schema.strict, script.schema.schema) == (
        "animal",
        False,
        {"type": "object"},
    )
    assert script.rows == ({"input": "hello", "expected": "greeting"},)
    assert [(entry.role, entry.asked) for entry in script.entries] == [("system", False), ("user", True)]
    # GitHub's evaluators ignore case, but for equals.
    assert [check.kind for check in script.expect] == [
        "equals", "icontains", "istarts-with", "iends-with", "llm", "llm",
    ]  # fmt: skip
    judge = script.expect[-1].judge
    assert judge is not None
    assert (judge.model, judge.system, judge.choices[0].choice, judge.choices[0].score) == (
        "m",
        "S",
        "good",
        1,
    )
    assert [check.name for check in script.expect] == ["e", "c", "s", "n", "u", "l"]


def test_every_field_of_ours() -> None:
    script = good(
        """
version: 1
models: [a, b]
modelParameters: {seed: 7, stop: [x], top_k: 5, minP: 0.1, contextLength: 4096, reasoning: off}
jsonSchema: {type: object}
vars: {tone: dry, must: {required: true}, key: {env: KEY, default: d}}
cases: {glob: "*.md"}
repeat: 5
pass: 4
deterministic: true
timeout: {first: 2m, turn: 500ms, case: 1h, run: 90, stall: 30s}
output: {file: "{{stem}}.md", template: "{{answer}}", if_exists: skip}
x-mine: {anything: goes}
expect: [{max-words: 3}]
messages:
  - {role: user, content: a, as: first, expect: [{not: {contains: x}}], modelParameters: {temperature: 1}, timeout: 5}
  - {role: user, content: b, when: {of: first, regex: "^x"}, stop: true, jsonSchema: {type: array}}
  - {role: user, content: c, repeat_until: {check: {contains: y}, max: 3}, expect: [{same-as: first}]}
"""
    )
    assert script.models == ("a", "b")
    assert script.parameters.seed == 7
    assert script.parameters.stop == ("x",)
    assert script.parameters.reasoning == "off"
    assert (script.parameters.top_k, script.parameters.min_p, script.parameters.context_length) == (
        5,
        0.1,
        4096,
    )
    assert script.response_format == "json_schema"
    assert [(v.name, v.default, v.required, v.env) for v in script.variables] == [
        ("tone", "dry", False, None), ("must", None, True, None), ("key", "d", False, "KEY"),
    ]  # fmt: skip
    assert (script.repeat, script.wanted_passes, script.deterministic) == (5, 4, True)
    times = script.timeouts
    assert (times.first, times.turn, times.case, times.run, times.stall) == (120, 0.5, 3600, 90, 30)
    first, second, third = script.entries
    assert first.expect[0].negated
    assert first.timeout == 5
    assert second.when is not None
    assert (second.when.of, second.when.check.kind, second.stop) == ("first", "regex", True)
    assert second.schema is not None
    assert third.repeat_until is not None
    assert third.repeat_until.most == 3


@pytest.mark.parametrize(
    ("messages", "asked"),
    [
        ([("user", "a")], [True]),
        ([("user", "a"), ("user", "b")], [True, True]),
        ([("user", "a"), ("assistant", "b"), ("user", "c")], [False, False, True]),
        (
            [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("user", "d")],
            [False] * 3 + [True] * 2,
        ),
        ([("user", "a"), ("tool", "t"), ("user", "b")], [False, False, True]),
    ],
)
def test_a_user_message_without_an_answer_is_asked(
    messages: list[tuple[str, str]], asked: list[bool]
) -> None:
    text = yaml.safe_dump({"messages": [{"role": role, "content": content} for role, content in messages]})
    assert [entry.asked for entry in good(text).entries] == asked


WRONG = {
    "nothing": ("{}", "messages"),
    "a text": ("hello", "mapping"),
    "a list": ("[1]", "mapping"),
    "no messages": ("name: x", "messages"),
    "empty messages": ("messages: []", "empty"),
    "messages is text": ("messages: hi", "list"),
    "message is text": ("messages: [hi]", "mapping"),
    "message without role": ("messages: [{content: x}]", "role"),
    "message without content": ("messages: [{role: user}]", "content"),
    "unknown role": ("messages: [{role: robot, content: x}]", "role"),
    "content is a list": ("messages: [{role: user, content: [a]}]", "content"),
    "nothing is asked": (
        "messages: [{role: user, content: a}, {role: assistant, content: b}]",
        "nothing is asked",
    ),
    "only system": ("messages: [{role: system, content: a}]", "nothing is asked"),
    "unknown field": (ASK + "modle: x", "modle"),
    "unknown message field": ("messages: [{role: user, content: a, excpect: []}]", "excpect"),
    "unknown parameter": (ASK + "modelParameters: {temprature: 1}", "temprature"),
    "temperature is text": (ASK + "modelParameters: {temperature: hot}", "number"),
    "temperature below 0": (ASK + "modelParameters: {temperature: -1}", "between"),
    "topP above 1": (ASK + "modelParameters: {topP: 2}", "between"),
    "maxTokens of 0": (ASK + "modelParameters: {maxTokens: 0}", "between"),
    "maxTokens a fraction": (ASK + "modelParameters: {maxTokens: 1.5}", "whole"),
    "temperature twice": (ASK + "modelParameters: {topP: 1, top_p: 1}", "twice"),
    "reasoning": (ASK + "modelParameters: {reasoning: much}", "one of"),
    "stop is a mapping": (ASK + "modelParameters: {stop: {a: b}}", "stop"),
    "responseFormat": (ASK + "responseFormat: xml", "one of"),
    "json_schema without schema": (ASK + "responseFormat: json_schema", "jsonSchema"),
    "empty schema": (ASK + "jsonSchema: {}", "empty"),
    "empty schema inside": (ASK + "jsonSchema: {name: x, schema: {}}", "empty"),
    "schema is a list": (ASK + "jsonSchema: [a]", "mapping"),
    "schema is no JSON": (ASK + "jsonSchema: '{'", "JSON"),
    "models is empty": (ASK + "models: []", "model"),
    "models is text": (ASK + "models: a", "list"),
    "row is text": (ASK + "testData: [a]", "row"),
    "testData and cases": (ASK + "testData: [{a: b}]\ncases: {csv: x}", "both"),
    "cases of two kinds": (ASK + "cases: {csv: x, glob: y}", "one of"),
    "cases of no kind": (ASK + "cases: {xml: x}", "xml"),
    "repeat of 0": (ASK + "repeat: 0", "between"),
    "pass above repeat": (ASK + "repeat: 2\npass: 3", "between"),
    "deterministic is text": (ASK + "deterministic: maybe", "true or false"),
    "timeout of 0": (ASK + "timeout: {turn: 0}", "time"),
    "timeout unit": (ASK + "timeout: {turn: 3 parsecs}", "time"),
    "timeout below 0": (ASK + "timeout: {turn: -3s}", "time"),
    "unknown timeout": (ASK + "timeout: {trun: 3s}", "trun"),
    "output without file": (ASK + "output: {if_exists: skip}", "file"),
    "output if_exists": (ASK + "output: {file: x, if_exists: maybe}", "one of"),
    "vars is a list": (ASK + "vars: [a]", "mapping"),
    "var name": (ASK + "vars: {'a b': x}", "name"),
    "var field": (ASK + "vars: {a: {defualt: x}}", "defualt"),
    "version": (ASK + "version: 2", "version"),
    "evaluator without kind": (ASK + "evaluators: [{name: x}]", "string, llm or uses"),
    "evaluator unknown uses": (ASK + "evaluators: [{uses: github/similar}]", "similar"),
    "evaluator empty string": (ASK + "evaluators: [{string: {}}]", "one of"),
    "judge without choices": (ASK + "evaluators: [{llm: {prompt: x}}]", "choices"),
    "judge with empty choice": (ASK + "evaluators: [{llm: {prompt: x, choices: [{score: 1}]}}]", "word"),
    "judge score": (ASK + "evaluators: [{llm: {prompt: x, choices: [{choice: a, score: 2}]}}]", "between"),
    "unknown check": (ASK + "expect: [{containts: x}]", "containts"),
    "check is text": (ASK + "expect: [x]", "mapping"),
    "expect is a mapping": (ASK + "expect: {contains: x}", "list"),
    "two keys in a check": (ASK + "expect: [{contains: x, equals: y}]", "one key"),
    "empty check": (ASK + "expect: [{}]", "condition"),
    "empty contains": (ASK + "expect: [{contains: ''}]", "text"),
    "contains-any of nothing": (ASK + "expect: [{contains-any: []}]", "list"),
    "max-words of text": (ASK + "expect: [{max-words: few}]", "number"),
    "json without path": (ASK + "expect: [{json: {equals: x}}]", "path"),
    "json without check": (ASK + "expect: [{json: {path: x}}]", "one check"),
    "similar without to": (ASK + "expect: [{similar: {min: 1}}]", "to"),
    "similar min": (ASK + "expect: [{similar: {to: x, min: 2}}]", "between"),
    "is-json of nothing": (ASK + "expect: [{is-json: {}}]", "Schema"),
    "python without function": (ASK + "expect: [{python: module}]", "module:function"),
    "python path": (ASK + "expect: [{python: '../x:y'}]", "module:function"),
    "same-as nothing": ("messages: [{role: user, content: a, expect: [{same-as: x}]}]", "no earlier"),
    "when without of": ("messages: [{role: user, content: a, when: {contains: x}}]", "of"),
    "when of nothing": ("messages: [{role: user, content: a, when: {of: x, contains: y}}]", "no earlier"),
    "when is text": ("messages: [{role: user, content: a, when: x}]", "mapping"),
    "as twice": (
        "messages: [{role: user, content: a, as: x}, {role: user, content: b, as: x}]",
        "two answers",
    ),
    "as is no name": ("messages: [{role: user, content: a, as: 'a b'}]", "name"),
    "repeat_until without check": ("messages: [{role: user, content: a, repeat_until: {max: 2}}]", "check"),
    "repeat_until max": (
        "messages: [{role: user, content: a, repeat_until: {check: {contains: x}, max: 0}}]",
        "between",
    ),
    "expect at history": (
        "messages: [{role: user, content: a, expect: [{contains: x}]}, {role: assistant, content: b},"
        " {role: user, content: c}]",
        "history",
    ),
    "as at system": ("messages: [{role: system, content: a, as: x}, {role: user, content: c}]", "history"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(name: str) -> None:
    text, word = WRONG[name]
    found = errors(text)
    assert any(word in problem.message for problem in found), found
    assert all(problem.line >= 1 and problem.column >= 1 for problem in found)


def test_a_slip_of_the_pen_gets_a_proposal() -> None:
    assert errors(ASK + "test_data: []")[0].hint == "Did you mean testData?"
    assert errors(ASK + "modelParameters: {max_token: 3}")[0].hint == "Did you mean max_tokens?"
    assert errors(ASK + "expect: [{start-with: x}]")[0].hint == "Did you mean starts-with?"


def test_all_errors_are_told_at_once() -> None:
    assert len(errors("foo: 1\nbar: 2\nmessages: [{role: robot}]")) == 4


def test_only_the_first_key_of_a_string_evaluator_counts_as_at_github_and_that_is_told() -> None:
    script, problems = read(ASK + "evaluators: [{string: {contains: a, equals: b}}]")
    assert script is not None
    assert script.expect[0].kind == "equals"
    assert [problem.severity for problem in problems] == ["warning"]


def test_names_that_nobody_declares() -> None:
    script = good(
        "vars: {a: x}\ntestData: [{b: y}]\nmessages: [{role: user, content: '{{a}} {{b}} {{c}} {{d}}', as: e}]"
    )
    assert literal_names(script, {"d": "z"}) == {"c"}
    assert not uses_stdin(script)
    assert uses_stdin(good("messages: [{role: user, content: '{{stdin}}'}]"))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{}", max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["role", "content", "expect", "contains", "when", "of", "as", "messages", "json", "path", "user", "x-a", "llm",
             "prompt", "choices", "string", "schema", "type", "max", "check", "timeout", "turn", "csv", "not"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
FIELDS = [
    "messages",
    "vars",
    "testData",
    "expect",
    "evaluators",
    "timeout",
    "output",
    "cases",
    "jsonSchema",
    "models",
]


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, "name", "repeat", "modelParameters"]), values, max_size=5))
def test_no_file_has_another_end_than_a_script_or_its_errors(found: dict[str, Any]) -> None:
    script, problems = read(yaml.safe_dump(found))
    assert (script is None) == any(problem.severity == "error" for problem in problems)

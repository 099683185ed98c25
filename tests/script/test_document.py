from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.errors import LaunchpadError, RefusedError, UsageError
from launchpad.script.document import MAX_BYTES, parse_yaml, read_text


def plain(text: str) -> object:
    return parse_yaml(text, "x.prompt.yml").plain()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a: 1", {"a": 1}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: true", {"a": True}),
        ("a: yes", {"a": "yes"}),
        ("a: off", {"a": "off"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: 007", {"a": "007"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: '1'", {"a": "1"}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("1: x", {"1": "x"}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("a: &x {b: 1, d: 2}\nc: {<<: *x, d: 3}", {"a": {"b": 1, "d": 2}, "c": {"b": 1, "d": 3}}),
        ("- 1\n- [2, {x: y}]", [1, [2, {"x": "y"}]]),
        ("!!str 1", "1"),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, meant: object) -> None:
    assert plain(text) == meant


def test_every_value_knows_its_place() -> None:
    root = parse_yaml("a: 1\nb:\n  - c: x\n", "x")
    assert (root.value["b"].value[0].value["c"].line, root.value["b"].value[0].value["c"].column) == (3, 8)


LAUGHS = "l0: &l0 [x]\n" + "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10))
DEEP_LAUGHS = "a: &a0 [x]\n" + "\n".join(f"b{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))

HOSTILE = {
    "empty": "",
    "only a comment": "# nothing",
    "python object": "a: !!python/object/apply:os.system ['touch /tmp/pwned']",
    "python name": "!!python/name:os.system",
    "python module": "a: !<tag:yaml.org,2002:python/module:os> x",
    "own tag": "a: !include /etc/passwd",
    "binary tag": "a: !!binary aGFsbG8=",
    "set tag": "a: !!set {x, y}",
    "laughs": LAUGHS,
    "deep laughs": DEEP_LAUGHS,
    "alias of itself": "a: &a [*a]",
    "unknown alias": "a: *nowhere",
    "merge of a list": "a: {<<: [1, 2]}",
    "merge of a text": "a: {<<: x}",
    "deep list": "[" * 100_000,
    "deep mapping": "{a: " * 100_000,
    "deep blocks": "".join("  " * depth + "a:\n" for depth in range(500)),
    "double key": "a: 1\na: 2",
    "list as key": "? [a, b]\n: c",
    "mapping as key": "? {a: b}\n: c",
    "two documents": "a: 1\n---\nb: 2",
    "tab": "a:\n\t- b",
    "unclosed quote": "a: 'x",
    "unclosed bracket": "a: [1, 2",
    "unclosed brace": "a: {b: 1",
    "bad escape": 'a: "\\q"',
    "null byte": "a: \x00",
    "control": "a: \x07",
    "two values": "a: b: c",
    "percent": "%bad\n---\na: 1",
    "at": "a: @b",
    "backtick": "a: `b`",
    "indent": "a: 1\n b: 2",
    "bad block": "a: |x\n  y",
    "many values": "a: [" + "1," * 200_000 + "]",
    "many aliases": "a: &x 1\nb: [" + "*x," * 200 + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_at_once_and_says_where(name: str) -> None:
    with pytest.raises((UsageError, RefusedError)) as caught:
        plain(HOSTILE[name])
    assert caught.value.what.startswith("x.prompt.yml")
    assert caught.value.why
    assert caught.value.hint


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@, \n\t?<0123456789.~", max_size=60))
def test_no_text_has_another_end_than_a_value_or_an_error_of_ours(text: str) -> None:
    try:
        parse_yaml(text, "x")
    except LaunchpadError as error:
        assert error.what.startswith("x")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(UsageError, match="x:2: not UTF-8"):
        read_text(b"a: 1\nb: \xff", "x")
    with pytest.raises(UsageError, match="too large"):
        read_text(b"a" * (MAX_BYTES + 1), "x")
    with pytest.raises(UsageError):
        read_text("a: 1".encode("utf-16"), "x")

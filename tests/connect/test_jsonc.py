"""Changing one value in a hand-written JSON file."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.connect.jsonc import NotJson, drop, parse, put

ZED = """// Zed settings
{
  "theme": "One Dark", // dark, please
  /* the agent
     of mine */
  "agent": {
    "enabled": true,
  },
  "url": "http://x/y", // not a comment: "http://"
}
"""


def test_comments_and_commas_stay() -> None:
    after = put(ZED, ("agent", "default_model"), {"provider": "launchpad", "model": "m"})
    after = put(after, ("language_models", "openai_compatible", "launchpad"), {"api_url": "u"})
    value = parse(after)
    assert value["agent"] == {"enabled": True, "default_model": {"provider": "launchpad", "model": "m"}}
    assert value["language_models"] == {"openai_compatible": {"launchpad": {"api_url": "u"}}}
    assert value["theme"] == "One Dark"
    for comment in (
        "// Zed settings",
        "// dark, please",
        "/* the agent\n     of mine */",
        '// not a comment: "http://"',
    ):
        assert comment in after
    back = drop(
        drop(after, ("agent", "default_model")), ("language_models", "openai_compatible", "launchpad")
    )
    assert back == ZED


def test_a_value_that_is_there_is_replaced_in_its_place() -> None:
    assert put('{"a": 1, "b": [1, 2], "c": 3}', ("b",), "x") == '{"a": 1, "b": "x", "c": 3}'
    assert (
        put('{\n\t"a": {\n\t\t"b": 1\n\t}\n}', ("a", "b"), {"c": 2})
        == '{\n\t"a": {\n\t\t"b": {\n\t\t  "c": 2\n\t\t}\n\t}\n}'
    )


@pytest.mark.parametrize("text", ["", "  \n", "{}", "{ }", "{\n}", "// c\n{}", "\ufeff{}", "{ // c\n}"])
def test_an_empty_file_gets_its_first_member(text: str) -> None:
    after = put(text, ("a", "b"), 1)
    assert parse(after) == {"a": {"b": 1}}
    assert parse(drop(after, ("a", "b"))) == {}


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ('{"a": 1, "b": 2}', ("a",), '{"b": 2}'),
        ('{"a": 1, "b": 2}', ("b",), '{"a": 1}'),
        ('{\n  "a": 1,\n  "b": 2\n}', ("b",), '{\n  "a": 1\n}'),
        ('{\n  "a": 1,\n  "b": 2,\n}', ("b",), '{\n  "a": 1,\n}'),
        ('{\n  "a": 1, // one\n  "b": 2 // two\n}', ("a",), '{\n // one\n  "b": 2 // two\n}'),
        ('{"a": {"b": {"c": 1}}}', ("a", "b", "c"), "{}"),
        ('{"a": {"b": {"c": 1}, "d": 2}}', ("a", "b", "c"), '{"a": {"d": 2}}'),
        ('{"a": 1}', ("x", "y"), '{"a": 1}'),
        ('{"a": 1}', ("a", "y"), '{"a": 1}'),
    ],
)
def test_removing(text: str, path: tuple[str, ...], after: str) -> None:
    got = drop(text, path)
    assert parse(got) == parse(after)
    if "//" not in text:
        assert got == after


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"a"}',
        '{"a": }',
        "{a: 1}",
        "[1",
        '{"a": 1} x',
        "'x'",
        '{"a": tru}',
        "[" * 200,
        '{"a" 1}',
        '{"a": 1 "b": 2}',
    ],
)
def test_what_is_no_json_is_left_alone(text: str) -> None:
    for change in (lambda: parse(text), lambda: put(text, ("a",), 1), lambda: drop(text, ("a",))):
        with pytest.raises(NotJson):
            change()


def test_a_list_in_the_way() -> None:
    with pytest.raises(NotJson, match="a is no object"):
        put('{"a": [1]}', ("a", "b"), 1)


KEYS = st.sampled_from(["a", "b", 'c"\\', "\u00e9//", "/*"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def spelled(value: Any, choose: Any) -> str:
    """The value as somebody might have typed it."""
    gap = st.sampled_from(["", " ", "\n", "\n  ", ' // c: "{\n', "/* , } */", "\t"])
    if isinstance(value, dict):
        parts = [
            f"{choose(gap)}{json.dumps(k)}{choose(gap)}:{choose(gap)}{spelled(v, choose)}{choose(gap)}"
            for k, v in value.items()
        ]
        return "{" + ",".join(parts) + ("," if parts and choose(st.booleans()) else choose(gap)) + "}"
    if isinstance(value, list):
        parts = [choose(gap) + spelled(v, choose) for v in value]
        return "[" + ",".join(parts) + ("," if parts and choose(st.booleans()) else choose(gap)) + "]"
    return json.dumps(value)


@given(
    document=st.dictionaries(KEYS, VALUES, max_size=4),
    path=st.lists(KEYS, min_size=1, max_size=3),
    value=VALUES,
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_only_the_one_value_changes(document: dict[str, Any], path: list[str], value: Any, data: Any) -> None:
    text = spelled(document, data.draw)
    assert parse(text) == document
    comments = re.findall(r'// c: "\{\n|/\* , \} \*/', text)
    expected: Any = json.loads(json.dumps(document))
    inner = expected
    for key in path[:-1]:
        if not isinstance(inner.get(key, {}), dict):
            with pytest.raises(NotJson):
                put(text, path, value)
            return
        inner = inner.setdefault(key, {})
    fresh = path[-1] not in inner
    inner[path[-1]] = value
    after = put(text, path, value)
    assert parse(after) == expected
    if fresh:
        assert all(comment in after for comment in comments)
        assert parse(drop(after, path)) == without(expected, path)


def without(document: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The document without the value, and without the objects that hold nothing then."""
    key, *rest = path
    inner = without(document[key], rest) if rest else {}
    return {k: v for k, v in document.items() if k != key} | ({key: inner} if inner else {})

"""Change single values in a JSON file that people write by hand: comments, commas and layout stay as they are. PURE."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from msgspec import Struct

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
MAX_DEPTH = 100


class NotJson(ValueError):
    """The text cannot be read as JSON with comments."""


class _Node(Struct):
    """A value's place in the text, and for an object its members: key -> (where the key starts, value)."""

    start: int
    end: int
    value: Any
    members: dict[str, tuple[int, _Node]] | None = None


def parse(text: str) -> Any:
    """The value of the whole text; an empty one is an empty object. Raises `NotJson`."""
    return _root(text).value


def put(text: str, path: Sequence[str], value: Any) -> str:
    """Set the value at `path`, making the objects on the way. Raises `NotJson` when something else is in the way."""
    if not text.strip():
        text = "{\n}\n"
    node = _root(text)
    for depth, key in enumerate(path):
        if node.members is None:
            raise NotJson(f"{'.'.join(path[:depth]) or 'the file'} is no object")
        if key not in node.members:
            nested = value
            for name in reversed(path[depth + 1 :]):
                nested = {name: nested}
            return _insert(text, node, key, nested)
        node = node.members[key][1]
    return text[: node.start] + _shown(value, _indent_at(text, node.start)) + text[node.end :]


def drop(text: str, path: Sequence[str]) -> str:
    """Remove the value at `path`, and the objects on the way that are empty then; nothing happens if it is not there."""
    node = _root(text)
    parents = []
    for key in path:
        if node.members is None or key not in node.members:
            return text
        parents.append(node)
        node = node.members[key][1]
    while len(parents) > 1 and len(parents[-1].members or ()) == 1:
        parents.pop()
    parent = parents[-1]
    assert parent.members is not None
    start, node = parent.members[path[len(parents) - 1]]
    return _cut(text, parent, start, node.end)


def _cut(text: str, parent: _Node, start: int, end: int) -> str:
    """Remove a member with its comma and its line."""
    after = _space(text, end)
    if text[after] == ",":
        end = after + 1
    else:  # the last one: the comma before it goes
        ends = [node.end for _, node in (parent.members or {}).values() if node.end <= start]
        if ends and (comma := _space(text, max(ends))) < start and text[comma] == ",":
            text = text[:comma] + text[comma + 1 :]
            start, end = start - 1, end - 1
    line = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*\r?\n").match(text, end)
    if not text[line:start].strip() and rest:
        return text[:line] + text[rest.end() :]
    last = text[_space(text, end) :][:1] == "}"
    return (text[:start].rstrip(" ") if last else text[:start]) + text[end:].lstrip(" ")


def _insert(text: str, parent: _Node, key: str, value: Any) -> str:
    """A new first member: there it needs no look at the commas and comments at the end."""
    members = parent.members or {}
    outer = _indent_at(text, parent.start)
    first = min((start for start, _ in members.values()), default=None)
    indent = outer + "  "
    if first is not None and not text[text.rfind("\n", 0, first) + 1 : first].strip():
        indent = _indent_at(text, first)
    member = f"\n{indent}{json.dumps(key, ensure_ascii=False)}: {_shown(value, indent)}"
    place = parent.start + 1
    if first is not None:
        if "\n" in text[place:first]:
            return text[:place] + member + "," + text[place:]
        return text[:place] + f"{member},\n{indent}" + text[place:].lstrip(" ")
    inner = text[place : parent.end - 1]
    end = "" if "\n" in inner else f"\n{outer}"
    return text[:place] + member + inner.rstrip(" ") + end + text[parent.end - 1 :]


def _shown(value: Any, indent: str) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + indent)


def _indent_at(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line[: len(line) - len(line.lstrip())]


# -- reading ------------------------------------------------------------------------------------------------------


def _root(text: str) -> _Node:
    start = _space(text, 1 if text.startswith("\ufeff") else 0)
    if start == len(text):
        return _Node(start, start, {}, {})
    node = _read(text, start, 0)
    if _space(text, node.end) != len(text):
        raise NotJson(f"something follows the end in line {text.count(chr(10), 0, node.end) + 1}")
    return node


def _space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _read(text: str, place: int, depth: int) -> _Node:
    if depth > MAX_DEPTH:
        raise NotJson("it is nested too deep")
    sign = text[place : place + 1]
    if sign == "{":
        return _read_object(text, place, depth)
    if sign == "[":
        return _read_list(text, place, depth)
    found = (_TEXT if sign == '"' else _WORD).match(text, place) or _fail(text, place)
    try:
        return _Node(place, found.end(), json.loads(found[0]))
    except ValueError:
        _fail(text, place)


def _read_object(text: str, start: int, depth: int) -> _Node:
    node = _Node(start, start, {}, {})
    assert node.members is not None
    place = _space(text, start + 1)
    while text[place : place + 1] != "}":
        found = _TEXT.match(text, place) or _fail(text, place)
        key = json.loads(found[0])
        colon = _space(text, found.end())
        if text[colon : colon + 1] != ":":
            _fail(text, colon)
        child = _read(text, _space(text, colon + 1), depth + 1)
        node.members[key] = (place, child)
        node.value[key] = child.value
        place = _comma(text, child.end, "}")
    node.end = place + 1
    return node


def _read_list(text: str, start: int, depth: int) -> _Node:
    node = _Node(start, start, [])
    place = _space(text, start + 1)
    while text[place : place + 1] != "]":
        child = _read(text, place, depth + 1)
        node.value.append(child.value)
        place = _comma(text, child.end, "]")
    node.end = place + 1
    return node


def _comma(text: str, place: int, close: str) -> int:
    place = _space(text, place)
    if text[place : place + 1] == ",":
        return _space(text, place + 1)
    if text[place : place + 1] != close:
        _fail(text, place)
    return place


def _fail(text: str, place: int) -> NoReturn:
    raise NotJson(f"line {text.count(chr(10), 0, place) + 1} is no JSON")

"""YAML and JSON text as a tree whose every node knows its line. Own limits: the text may be hostile.

Only plain data comes out: mappings with text keys, lists, text, numbers, true/false, null. No tag makes an object,
aliases and merges are counted, and nothing here recurses, so no depth of nesting can exhaust the stack.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from launchpad.errors import RefusedError, UsageError

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000  # after aliases were resolved
MAX_ALIASES = 100

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_NOT_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]{1,17}\.[0-9]{0,17}|\.[0-9]{1,17}|[0-9]{1,17}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?\Z"
)
_PLAIN_TAGS = {None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}


class Node(Struct, frozen=True):
    """A value and where it stands (from 1). Mappings hold nodes by key, lists hold nodes."""

    value: Any
    line: int
    column: int

    def plain(self) -> Any:
        """The value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def read_text(data: bytes, label: str) -> str:
    """The text of a script file. Raises `UsageError` for what is no UTF-8 text of at most 1 MiB."""
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{label} is too large.",
            why=f"A script has at most {MAX_BYTES:,} bytes; this has {len(data):,}.",
            hint="Put data into a file of cases (`cases: {jsonl: …}`).",
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{label}:{line}: not UTF-8 text.",
            why=f"Byte {error.start} is 0x{data[error.start]:02x}.",
            hint="Save it as UTF-8.",
        ) from error
    return text


def parse_yaml(text: str, label: str) -> Node:
    """The one document in `text`. Raises `UsageError` with line and column, `RefusedError` for tags that make objects."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(label)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise UsageError(
            f"{label}:{where}: not valid YAML.",
            why=f"{error.problem or error.context or error}".strip().capitalize() + ".",
            hint="Texts with a colon, a brace or a # want quotes, or a block (|).",
        ) from error
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise UsageError(
            f"{label}:{_place(text, _NOT_YAML.search(text))}: not valid YAML.",
            why=str(error).splitlines()[0],
            hint="Remove control characters.",
        ) from error
    return builder.finish()


def _place(text: str, found: re.Match[str] | None) -> str:
    before = text[: found.start()] if found else ""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Open:
    """A mapping or list that is being read."""

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: str | None = None
        self.merging = False
        self.merged: dict[str, Node] = {}


class _Builder:
    """Builds the tree from parser events with a stack of its own."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._sizes: dict[int, int] = {}
        self._root: Node | None = None
        self._nodes = self._aliases = self._documents = 0

    def take(self, event: Any) -> None:
        """One event of `yaml.parse`."""
        name = type(event).__name__
        match name:
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise self._wrong(event, "a second document starts", "Keep one document in a file.")
            case "ScalarEvent":
                self._check_tag(event)
                self._add(self._node(event, _scalar(event)), event, event.anchor)
            case "MappingStartEvent" | "SequenceStartEvent":
                self._check_tag(event)
                if len(self._stack) >= MAX_DEPTH:
                    raise self._wrong(event, f"nested more than {MAX_DEPTH} deep")
                node = self._node(event, {} if name.startswith("M") else [])
                self._stack.append(_Open(node, event.anchor))
            case "MappingEndEvent" | "SequenceEndEvent":
                done = self._stack.pop()
                if isinstance(done.node.value, dict):
                    for key, node in done.merged.items():
                        done.node.value.setdefault(key, node)
                self._add(done.node, event, done.anchor)
            case "AliasEvent":
                self._alias(event)

    def finish(self) -> Node:
        """The root."""
        if self._root is None:
            raise UsageError(
                f"{self._label} is empty.",
                why="There is no YAML in it.",
                hint="It needs at least `messages:`.",
            )
        return self._root

    def _node(self, event: Any, value: Any) -> Node:
        self._count(event, 1)
        return Node(value, event.start_mark.line + 1, event.start_mark.column + 1)

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._wrong(event, f"more than {MAX_NODES:,} values", "Put data into a file of cases.")

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._wrong(event, f"more than {MAX_ALIASES} aliases")
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._wrong(event, f"the alias *{event.anchor} has no anchor before it")
        self._count(event, self._sizes[id(node)])
        self._add(node, event, None)

    def _add(self, node: Node, event: Any, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
            self._sizes[id(node)] = _size(node)
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif parent.merging:
            parent.merging = False
            self._merge(parent, node, event)
        elif parent.key is None:
            self._key(parent, node, event)
        else:
            parent.node.value[parent.key] = node
            parent.key = None

    def _key(self, parent: _Open, node: Node, event: Any) -> None:
        key = node.value
        if isinstance(key, dict | list):
            raise self._wrong(event, "a key is a mapping or a list", "Keys are plain words.")
        text = key if isinstance(key, str) else getattr(event, "value", str(key))
        if text == "<<" and getattr(event, "implicit", (False,))[0]:
            parent.merging = True
            return
        if text in parent.node.value:
            raise self._wrong(event, f"the key {text!r} stands here twice", "Keep one of them.")
        parent.key = text

    def _merge(self, parent: _Open, node: Node, event: Any) -> None:
        for source in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                raise self._wrong(event, "<< merges something that is no mapping")
            self._count(event, len(source.value))
            for key, value in source.value.items():
                parent.merged.setdefault(key, value)

    def _check_tag(self, event: Any) -> None:
        tag, mark = event.tag, event.start_mark
        if tag in _PLAIN_TAGS:
            return
        if "python" in tag:
            raise RefusedError(
                f"{self._label}:{mark.line + 1}:{mark.column + 1}: the tag {tag!r} is refused.",
                why="It would make YAML run code.",
                hint="Use plain values.",
            )
        raise self._wrong(event, f"the tag {tag!r} is not known here", "Use plain values.")

    def _wrong(self, event: Any, what: str, hint: str | None = None) -> UsageError:
        mark = event.start_mark
        return UsageError(
            f"{self._label}:{mark.line + 1}:{mark.column + 1}: {what}.",
            why="The file cannot be read safely or clearly.",
            hint=hint or "Write it plainly.",
        )


def _size(node: Node) -> int:
    """Values in a tree; iterative, because trees share parts."""
    count, todo = 0, [node]
    while todo:
        value = todo.pop().value
        count += 1
        if count > MAX_NODES:
            return count
        todo += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return count


def _scalar(event: Any) -> Any:
    """What a scalar means: YAML 1.2's core schema, so that yes, no and dates stay the text that they are."""
    text = event.value
    if not event.implicit[0]:  # quoted, or a block
        return text
    if _NULL.match(text):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text

"""A document as JSON text, in parts: the text of a hundred thousand models is several times as large as they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.cli.documents import KINDS, SCHEMA_VERSION

MANY = 1000  # items of one field that are written together


def json_text(value: Struct) -> Iterator[str]:
    """`schema_version`, `kind`, then the fields of `value`, a type of `KINDS`; joined it is one indented document."""
    long = next((name for name in value.__struct_fields__ if _is_long(getattr(value, name))), None)
    if long is None:
        yield _whole(value)
        return
    empty = f'"{long}": []'
    before, found, after = _whole(replace(value, **{long: ()})).partition(empty)
    yield before + empty[:-1] if found else _whole(value)
    if found:
        yield from _items(getattr(value, long))
        yield "\n  ]" + after


def _is_long(field: Any) -> bool:
    return isinstance(field, tuple) and len(field) > MANY


def _whole(value: Struct) -> str:
    kind = next(name for name, cls in KINDS.items() if cls is type(value))
    document = {"schema_version": SCHEMA_VERSION, "kind": kind, **msgspec.to_builtins(value)}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _items(items: tuple[Any, ...]) -> Iterator[str]:
    """The inside of the list, indented as a field of the document is. No text of JSON holds a newline of its own."""
    rest = iter(items)
    comma = ""
    while some := tuple(islice(rest, MANY)):
        text = msgspec.json.format(msgspec.json.encode(some), indent=2).decode()
        yield comma + text[1:-2].replace("\n", "\n  ")
        comma = ","

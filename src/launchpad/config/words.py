"""What a setting takes, in words instead of the names of types."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": "a list",
    "object": "a table",
}


def what_it_takes(type_: Any, message: str) -> str:
    """Why a value was refused: `message` is the validator's, such as "Expected int | null, got str"."""
    if get_origin(type_) is Literal:
        return f"It takes one of {', '.join(get_args(type_))}."
    expected, comma, _ = message.removeprefix("Expected ").partition(", got ")
    kinds = [kind for kind in expected.split(" | ") if kind != "null"]
    if not comma or not all(kind in _WORDS for kind in kinds):
        return message
    return f"It takes {' or '.join(_WORDS[kind] for kind in kinds)}."

"""`{{name}}` in texts: replaced only for names that somebody declared, once, and never again. PURE.

There is no logic and no filter, and what a value contains is never expanded: text from a model or a file cannot reach
other variables. Everything else in double braces stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from launchpad.errors import UsageError

_TOKEN = re.compile(r"\{\{[ \t]*([A-Za-z_][A-Za-z0-9_-]*)((?:\.[A-Za-z0-9_-]+)*)[ \t]*\}\}")
MAX_EXPANDED = 64 << 20  # characters


def names_in(texts: Iterable[str]) -> set[str]:
    """Names that look like variables in `texts`."""
    return {match[1] for text in texts for match in _TOKEN.finditer(text)}


def expand(text: str, values: Mapping[str, Any]) -> str:
    """`text` with the variables of `values` replaced. `{{id.field}}` reads a field of a value that is JSON.

    Raises `UsageError` when a known value has no such field, or when the text grows beyond 64 Mi characters.
    """

    def replace(match: re.Match[str]) -> str:
        name, fields = match[1], match[2]
        if name not in values:
            return match[0]
        return as_text(_field(name, values[name], fields.split(".")[1:]))

    if "{{" not in text:
        return text
    expanded = _TOKEN.sub(replace, text)
    if len(expanded) > MAX_EXPANDED:
        raise UsageError(
            "A message is too long.",
            why=f"With its variables it has {len(expanded):,} characters.",
            hint="Give less text to one case.",
        )
    return expanded


def expand_all(value: Any, values: Mapping[str, Any]) -> Any:
    """`value` with the variables in all its texts replaced."""
    if isinstance(value, str):
        return expand(value, values)
    if isinstance(value, Mapping):
        return {key: expand_all(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [expand_all(item, values) for item in value]
    return value


def as_text(value: Any) -> str:
    """A value as it stands in a text: text as it is, true and false in small letters, nothing for null, else JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _field(name: str, value: Any, fields: list[str]) -> Any:
    if fields and isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _no_field(name, fields, "it is not JSON") from None
    for number, field in enumerate(fields):
        if isinstance(value, Mapping) and field in value:
            value = value[field]
        elif isinstance(value, list) and field.isdigit() and int(field) < len(value):
            value = value[int(field)]
        else:
            raise _no_field(name, fields[: number + 1], "there is no such field")
    return value


def _no_field(name: str, fields: list[str], why: str) -> UsageError:
    path = ".".join([name, *fields])
    return UsageError(
        f"{{{{{path}}}}} has no value.", why=f"In {name}, {why}.", hint="Check the name of the field."
    )

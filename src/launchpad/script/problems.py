"""What is wrong with a script file, gathered: an editor wants all of it, a run only the first. PURE."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from launchpad.script.document import Node


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong (or odd), where, and what to do. Lines and columns count from 1."""

    severity: Literal["error", "warning"]
    line: int
    column: int
    message: str
    hint: str | None = None


class Fields:
    """Reads typed fields out of nodes; what does not fit becomes a problem, and the reading goes on."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def failed(self) -> bool:
        """True once there was an error."""
        return any(problem.severity == "error" for problem in self.problems)

    def error(self, node: Node, message: str, hint: str | None = None) -> None:
        """Something that makes the file unusable."""
        self._add("error", node, message, hint)

    def warn(self, node: Node, message: str, hint: str | None = None) -> None:
        """Something that is probably not meant."""
        self._add("warning", node, message, hint)

    def _add(self, severity: Literal["error", "warning"], node: Node, message: str, hint: str | None) -> None:
        self.problems.append(
            Problem(severity=severity, line=node.line, column=node.column, message=message, hint=hint)
        )

    def mapping(self, node: Node, what: str, known: Iterable[str]) -> dict[str, Node]:
        """The fields of a mapping without nulls and `x-` keys; unknown keys are errors with a proposal."""
        if not isinstance(node.value, dict):
            self.error(node, f"{what} must be a mapping, not {_kind(node)}")
            return {}
        known = tuple(known)
        fields = {}
        for key, value in node.value.items():
            if key.startswith("x-"):
                continue
            if key not in known:
                self.error(value, f"{what} has no field {key!r}", self.suggestion(key, known))
            elif value.value is not None:
                fields[key] = value
        return fields

    @staticmethod
    def suggestion(word: str, known: Iterable[str]) -> str:
        """The nearest known word, else all of them."""
        known = tuple(known)
        folded = {name.replace("-", "").replace("_", "").lower(): name for name in known}
        close = difflib.get_close_matches(
            word.replace("-", "").replace("_", "").lower(), folded, n=1, cutoff=0.6
        )
        return f"Did you mean {folded[close[0]]}?" if close else f"Known are: {', '.join(sorted(known))}."

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The nodes of a list; none when there is no list."""
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.error(node, f"{what} must be a list, not {_kind(node)}")
            return []
        return list(node.value)

    def text(self, node: Node | None, what: str, default: str = "") -> str:
        """A text; numbers and booleans count as the text that they were written as."""
        if node is None:
            return default
        value = node.value
        if isinstance(value, bool | int | float):
            return str(value).lower() if isinstance(value, bool) else f"{value}"
        if not isinstance(value, str):
            self.error(node, f"{what} must be a text, not {_kind(node)}")
            return default
        return value

    def number(self, node: Node | None, what: str, least: float, most: float) -> float | None:
        """A number within bounds."""
        if node is None:
            return None
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.error(node, f"{what} must be a number, not {_kind(node)}")
            return None
        if not least <= value <= most:
            self.error(node, f"{what} must be between {least:g} and {most:g}, not {value:g}")
            return None
        return float(value)

    def integer(self, node: Node | None, what: str, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        found = self.number(node, what, least, most)
        if found is None or node is None:
            return None
        if found != int(found):
            self.error(node, f"{what} must be a whole number")
            return None
        return int(node.value)

    def boolean(self, node: Node | None, what: str) -> bool:
        """true or false; false when it is not there."""
        if node is None:
            return False
        if not isinstance(node.value, bool):
            self.error(node, f"{what} must be true or false, not {_kind(node)}")
            return False
        return node.value

    def one_of(self, node: Node | None, what: str, known: Iterable[str]) -> Any:
        """One of some words, or None."""
        if node is None:
            return None
        value = "off" if node.value is False else node.value  # YAML 1.1 writers turn off into false
        known = tuple(known)
        if value not in known:
            self.error(node, f"{what} must be one of {', '.join(known)}")
            return None
        return value

    def seconds(self, node: Node | None, what: str) -> float | None:
        """A time: `90`, `500ms`, `30s`, `5m`, `2h`."""
        if node is None:
            return None
        found = _seconds(node.value)
        if found is None:
            self.error(node, f"{what} must be a time such as 500ms, 30s, 5m or 2h, above 0")
        return found


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
            number = value.removesuffix(unit).strip()
            if value.endswith(unit) and number.replace(".", "", 1).isdecimal() and number.isascii():
                value = float(number) * factor
                break
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 31_536_000:
        return None
    return float(value)


def _kind(node: Node) -> str:
    value = node.value
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    return f"{value!r}" if len(repr(value)) < 40 else "a long text"

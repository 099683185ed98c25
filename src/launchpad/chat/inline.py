"""Emphasis and code inside a line of Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from msgspec import Struct

Style = tuple[str, str]  # SGR to begin and to end with
BOLD: Style = ("1", "22")
ITALIC: Style = ("3", "23")
STRUCK: Style = ("9", "29")
DIM: Style = ("2", "22")
HEADING: Style = ("1;4", "22;24")
LONGEST = 200  # characters that an open span waits for its end
_MARK = re.compile(r"\\[*_`~#|]|`+|\*+|_+|~~+")
_STYLES: dict[str, Style] = {"*": ITALIC, "**": BOLD, "***": ("1;3", "22;23"), "~~": STRUCK}


class Span(Struct, frozen=True):
    """Text in one style."""

    CODE: ClassVar[Style] = ("36", "39")
    text: str
    styles: tuple[Style, ...] = ()


def spans(text: str, style: Style | None) -> Iterator[Span]:
    """The parts of a text in which every span that has an end is whole."""
    yield from _spans(text, (style,) if style else ())


def still_open(text: str) -> str:
    """The end of `text` that must wait: from the first mark whose meaning depends on what comes."""
    at = 0
    while mark := _MARK.search(text, at):
        at, waits = _after(text, mark)
        if waits:
            return text[mark.start() :]
    return text[-1:] if text[at:].endswith(("\\", "~")) else ""  # not the end of a mark that is decided


def _spans(text: str, styles: tuple[Style, ...]) -> Iterator[Span]:
    plain = at = 0
    while mark := _MARK.search(text, at):
        found = _closing(text, mark)
        if mark[0].startswith("\\"):
            inner, after = iter([Span(mark[0][1:], styles)]), mark.end()
        elif found is None:
            at = mark.end()
            continue
        else:
            body, after = text[mark.end() : found], found + len(mark[0])
            inner = _inner(mark[0], body, styles)
        if plain < mark.start():
            yield Span(text[plain : mark.start()], styles)
        yield from inner
        plain = at = after
    if plain < len(text):
        yield Span(text[plain:], styles)


def _inner(mark: str, body: str, styles: tuple[Style, ...]) -> Iterator[Span]:
    if mark[0] == "`":
        bare = body[1:-1] if body.startswith(" ") and body.endswith(" ") and body.strip() else body
        return iter([Span(bare, (*styles, Span.CODE))])
    return _spans(body, (*styles, _STYLES[mark.replace("_", "*")]))


def _after(text: str, mark: re.Match[str]) -> tuple[int, bool]:
    """Where to go on after a mark, and whether its meaning is still open."""
    if mark[0].startswith("\\"):
        return mark.end(), False
    if mark.end() == len(text):
        return mark.end(), True  # it may grow, and what follows tells whether it opens something
    found = _closing(text, mark)
    if found is not None:
        end = found + len(mark[0])
        return end, end == len(text)  # a longer run would not close it
    return mark.end(), _opens(text, mark) and len(text) - mark.end() <= LONGEST


def _opens(text: str, mark: re.Match[str]) -> bool:
    """Whether the mark could begin a span."""
    if mark[0][0] == "`":
        return True
    before = text[mark.start() - 1] if mark.start() else " "
    after = text[mark.end()] if mark.end() < len(text) else " "
    known = mark[0].replace("_", "*") in _STYLES
    inside_word = before.isalnum() or (mark[0][0] != "_" and before in "*_")
    return known and not after.isspace() and not inside_word


def _closing(text: str, mark: re.Match[str]) -> int | None:
    """Where the span that the mark opens is closed."""
    if not _opens(text, mark):
        return None
    run = mark[0]
    for other in re.finditer(rf"(?:{re.escape(run[0])})+", text[: mark.end() + LONGEST + len(run)]):
        if other.start() <= mark.end() or other[0] != run:
            continue
        if run[0] == "`" or _ends_here(text, other):
            name = run == "__" and text[mark.end() : other.start()].isidentifier()  # Python's __init__
            return None if name else other.start()
    return None


def _ends_here(text: str, other: re.Match[str]) -> bool:
    """Not before a letter or digit: `5*3` is a product, and `snake_case` a name."""
    before = text[other.start() - 1]
    after = text[other.end()] if other.end() < len(text) else " "
    return not before.isspace() and before != "\\" and not after.isalnum()

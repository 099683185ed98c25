"""Make text that launchpad did not write safe to show on a terminal.

Model answers, reasoning, file names, engine logs and server errors can hold escape sequences that hide a command, fill
the clipboard or rename the window, and invisible characters that make a name look like another. Nothing of that passes:

- ESC is shown as `␛`; all other C0 controls but newline and tab, DEL and C1 are dropped.
- A carriage return is a newline, so nothing can overwrite what is already shown; CR LF is one newline.
- Bidirectional controls, zero-width characters, tags and lone surrogates are shown as `\\u{200B}`.

Two exceptions keep honest text readable, and neither can hide anything in ASCII (commands, paths, addresses): one joiner
between two non-ASCII letters, marks or symbols (Persian, Hindi, emoji families), and one variation selector after such a
character (❤️) or inside a keycap (1️⃣). `clean` is for names and has no exceptions.
"""

from __future__ import annotations

import re
import unicodedata

_SELECTORS = "\ufe00-\ufe0f"
_JOINERS = "\u200c\u200d"
_KEYCAP = "\u20e3"
_INVISIBLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff"
)
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_SPECIAL = re.compile(f"\r\n?|[{_CONTROLS}{_INVISIBLE}{_SELECTORS}]")
_NEEDS_RIGHT = re.compile(f"[{_JOINERS}{_SELECTORS}]")
_ONE_LINE = re.compile(r"\s*[\n\t]\s*")


class Sanitizer:
    """Incremental: however the text is cut into chunks, the joined output is the same."""

    def __init__(self) -> None:
        self._previous = ""  # last character of the input so far
        self._held = ""  # a joiner or selector that waits for its right neighbor

    def feed(self, text: str) -> str:
        """What of the text so far can be shown now."""
        text = self._held + text
        self._held = text[-1] if text and _NEEDS_RIGHT.match(text[-1]) else ""
        return self._show(text[: -len(self._held)] if self._held else text, follower=self._held)

    def close(self) -> str:
        """What was held back; afterwards the sanitizer is as new."""
        rest = self._show(self._held, follower="")
        self._previous = self._held = ""
        return rest

    def _show(self, text: str, follower: str) -> str:
        if not text:
            return ""
        before = self._previous
        self._previous = text[-1]
        if before == "\r" and text[0] == "\n":
            text = text[1:]  # the newline was shown when its CR came

        def replace(match: re.Match[str]) -> str:
            left = text[match.start() - 1] if match.start() else before
            right = text[match.end()] if match.end() < len(text) else follower
            return _replacement(match[0], left, right)

        return _SPECIAL.sub(replace, text)


def clean(text: str) -> str:
    """One line of text from elsewhere (a name, a server's error): safe, and still one line."""
    if text.isascii() and text.isprintable():
        return text
    sanitizer = Sanitizer()
    shown = sanitizer.feed(text) + sanitizer.close()
    shown = _NEEDS_RIGHT.sub(lambda match: _escape(match[0]), shown)
    return _ONE_LINE.sub(" ", shown)


def encodable(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced: what can be written as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _replacement(char: str, left: str, right: str) -> str:
    if char[0] == "\r":
        return "\n"
    if char == "\x1b":
        return "␛"
    if char < "\xa0":
        return ""
    if char in _JOINERS:
        shapes = (_shapes(left) or _is_selector(left)) and _shapes(right)
    else:
        shapes = _is_selector(char) and (_shapes(left) or (left in "#*0123456789" and right == _KEYCAP))
    return char if shapes else _escape(char)


def _escape(char: str) -> str:
    return f"\\u{{{ord(char):04X}}}"


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f"


def _shapes(char: str) -> bool:
    """A visible non-ASCII letter, mark or symbol: what joiners and selectors are meant for."""
    return char > "\x7f" and unicodedata.category(char)[0] in "LMS" and not _SPECIAL.match(char)

"""Tell thoughts from answer when an engine leaves the tags in the text."""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.chat.delta import Reasoning, Text

TAGS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"))
MOST_BLANKS = (
    64  # that can come before a tag, or are dropped after one; a model that sends more has lost its way
)


class ThinkSplitter:
    """Incremental: tags may be cut anywhere.

    Only a tag that opens the answer counts, so that an answer *about* `<think>` stays an answer. Engines that report
    reasoning by themselves (`reasoning_content`) leave no tags, and every piece passes unchanged.
    """

    def __init__(self) -> None:
        self._waiting = ""  # text that may become a tag
        self._closing: str | None = None  # set while inside thoughts
        self._decided = False  # True once no opening tag can come
        self._trim = False  # drop white space that follows a tag
        self._dropped = 0

    def feed(self, text: str) -> Iterator[Text | Reasoning]:
        """The pieces that are certain so far."""
        if self._decided:
            yield from self._answer(text)
            return
        self._waiting += text
        if self._closing is None:
            self._look_for_opening()
        if self._closing is not None:
            yield from self._thoughts(self._closing)
        elif self._decided:
            yield from self._answer(self._take())

    def close(self) -> Iterator[Text | Reasoning]:
        """What was held back at the end of the stream."""
        rest = self._take()  # starts with a character of a tag, so there is nothing to trim
        if rest and self._closing is not None:
            yield Reasoning(rest)
        elif rest:
            yield Text(rest)

    def _take(self) -> str:
        rest, self._waiting = self._waiting, ""
        return rest

    def _look_for_opening(self) -> None:
        start = self._waiting.lstrip()
        for opening, closing in TAGS:
            if start.startswith(opening):
                self._waiting = start[len(opening) :]
                self._closing, self._trim = closing, True
                return
        lost = len(self._waiting) - len(start) > MOST_BLANKS
        self._decided = lost or not any(opening.startswith(start) for opening, _ in TAGS)

    def _thoughts(self, closing: str) -> Iterator[Text | Reasoning]:
        thoughts, found, rest = self._waiting.partition(closing)
        keep = 0 if found else _overlap(thoughts, closing)
        self._waiting = thoughts[len(thoughts) - keep :]
        if thoughts := self._trimmed(thoughts[: len(thoughts) - keep]):
            yield Reasoning(thoughts)
        if found:
            self._waiting, self._closing, self._decided, self._trim = "", None, True, True
            yield from self._answer(rest)

    def _answer(self, text: str) -> Iterator[Text]:
        if text := self._trimmed(text):
            yield Text(text)

    def _trimmed(self, text: str) -> str:
        if not self._trim:
            return text
        bare = text.lstrip()
        self._dropped += len(text) - len(bare)
        if self._dropped > MOST_BLANKS:
            bare = text
        self._trim = not bare
        return bare


def _overlap(text: str, tag: str) -> int:
    """Length of the longest end of `text` that is a proper beginning of `tag`."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:size])), 0)

"""The words of an HTML page: what a proxy before an engine answers with when it fails."""

from __future__ import annotations

from html.parser import HTMLParser

_ENOUGH = 20_000  # characters; the words that matter come early
_HIDDEN = ("title", "style", "script")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.title: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in _HIDDEN else self._inside

    def handle_endtag(self, tag: str) -> None:
        self._inside = None if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside is None:
            self.words += data.split()
        elif self._inside == "title":
            self.title += data.split()


def words_of(text: str) -> str:
    """What a browser would show of the page, on one line; its title where that is nothing."""
    page = _Page()
    page.feed(text[:_ENOUGH])
    return " ".join(page.words or page.title)

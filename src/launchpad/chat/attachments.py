"""What goes along with the next question: pictures and text files."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from launchpad.errors import UsageError
from launchpad.sanitize import clean

MAX_TEXT = 4 << 20  # bytes; no context holds more
BYTES_A_TOKEN = 4  # of English and of code; other languages take more tokens


class Attachments(Struct):
    """Collected until the next question takes them."""

    images: list[str] = []
    texts: list[str] = []

    def question(self, text: str) -> tuple[str, tuple[str, ...]]:
        """The question with everything that was attached, which is forgotten then."""
        whole, images = "\n\n".join((text, *self.texts)), tuple(self.images)
        self.clear()
        return whole, images

    def clear(self) -> None:
        """Attach nothing."""
        self.images, self.texts = [], []


def read_text(path: Path) -> str:
    """A text file, fenced and named. Raises `UsageError` for what is no UTF-8 text of at most 4 MiB."""
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of nobody
        raise UsageError(
            f"The file {path} cannot be read.",
            why=getattr(error, "strerror", None) or str(error),
            hint="Check the path.",
        ) from error
    if len(data) > MAX_TEXT:
        raise UsageError(
            f"The file {path} is too large.", why="The limit is 4 MiB; no context holds more.", hint="Cut it."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is no text.",
            why=f"Byte {error.start} is no UTF-8.",
            hint="/image attaches a picture; convert other files to text first.",
        ) from error
    longest = max(map(len, re.findall(r"^`+", text, re.MULTILINE)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{clean(path.name)}:\n{fence}\n{text.rstrip()}\n{fence}"


def about_tokens(text: str) -> int:
    """How many tokens a text may have."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)

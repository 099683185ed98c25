"""Pictures for models that see: read from files, checked, as base64 text."""

from __future__ import annotations

import base64
from pathlib import Path

from launchpad.errors import UsageError

MAX_IMAGE = 20 << 20  # bytes
_KINDS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}


def read_image(path: Path) -> str:
    """The file as base64 text. Raises `UsageError` for what is no PNG or JPEG of at most 20 MiB."""
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(MAX_IMAGE + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of nobody
        raise UsageError(
            f"The picture {path} cannot be read.",
            why=getattr(error, "strerror", None) or str(error),
            hint="Check the path.",
        ) from error
    if len(data) > MAX_IMAGE:
        raise UsageError(
            f"The picture {path} is too large.", why="The limit is 20 MiB.", hint="Make it smaller."
        )
    if not any(data.startswith(start) for start in _KINDS):
        raise UsageError(
            f"{path} is no picture that models take.",
            why="It is neither PNG nor JPEG.",
            hint="Convert it first.",
        )
    return base64.b64encode(data).decode()

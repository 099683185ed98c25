"""The JSON document of `launchpad inspect`."""

from __future__ import annotations

from msgspec import Struct

from launchpad.chat_templates.record import Seen


class ChatTemplate(Struct, frozen=True, kw_only=True):
    """A chat template in a model's file. `characters` and `text` are null for one that is too long to be read."""

    name: str
    sha256: str
    characters: int | None
    text: str | None


class Inspection(Struct, frozen=True, kw_only=True):
    """`inspect --json`: what the files say. `pinned` is the template's sha256 in a catalog, `recorded` what was started here."""

    ref: str
    path: str
    owner: str
    format: str
    name: str | None
    architecture: str | None
    quantization: str | None
    parameters: float | None
    context: int | None
    size: int
    sha256: str | None
    templates: tuple[ChatTemplate, ...]
    pinned: str | None
    recorded: tuple[Seen, ...]

"""The chat templates of a model on this machine, as text: from the header of a GGUF file or the files of a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from launchpad.gguf import Skipped, read_header

DEFAULT = "default"
LONGEST = 1 << 20  # bytes of a template that is looked at; GGUF headers keep as much
_KEY = "tokenizer.chat_template"
_FILE = "chat_template.jinja"
_SETTINGS = ("chat_template.json", "tokenizer_config.json")
_LARGEST_SETTINGS = 16 << 20
TOO_LONG = "too-long"  # stands for the hash of a template that was not read, so that it still differs from one that was

Texts = Mapping[str, str | None]


def texts_of(path: Path) -> Texts:
    """By name (`default`, `tool_use`, …) the templates in a model; None is one that is too long to be read.

    Raises `BadModelFile`, `OSError`.
    """
    return _of_folder(path) if path.is_dir() else _of_header(read_header(path).metadata)


def digest(text: str | None) -> str:
    """The sha256 of a template."""
    return TOO_LONG if text is None else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hashes(texts: Texts) -> dict[str, str]:
    """The sha256 of each template, by its name."""
    return {name: digest(text) for name, text in sorted(texts.items())}


def _of_header(metadata: Mapping[str, object]) -> Texts:
    found: dict[str, str | None] = {}
    for key, value in metadata.items():
        if (key == _KEY or key.startswith(f"{_KEY}.")) and isinstance(value, str | Skipped):
            found[key[len(_KEY) + 1 :] or DEFAULT] = value if isinstance(value, str) else None
    return found


def _of_folder(folder: Path) -> Texts:
    """Engines take the file of its own before what the settings of the tokenizer say."""
    if (folder / _FILE).is_file():
        text = _limited(folder / _FILE, LONGEST)
        return {DEFAULT: None if text is None else text.decode("utf-8", "replace")}
    return next((found for name in _SETTINGS if (found := _of_settings(folder / name))), {})


def _of_settings(path: Path) -> Texts:
    """Either one template, or a list of them with names."""
    try:
        text = _limited(path, _LARGEST_SETTINGS)
        settings = msgspec.json.decode(text) if text else None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    said = settings.get("chat_template") if isinstance(settings, dict) else None
    if isinstance(said, str):
        return {DEFAULT: _short(said)}
    named = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    return {
        str(one.get("name")): _short(one["template"]) for one in named if isinstance(one.get("template"), str)
    }


def _short(text: str) -> str | None:
    return text if len(text) <= LONGEST else None


def _limited(path: Path, most: int) -> bytes | None:
    """What is in the file; None when that is more than `most` bytes."""
    with path.open("rb") as file:
        data = file.read(most + 1)
    return data if len(data) <= most else None

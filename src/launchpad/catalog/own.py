"""Models of one's own: a folder of TOML files, one model each, that extend the catalogs or change what they say.

A file has the fields of `Model`. With an id that the catalogs know, it changes the fields that it names and leaves
the rest; its builds come before the known ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from launchpad.catalog.kept import KeptCatalog, Unusable
from launchpad.catalog.model import Model
from launchpad.config import file as config_file
from launchpad.errors import ConfigError, LaunchpadError, RefusedError, UsageError
from launchpad.paths import config_dir

FOLDER = "models.d"
LARGEST = 1 << 20
ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?", re.ASCII)

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?", re.DOTALL)


class OwnModels:
    """The models of all files that can be used."""

    name = "own"
    date = None  # they say what their owner says, whenever that was

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models

    def models(self) -> Sequence[Model]:
        """All of them."""
        return self._models


def folder() -> Path:
    """Where the files are."""
    return config_dir() / FOLDER


def own_catalogs(
    packaged: Sequence[Model], kept: Sequence[KeptCatalog | Unusable]
) -> list[OwnModels | Unusable]:
    """The models of the folder, and for each file that cannot be used what is wrong with it.

    They extend what is in `kept`, the most particular first, and in `packaged`.
    """
    paths = files()
    if not paths:
        return []
    usable = [catalog for catalog in kept if isinstance(catalog, KeptCatalog)]
    every = [*packaged, *(model for catalog in reversed(usable) for model in catalog.models())]
    known = {model.id: model for model in every}
    good: dict[str, Model] = {}
    bad: list[OwnModels | Unusable] = []
    for path in paths:
        try:
            model = read(path, known)
            if model.id in good:
                raise ConfigError(f"{path}: another file in the folder has the id {model.id!r}, too.")
            good[model.id] = model
        except LaunchpadError as error:
            bad.append(Unusable(f"own-{len(bad) + 1}", error))
    return [*([OwnModels(tuple(good.values()))] if good else ()), *bad]


def files() -> list[Path]:
    """The files, by name."""
    try:
        return sorted(path for path in folder().iterdir() if path.suffix == ".toml")
    except OSError:
        return []


def read(path: Path, known: Mapping[str, Model]) -> Model:
    """The model that a file describes. Raises `ConfigError` that names the file and the line."""
    text = _text(path)
    try:
        record = config_file.parse(text, path)
    except ConfigError as error:
        what = error.what.replace("as settings", "as a model")
        raise ConfigError(what, why=error.why, hint=error.hint) from error
    try:
        return model_of(record, known)
    except _Wrong as wrong:
        raise ConfigError(
            f"{path}:{_line(text, wrong.key)} cannot be used as a model.",
            why=wrong.why,
            hint="Correct it or move it away.",
        ) from wrong


def read_record(path: Path, known: Mapping[str, Model]) -> Model:
    """The model that a `.toml` or `.json` file anywhere describes. Raises `ConfigError`, `UsageError`."""
    if path.suffix.lower() != ".json":
        return read(path, known)
    try:
        record = msgspec.json.decode(_text(path))
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON.", why=f"{str(error)[:160]}.") from error
    try:
        return model_of(record, known)
    except _Wrong as wrong:
        where = f" at {wrong.key}" if wrong.key else ""
        raise UsageError(f"{path}{where} cannot be used as a model.", why=wrong.why) from wrong


def _line(text: str, key: str) -> int:
    """The line, from 1, that a key is at, or the first table of an array that holds it."""
    if not key:
        return 1
    array = text.find(f"[[{key.partition('.')[0]}]]")
    if array >= 0 and config_file.line_of(text, key) == 1:
        return text.count("\n", 0, array) + 1
    return config_file.line_of(text, key)


class _Wrong(Exception):
    """What is wrong with a record, and at which key."""

    def __init__(self, why: str, key: str = "") -> None:
        super().__init__(why)
        self.why, self.key = why, key


def model_of(record: object, known: Mapping[str, Model]) -> Model:
    """The model of a record: strict, an unknown key is an error."""
    if not isinstance(record, dict):
        raise _Wrong("It is not a record with fields such as id and builds.")
    name = record.get("id")
    if not isinstance(name, str) or not ID.fullmatch(name):
        raise _Wrong("`id` is needed: lower-case letters, digits, dots, dashes and underscores.", "id")
    base = known.get(name)
    start: dict[str, Any] = {"name": name, "lab": "your own", "lab_id": "own"}
    if base is not None:
        start = msgspec.to_builtins(base)
    own_builds = record.get("builds", [])
    merged = {**start, **record}
    try:
        model = msgspec.convert(merged, Model)
    except msgspec.ValidationError as error:
        match = _MESSAGE.fullmatch(str(error))
        key = re.sub(r"\[[^]]*\]", "", (match["path"] or "") if match else "").removeprefix("$").strip(".")
        raise _Wrong(f"{(match['what'] if match else str(error)).rstrip('.')}.", key) from error
    _check_keys(record, model, "")
    _check_builds(model)
    if base is None or not own_builds:
        return model
    fresh = {build.ref for build in model.builds}
    rest = tuple(build for build in base.builds if build.ref not in fresh)
    return msgspec.structs.replace(model, builds=model.builds + rest)


def _check_keys(raw: object, value: object, path: str) -> None:
    """Every key of the record is a field: a misspelt one must not be silently without effect."""
    if isinstance(value, Struct) and isinstance(raw, dict):
        for key, inner in raw.items():
            where = f"{path}.{key}" if path else str(key)
            if key not in value.__struct_fields__:
                raise _Wrong(f"There is no field {key!r} here.", where)
            _check_keys(inner, getattr(value, key), where)
    elif isinstance(value, tuple) and isinstance(raw, list):
        for one, two in zip(raw, value, strict=False):
            _check_keys(one, two, path)


def _check_builds(model: Model) -> None:
    for build in model.builds:
        if not re.match(r"[a-z][a-z0-9+.-]{1,31}://\S", build.ref):
            raise _Wrong(f"The ref {build.ref[:80]!r} is not of the form hf://org/repo:QUANT.", "builds")
        if build.size is not None and not 0 < build.size < 1 << 60:
            raise _Wrong(f"{build.ref[:80]} claims a size of {build.size}.", "builds")


def write(model: Model, *, replace: bool = False) -> Path:
    """Put a model into the folder. Raises `RefusedError` when there is one of that id, `ConfigError`."""
    import tomli_w

    if not ID.fullmatch(model.id):
        raise UsageError(f"{model.id[:80]!r} cannot be the id of a model.", hint="Give one with --id.")
    path = folder() / f"{model.id}.toml"
    if path.exists() and not replace:
        raise RefusedError(
            f"There is a model of your own with the id {model.id} already.",
            hint="Give another one with --id, or take it out first: launchpad catalog remove " + model.id,
        )
    config_file.write(path, tomli_w.dumps(msgspec.to_builtins(model)))
    return path


def remove(name: str) -> Path:
    """Delete the file of the model with this id. Raises `UsageError` when there is none."""
    path = folder() / f"{name}.toml"
    if not ID.fullmatch(name) or not path.is_file():
        raise UsageError(
            f"There is no model {name[:80]!r} of your own.",
            why=f"Files are in {folder()}.",
            hint="`launchpad catalog` shows what there is.",
        )
    os.unlink(path)  # noqa: PTH108 -- a link goes, not what it leads to
    return path


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"{path} cannot be read.", why=f"{why}.", hint="Check the path.") from error
    if len(data) > LARGEST:
        raise ConfigError(f"{path} cannot be used as a model.", why=f"It has more than {LARGEST:,} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be used as a model.", why="It is not UTF-8.") from error

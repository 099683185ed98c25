"""What `catalog update` brought and where it is kept: another day's catalog, and what the model sources list now.

Both lie under the data folder, outlast an upgrade, and are left alone when they are older than the packaged catalog
or damaged. All of it works offline.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.catalog.packed import SCHEMA, PackedCatalog, unfold
from launchpad.errors import ConfigError, LaunchpadError, UsageError
from launchpad.paths import data_dir

T = TypeVar("T", bound=Struct)


class Downloaded(Struct, frozen=True, kw_only=True):
    """A catalog of another day, where it came from, and what its bytes hashed to. `fetched` is YYYY-MM-DD.

    `signer` is the public key that signed it, None where a hash was given instead.
    """

    origin: str
    sha256: str
    fetched: str
    catalog: PackedCatalog
    signer: str | None = None


class Listed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a source said of one place. `failed` tells why the last question had no answer."""

    fetched: str
    tag: str | None = None
    builds: tuple[Build, ...] = ()
    failed: str | None = None


class Listings(Struct, frozen=True, kw_only=True):
    """Places (`hf://org/repo`) and what is there."""

    schema: int = SCHEMA
    places: dict[str, Listed] = {}


class KeptCatalog:
    """A catalog that was kept."""

    def __init__(self, name: str, date: str | None, models: Sequence[Model]) -> None:
        self.name, self.date = name, date
        self._models = models

    def models(self) -> Sequence[Model]:
        """All models."""
        return self._models


class Unusable:
    """A file that cannot be used: a catalog of nothing, that says why when it is read."""

    date = None

    def __init__(self, name: str, error: LaunchpadError) -> None:
        self.name = name
        self._error = error

    def models(self) -> Sequence[Model]:
        """Raises what is wrong with the file."""
        raise self._error


def folder() -> Path:
    """Where both are."""
    return data_dir() / "catalog"


def kept_catalogs(packaged: Sequence[Model], packaged_date: str) -> list[KeptCatalog | Unusable]:
    """What was kept, the most particular first: refreshed builds, then another day's models."""
    found: list[KeptCatalog | Unusable] = []
    models: tuple[Model, ...] = ()
    try:
        downloaded = load_downloaded()
        if downloaded and downloaded.catalog.date >= packaged_date:
            models = tuple(unfold(one) for one in downloaded.catalog.models)
            found.append(KeptCatalog("downloaded", downloaded.catalog.date, models))
    except ConfigError as error:
        found.append(Unusable("downloaded", error))
    try:
        if listings := load_listings():
            known = {model.id: model for model in (*packaged, *models)}
            refreshed = tuple(refreshed_models(known.values(), listings.places))
            found.insert(0, KeptCatalog("refreshed", None, refreshed))
    except ConfigError as error:
        found.append(Unusable("refreshed", error))
    return found


def load_downloaded() -> Downloaded | None:
    """The kept catalog; None when there is none. Raises `ConfigError` when it is damaged."""
    return _load(folder() / "downloaded.json", Downloaded)


def load_listings() -> Listings | None:
    """The kept listings; None when there are none. Raises `ConfigError` when they are damaged."""
    return _load(folder() / "listings.json", Listings)


def save(value: Downloaded | Listings) -> Path:
    """Keep it, in one step. Raises `OSError`."""
    path = folder() / ("downloaded.json" if isinstance(value, Downloaded) else "listings.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(msgspec.json.encode(value))
    draft.replace(path)
    return path


def discard(name: str) -> Path | None:
    """Delete what was kept under this name; None when it is not a name of these. Raises `UsageError`."""
    path = {"downloaded": folder() / "downloaded.json", "refreshed": folder() / "listings.json"}.get(name)
    if path is None:
        return None
    try:
        path.unlink()
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no {name} catalog.", hint="`launchpad catalog` shows what there is."
        ) from error
    return path


def _load(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be used.",
            why=f"{str(error)[:160]}.",
            hint="Delete it, then: launchpad catalog update",
        ) from error


def place_of(build: Build) -> str | None:
    """The place that a build of the Hub lies at, None for others."""
    scheme, _, rest = build.ref.partition("://")
    return f"hf://{rest.partition('@')[0].partition(':')[0]}" if scheme == "hf" else None


def refreshed_models(models: Iterable[Model], places: Mapping[str, Listed]) -> Iterator[Model]:
    """The models of which something is known anew, with their builds as the places have them now."""
    for model in models:
        builds = refreshed_builds(model, places)
        if builds != model.builds:
            yield replace(model, builds=builds)


def refreshed_builds(model: Model, places: Mapping[str, Listed]) -> tuple[Build, ...]:
    """The builds with present sizes, hashes and revisions; new ones after the known ones of their place.

    A build whose files are pinned by hash stays as it is, and so does one that its place does not list any more: the
    pull will say so.
    """
    own = {place_of(build) for build in model.builds}
    fresh = {
        (place, build.format, build.quantization.upper()): replace(build, official=_official(model, place))
        for place in own & set(places)
        if place
        for build in places[place].builds
    }
    refreshed = []
    for build in model.builds:
        found = fresh.pop((place_of(build) or "", build.format, build.quantization.upper()), None)
        pinned = any(file.sha256 for file in build.files)
        refreshed.append(
            build if pinned or found is None else replace(found, quantization=build.quantization)
        )
    ggufs = {place_of(build) for build in model.builds if build.format == "gguf"}
    new = [build for (place, form, _), build in fresh.items() if form == "gguf" and place in ggufs]
    return (*refreshed, *new)


def _official(model: Model, place: str) -> bool:
    return any(build.official for build in model.builds if place_of(build) == place)

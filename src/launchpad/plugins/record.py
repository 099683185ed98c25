"""Which plugins the user installed through launchpad: kept where an upgrade of launchpad does not reach.

`uv tool upgrade`, `pipx reinstall` and a new environment lose what was put beside launchpad; `plugins restore` brings it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.errors import ConfigError
from launchpad.paths import data_dir

VERSION = 1
_GROUP = "launchpad.v"


class Kept(Struct, frozen=True, kw_only=True):
    """A distribution with plugins. `requirement` is what it was installed by; None: its name."""

    distribution: str
    version: str
    requirement: str | None = None

    @property
    def again(self) -> str:
        """What an installer is told to get it again: where it came from, or this version of it."""
        return self.requirement or f"{self.distribution}=={self.version}"


class _File(Struct, kw_only=True):
    version: int
    plugins: tuple[Kept, ...] = ()


def path() -> Path:
    """The file of the record."""
    return data_dir() / "plugins.json"


def load() -> tuple[Kept, ...]:
    """What is recorded. Raises `ConfigError` for a file that is not a record, or of a newer launchpad."""
    try:
        found = msgspec.json.decode(path().read_bytes(), type=_File)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path()} cannot be read.",
            why=str(error),
            hint="Remove it; `launchpad plugins freeze` writes it anew.",
        ) from error
    if found.version != VERSION:
        raise ConfigError(f"{path()} was written by another version of launchpad.", hint="Upgrade launchpad.")
    return found.plugins


def save(kept: Iterable[Kept]) -> None:
    """Write the record, in one step."""
    from launchpad.config.file import write

    rows = sorted(kept, key=lambda one: one.distribution)
    data = {"version": VERSION, "plugins": [msgspec.to_builtins(one) for one in rows]}
    write(path(), json.dumps(data, indent=2) + "\n")


def installed() -> dict[str, Kept]:
    """Every distribution here that brings plugins, by its normalized name; nothing of it is imported."""
    found: dict[str, Kept] = {}
    for distribution in distributions():
        try:
            if _GROUP in (distribution.read_text("entry_points.txt") or ""):
                kept = Kept(distribution=distribution.name, version=distribution.version)
                found.setdefault(normalized(distribution.name), kept)
        except Exception:  # noqa: S112 -- a damaged one is nobody's plugin
            continue
    return found


def missing() -> tuple[Kept, ...]:
    """What is recorded and no longer here: what an upgrade has lost. Never raises."""
    try:
        recorded = load()
    except ConfigError:
        return ()
    here = installed() if recorded else {}
    return tuple(one for one in recorded if normalized(one.distribution) not in here)


def remember(requirements: Iterable[str] = ()) -> tuple[Kept, ...]:
    """Record what is here beside what is recorded already; `requirements` are what was just installed."""
    told = {normalized(name): one for one in requirements if (name := project_of(one))}
    known = {normalized(one.distribution): one for one in load()}
    for name, one in installed().items():
        before = known.get(name)
        requirement = told.get(name, before.requirement if before else None)
        special = requirement is not None and requirement != _plain(one, requirement)
        known[name] = Kept(
            distribution=one.distribution, version=one.version, requirement=requirement if special else None
        )
    save(known.values())
    return tuple(known.values())


def forget(names: Iterable[str]) -> None:
    """Take distributions out of the record."""
    gone = {normalized(name) for name in names}
    save(one for one in load() if normalized(one.distribution) not in gone)


def normalized(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project_of(requirement: str) -> str | None:
    """The project that a requirement, a folder or a wheel is of; None when it cannot be told."""
    place = Path(requirement)
    if requirement.endswith(".whl"):
        return place.name.partition("-")[0]
    if place.is_dir():
        return _project_in(place)
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return found[0] if found and "/" not in requirement.partition("@")[0] else None


def _project_in(folder: Path) -> str | None:
    import tomllib

    try:
        document = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        return str(document["project"]["name"])
    except (OSError, ValueError, KeyError):
        return None


def _plain(one: Kept, requirement: str) -> str:
    """What a requirement that is only a name, with or without a version, looks like."""
    return (
        requirement
        if re.fullmatch(rf"{re.escape(one.distribution)}(\s*[=<>~!].*)?", requirement, re.I)
        else ""
    )

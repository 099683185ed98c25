"""Every llama.cpp on this machine, in three places: this Python, what launchpad installed, and the PATH; or the one that is named."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from launchpad.plugins import ConfigError, EngineError, Machine, clean_environment, data_dir, setting
from launchpad.plugins.llamacpp import install
from launchpad.plugins.llamacpp.devices import devices
from launchpad.plugins.llamacpp.probe import look
from launchpad.plugins.llamacpp.program import Program, build_of_wheel
from launchpad.plugins.llamacpp.which import EMBEDDED, MANAGED, NAMED, refusal

MARK = "launchpad.json"  # in a folder that launchpad filled, once what it holds was proved to run
WORD_FOR_EMBEDDED = "embedded"


class Refused(Struct, frozen=True, kw_only=True):
    """A program that is here and is not used, and why."""

    place: str
    why: str


class Found(Struct, frozen=True, kw_only=True):
    """What is here. With a setting that names one, only that."""

    programs: tuple[Program, ...]
    refused: tuple[Refused, ...] = ()


def find(machine: Machine) -> Found:
    """Look everywhere; what fails is refused with its reason. Raises `ConfigError` when the named one cannot be used."""
    named = setting("llamacpp.program")
    if named and named != WORD_FOR_EMBEDDED:
        return Found(programs=(_named(named, machine),))
    programs: list[Program] = []
    refused: list[Refused] = []
    places = _embedded() if named else _places()
    for argv, owner in places:
        try:
            program = _look(argv, owner, machine)
        except EngineError as error:
            refused.append(Refused(place=" ".join(argv), why=f"{error.what} {error.why or ''}".strip()))
            continue
        if why := refusal(program):
            refused.append(Refused(place=program.place, why=why))
        else:
            programs.append(program)
    return Found(programs=tuple(programs), refused=tuple(refused))


def _named(named: str, machine: Machine) -> Program:
    path = shutil.which(str(Path(named).expanduser())) or named
    try:
        program = _look(_command(Path(path)), NAMED, machine)
    except EngineError as error:
        raise ConfigError(
            f"llamacpp.program names {named}, which cannot be used.",
            why=f"{error.what} {error.why or ''}".strip(),
            hint="Name a `llama-server`, `llama`, the Python that xllamacpp is installed for, or `embedded`.",
        ) from error
    if why := refusal(program):
        raise ConfigError(
            f"llamacpp.program names {named}, which is not used.",
            why=f"{why[0].upper()}{why[1:]}.",
            hint="Use a newer one, or llamacpp.program = embedded.",
        )
    return program


def _places() -> Iterator[tuple[tuple[str, ...], str]]:
    yield from _embedded()
    yield from managed()
    for name in ("llama-server", "llama"):
        if path := shutil.which(name):
            yield _command(Path(path)), "the PATH"
            return


def _embedded() -> Iterator[tuple[tuple[str, ...], str]]:
    if importlib.util.find_spec(install.PACKAGE) is not None:
        yield (sys.executable,), EMBEDDED


def managed_folders() -> list[Path]:
    """What launchpad installed here and proved, the newest installation first."""
    marks = (data_dir() / "engines").glob(f"llama.cpp-*/{MARK}")
    return [mark.parent for mark in sorted(marks, key=lambda mark: -mark.stat().st_mtime_ns)]


def managed() -> Iterator[tuple[tuple[str, ...], str]]:
    """How to start each of them."""
    for folder in managed_folders():
        try:
            argv = json.loads((folder / MARK).read_bytes())["argv"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        if isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv):
            yield tuple(argv), MANAGED


def _command(path: Path) -> tuple[str, ...]:
    """The one executable `llama` has the server as a command."""
    return (str(path), "serve") if path.stem == "llama" else (str(path),)


def _look(argv: tuple[str, ...], owner: str, machine: Machine) -> Program:
    if not Path(argv[0]).stem.startswith("python"):
        return look(argv, owner, machine)
    version = _wheel_version(argv[0])
    return Program(
        kind="wheel",
        argv=argv,
        version=version,
        build=build_of_wheel(version),
        owner=owner,
        devices=devices(version, machine, argv[0]),
    )


def _wheel_version(python: str) -> str:
    """The version of xllamacpp for that Python. Raises `EngineError`."""
    if python == sys.executable:
        try:
            return importlib.metadata.version(install.PACKAGE)
        except importlib.metadata.PackageNotFoundError as error:
            raise EngineError("xllamacpp is not installed.") from error
    code = f"import importlib.metadata as m; print(m.version({install.PACKAGE!r}))"
    try:
        done = subprocess.run(
            [python, "-I", "-c", code],
            capture_output=True,
            text=True,
            timeout=20.0,
            check=True,
            env=clean_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"xllamacpp is not installed for {python}.") from error
    return done.stdout.strip()

"""Which plugins there are: found by their metadata alone, nothing of them is imported here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.paths import config_dir

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from launchpad.plugins.plugin import FailureLog, Found

GROUP = "launchpad.v1"
_ANY_GROUP = re.compile(r"launchpad\.v\d+\w*")

BUILTINS: dict[str, frozenset[str]] = {
    "probes": frozenset({"launchpad_probes"}),
    "usercatalog": frozenset({"launchpad_catalogs"}),
    "packaged": frozenset({"launchpad_catalogs"}),
    "huggingface": frozenset({"launchpad_sources"}),
    "modelscope": frozenset({"launchpad_sources"}),
    "registries": frozenset({"launchpad_sources"}),
    "pypi": frozenset({"launchpad_sources"}),
    "web": frozenset({"launchpad_sources"}),
    "files": frozenset({"launchpad_sources"}),
    "llamacpp": frozenset({"launchpad_backends"}),
    "ollama": frozenset({"launchpad_backends"}),
    "configured": frozenset({"launchpad_backends", "launchpad_sources"}),
    "vllm": frozenset({"launchpad_backends"}),
}
"""launchpad's own plugins and their hooks, so that only those that are needed are imported."""


def builtins() -> list[Found]:
    """launchpad's own plugins."""
    from launchpad import __version__
    from launchpad.plugins.plugin import Found

    return [
        Found(
            name=name,
            origin="builtin",
            load=partial(import_module, f"launchpad.plugins.{name}"),
            hooks=hooks,
            distribution="launchpad",
            version=__version__,
            location=f"launchpad.plugins.{name}",
        )
        for name, hooks in BUILTINS.items()
    ]


def third_party(paths: Sequence[str], failures: FailureLog) -> list[Found]:
    """All others by name: entry points, then one-file plugins. Those that cannot be used are noted and left out."""
    found = [*_from_entry_points(failures), *_from_files(paths, failures)]
    return [one for one in found if _well_named(one, failures)]


def _well_named(found: Found, failures: FailureLog) -> bool:
    from launchpad.plugins.validate import Invalid, check_name

    try:
        check_name(found.name)
    except Invalid as problem:
        failures.add(found.owner, "discover", str(problem))
        return False
    return True


# -- installed distributions ------------------------------------------------------------------------------------


def _entry_points() -> list[EntryPoint]:
    """Entry points of every version of the contract, each distribution read on its own: one may be damaged."""
    from importlib.metadata import distributions

    found: dict[tuple[str, str, str], EntryPoint] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if "launchpad.v" not in text:
                continue
            for entry in distribution.entry_points:
                if _ANY_GROUP.fullmatch(entry.group):
                    # The first on sys.path is the one that an import would take.
                    found.setdefault((_normalized(distribution.name), entry.group, entry.name), entry)
        except Exception:  # noqa: S112 -- whatever it is, its import would not be launchpad's plugin
            continue
    return sorted(found.values(), key=lambda entry: (entry.name, entry.value))


def entry_points_of(distribution: str, group: str) -> frozenset[str]:
    """The names of the plugins that a distribution brings."""
    wanted = _normalized(distribution)
    return frozenset(
        entry.name
        for entry in _entry_points()
        if entry.group == group and entry.dist is not None and _normalized(entry.dist.name) == wanted
    )


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _from_entry_points(failures: FailureLog) -> Iterator[Found]:
    from launchpad.plugins.plugin import Found

    for entry in _entry_points():
        distribution = entry.dist.name if entry.dist is not None else None
        version = entry.dist.version if entry.dist is not None else None
        if entry.group != GROUP:
            failures.add(
                entry.name,
                "discover",
                f"it speaks {entry.group} of the plugin contract, and this launchpad speaks {GROUP}",
                f"Upgrade {distribution}, or launchpad if it is the older one.",
            )
            continue
        yield Found(
            name=entry.name,
            origin="entry-point",
            load=entry.load,
            distribution=distribution,
            version=version,
            location=entry.value,
        )


# -- single files -----------------------------------------------------------------------------------------------


def _from_files(paths: Sequence[str], failures: FailureLog) -> Iterator[Found]:
    from launchpad.plugins.plugin import Found

    seen: set[Path] = set()
    for path in (*(Path(path).expanduser() for path in paths), config_dir() / "plugins"):
        if path.is_dir():
            files = sorted(path.glob("*.py"))
        elif path.is_file() and path.suffix == ".py":
            files = [path]
        else:
            files = []
            if path != config_dir() / "plugins":
                failures.add(
                    str(path), "discover", "there is no such folder or .py file.", "Correct plugins.paths."
                )
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield Found(name=file.stem, origin="file", load=partial(load_file, file), location=str(file))


def load_file(file: Path) -> ModuleType:
    """Import a one-file plugin under a name that cannot hide another module."""
    import importlib.util

    name = f"launchpad_file_plugin_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses, pickle and command targets look it up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module

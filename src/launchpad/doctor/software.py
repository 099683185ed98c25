"""The software: engines and the versions that are safe, folders, plugins, processes that were left behind."""

from __future__ import annotations

import importlib.metadata
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.doctor.floors import floors, is_below
from launchpad.doctor.model import Check

if TYPE_CHECKING:
    from launchpad.hardware.machine import Machine
    from launchpad.plugins.host import Host
    from launchpad.plugins.spec import BackendStatus


def engines(host: Host, machine: Machine) -> Iterator[Check]:
    """Each backend: can it run here, what does its engine see, is its version safe."""
    usable, mend = 0, None
    for backend in host.backends():
        status = backend.status(machine)
        usable += status.state == "ready"
        mend = mend or (status.hint if status.state == "unusable" else None)
        yield _engine(backend.name, status)
        if status.version:
            yield from _floor(backend.name, status.version)
    if not usable:
        fix = mend or "`pip install xllamacpp`, or install Ollama."
        yield Check(name="engines", state="fail", evidence="none can run here", fix=fix)


def _engine(name: str, status: BackendStatus) -> Check:
    version = f" {status.version}" if status.version else ""
    devices = (
        f", devices: {', '.join(d.name for d in status.devices) or 'none'}"
        if status.devices is not None
        else ""
    )
    if status.state == "ready":
        state, why = "warn" if status.hint else "ok", f"; {status.why}" if status.why else ""
        return Check(
            name=f"engine {name}",
            state=state,  # type: ignore[arg-type]
            evidence=f"ready{version}{devices}{why}",
            fix=status.hint,
        )
    return Check(
        name=f"engine {name}", state="note", evidence=f"{status.state}: {status.why or '?'}", fix=status.hint
    )


def _floor(backend: str, version: str) -> Iterator[Check]:
    for floor in floors().floor:
        if floor.backend != backend:
            continue
        old = is_below(version, floor.version)
        if old is None:
            said = f"{version!r} cannot be compared with {floor.version}"
        else:
            said = (
                f"{version}, older than {floor.version}: {floor.why}"
                if old
                else f"{version}, safe from {floor.version} on"
            )
        yield Check(
            name=f"version of {floor.name}",
            state="fail" if old else "warn" if old is None else "ok",
            evidence=f"{said} (list of {floors().date})",
            fix=None if old is False else f"Bring {floor.name} up to date.",
        )


def libraries() -> Iterator[Check]:
    """Python libraries with a floor."""
    for floor in floors().floor:
        if floor.distribution is None:
            continue
        try:
            version = importlib.metadata.version(floor.distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
        old = is_below(version, floor.version)
        why = f" is older than {floor.version}: {floor.why}" if old else f", safe from {floor.version} on"
        fix = f"pip install '{floor.distribution}>={floor.version}'" if old else None
        yield Check(name=floor.name, state="fail" if old else "ok", evidence=f"{version}{why}", fix=fix)


def folders() -> Iterator[Check]:
    """Folders that must belong to the user, be writable, and not be open to others."""
    from launchpad.paths import cache_dir, config_dir, data_dir, hub_cache, state_dir

    named = {
        "cache of models": hub_cache(),
        "configuration": config_dir(),
        "data": data_dir(),
        "cache": cache_dir(),
        "state": state_dir(),
    }
    for name, path in named.items():
        yield _folder(name, path)


def _folder(name: str, path: Path) -> Check:
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    wrong, fix = None, None
    try:
        seen = there.stat()
    except OSError as error:
        return Check(
            name=name, state="fail", evidence=f"{path}: {error.strerror}", fix="Give yourself access."
        )
    if not os.access(there, os.W_OK):
        wrong, fix = (
            "cannot be written",
            f"Give yourself the right to write to {there}, or choose another place.",
        )
    elif there == path and sys.platform != "win32" and seen.st_uid != os.getuid():
        wrong, fix = f"belongs to user {seen.st_uid}", f"chown it to yourself: {path}"
    elif there == path and sys.platform != "win32" and seen.st_mode & stat.S_IWOTH:
        wrong, fix = "can be written by everybody", f"chmod o-w {path}"
    evidence = f"{path}" + ("" if path.exists() else " (not there yet)") + (f": {wrong}" if wrong else "")
    return Check(name=name, state="fail" if wrong else "ok", evidence=evidence, fix=fix)


def plugins(host: Host) -> Iterator[Check]:
    """Plugins of others, and everything that went wrong with any."""
    host.load_all()
    for failure in host.failures:
        yield Check(name=f"plugin {failure.plugin}", state="warn", evidence=failure.message, fix=failure.hint)
    others = [
        f"{p.name} ({p.distribution or p.origin} {p.version or ''})"
        for p in host.plugins
        if p.origin != "builtin"
    ]
    count = sum(p.origin == "builtin" for p in host.plugins)
    evidence = f"{count} built in; of others: {', '.join(others) or 'none'}"
    yield Check(name="plugins", state="ok", evidence=evidence)


def processes() -> Iterator[Check]:
    """Engines that run, and what is left of those whose owner is gone."""
    from launchpad.engines.listing import engines as listed

    views = listed()
    lost = [view for view in views if view.state == "orphaned"]
    for view in lost:
        yield Check(
            name="orphaned processes",
            state="fail",
            evidence=f"{view.model} ({view.id}), whose owner (pid {view.owner}) is gone",
            fix=f"launchpad stop {view.id}",
        )
    running = [f"{view.model} ({view.id}, {view.state})" for view in views if view not in lost]
    if not lost:
        evidence = f"none orphaned; running: {', '.join(running) or 'none'}"
        yield Check(name="processes", state="ok", evidence=evidence)

"""Install llama.cpp from a release archive that the user names by its hash: for systems and accelerators without a wheel."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from launchpad.plugins import (
    EngineError,
    EngineLoading,
    Installation,
    InstallOptions,
    LaunchpadError,
    Report,
    data_dir,
    program_archive,
    unpack,
    verified_archive,
)
from launchpad.plugins.llamacpp.find import MARK
from launchpad.plugins.llamacpp.probe import ask
from launchpad.plugins.llamacpp.program import api_of
from launchpad.plugins.llamacpp.which import MANAGED, refusal

CONTENT = "content"  # the folder beside the mark that the archive is unpacked into
_NAMES = ("llama-server", "llama-server.exe")


def installation(options: InstallOptions, accelerator: str) -> Installation:
    """What would be installed. Raises `EngineError` where the archive cannot be had."""
    assert options.archive is not None
    if options.version is not None or options.find_links:
        raise EngineError(
            "--archive goes without --version and --find-links.", why="What it holds is what is installed."
        )
    archive = program_archive(options.archive)
    version = f"archive-{archive.sha256[:12]}"
    folder = data_dir() / "engines" / f"llama.cpp-{version}-{accelerator}"
    return Installation(
        engine="llama.cpp",
        version=version,
        accelerator=accelerator,
        folder=str(folder),
        download=archive.size if archive.remote else None,
        command=("unpack", archive.text),
        done=(folder / MARK).exists(),
        archive=archive.text,
    )


def fill(found: Installation, report: Report) -> str:
    """Fetch, verify, unpack, prove; returns the version of what was in it. Raises `EngineError`."""
    assert found.archive is not None
    content = Path(found.folder) / CONTENT
    try:
        report(EngineLoading(backend="llamacpp", detail=f"fetching and verifying: {found.archive}"))
        with verified_archive(program_archive(found.archive), report) as file:
            report(EngineLoading(backend="llamacpp", detail="unpacking: into a folder of its own"))
            unpack(file, content)
    except LaunchpadError as error:
        raise EngineError(
            f"llama.cpp was not installed: {error.what}", why=error.why, hint=error.hint
        ) from error
    report(EngineLoading(backend="llamacpp", detail="checking: which devices it sees"))
    program = ask((str(_server(content)),), MANAGED)
    if why := refusal(program):
        raise EngineError(f"{program.name} was not installed.", why=f"{why[0].upper()}{why[1:]}.")
    require_device(found, [device.name for device in program.devices])
    mark = {"argv": list(program.argv), "version": program.version, "accelerator": found.accelerator}
    (Path(found.folder) / MARK).write_text(json.dumps(mark))
    return program.name


def _server(content: Path) -> Path:
    """The program, the one nearest to the top. Raises `EngineError`."""
    found = [
        path for name in _NAMES for path in content.rglob(name) if os.access(path, os.X_OK) and path.is_file()
    ]
    if not found:
        raise EngineError(
            "llama.cpp was not installed: the archive holds no llama-server that can be run.",
            why=f"It holds {', '.join(sorted(path.name for path in content.iterdir())[:8]) or 'nothing'}.",
            hint="Take the archive of the release that is made for this system.",
        )
    return min(found, key=lambda path: len(path.parts))


def require_device(found: Installation, names: Sequence[str]) -> None:
    """Raise `EngineError` unless it lists a device of the accelerator that it was installed for."""
    if found.accelerator != "cpu" and found.accelerator not in {api_of(name) for name in names}:
        raise EngineError(
            f"llama.cpp {found.version} for {found.accelerator} was not installed.",
            why=f"It runs, and sees no device of {found.accelerator}: {', '.join(names) or 'none at all'}.",
            hint="Install the driver of the GPU first; `launchpad doctor` says what is missing.",
        )

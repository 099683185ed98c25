"""Install a build of llama.cpp beside launchpad: one wheel in an environment of its own, or an archive (`archives`) in a
folder of its own, which counts once it is proved.

Nothing that is there is touched: each version and accelerator has its own folder, the last one that was installed comes
first, and `rollback` takes it away again.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.plugins import (
    EngineError,
    EngineLoading,
    Installation,
    InstallOptions,
    Machine,
    Report,
    data_dir,
    run_installer,
    setting,
    whole_or_nothing,
)
from launchpad.plugins.llamacpp import archives
from launchpad.plugins.llamacpp.devices import ask
from launchpad.plugins.llamacpp.find import MARK, managed_folders
from launchpad.plugins.llamacpp.install import no_wheel, on_musl
from launchpad.plugins.llamacpp.program import FLOOR, build_of_wheel

_VERSION = re.compile(r"\d+(\.\d+)+(\+[a-z0-9.]+)?")


class Builds(Struct, frozen=True, forbid_unknown_fields=True):
    """The packaged list."""

    date: str
    package: str
    version: str
    index: dict[str, str]
    size: dict[str, tuple[int, int]]


@cache
def builds() -> Builds:
    """Where wheels come from, and how large they are."""
    text = Path(__file__).with_name("builds.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Builds)


def installation(machine: Machine, options: InstallOptions) -> Installation:
    """What would be installed here. Raises `EngineError` where there is no build."""
    if options.archive is not None:
        return archives.installation(options, options.accelerator or _accelerator(machine))
    if why := no_wheel(machine.os, machine.cpu.architecture, on_musl()):
        raise EngineError("llama.cpp cannot be installed here.", why=why)
    accelerator = options.accelerator or _accelerator(machine)
    _require_platform(accelerator, machine)
    version = options.version or builds().version
    if _VERSION.fullmatch(version) is None:
        raise EngineError(f"{version!r} is no version.", hint=f"Such as --version {builds().version}")
    if build_of_wheel(version) < FLOOR:
        raise EngineError(
            f"llama.cpp {version} is not installed.",
            why=f"Before b{FLOOR} a model file can overflow its memory (CVE-2026-27940).",
            hint=f"Such as --version {builds().version}",
        )
    folder = data_dir() / "engines" / f"llama.cpp-{version}-{accelerator}"
    download, disk = builds().size[accelerator]
    return Installation(
        engine="llama.cpp",
        version=version,
        accelerator=accelerator,
        folder=str(folder),
        download=download,
        disk=disk,
        command=_command(folder, version, accelerator, options.find_links),
        done=(folder / MARK).exists(),
    )


def _accelerator(machine: Machine) -> str:
    """What the machine has: the fastest API of which there is a build."""
    apis = {api for accelerator in machine.accelerators for api in accelerator.apis}
    return next((name for name in ("cuda", "rocm", "metal", "vulkan") if name in apis), "cpu")


def _require_platform(accelerator: str, machine: Machine) -> None:
    mac = machine.os == "darwin"
    if machine.os is not None and (accelerator == "metal") != (mac and accelerator != "vulkan"):
        raise EngineError(
            f"There is no build of llama.cpp for {accelerator} on {machine.os}.",
            hint=f"--accelerator {'metal' if mac else 'cpu, cuda, rocm or vulkan'}",
        )


def _command(folder: Path, version: str, accelerator: str, links: Sequence[str]) -> tuple[str, ...]:
    """Wheels alone: an archive of sources would run its own code."""
    python = str(_python(folder))
    words = [sys.executable, "-m", "pip", "--python", python, "install", "--disable-pip-version-check"]
    if importlib.util.find_spec("pip") is None:  # in environments that uv made
        words = ["uv", "pip", "install", "--python", python]
    words += ["--no-deps", "--only-binary", ":all:"]
    if index := setting("llamacpp.index_url") or builds().index.get(accelerator):
        words += ["--index-url", index.replace("{accelerator}", accelerator)]
    words += [word for link in links for word in ("--find-links", link)]
    return (*words, f"{builds().package}=={version}")


def _python(folder: Path) -> Path:
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def install(found: Installation, report: Report) -> str:
    """Make the environment, fill it, prove it; returns the version. What fails leaves nothing. Raises `EngineError`."""
    folder = Path(found.folder)
    if found.done:
        return found.version
    with whole_or_nothing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if found.archive is not None:
            return archives.fill(found, report)
        _run((sys.executable, "-m", "venv", "--without-pip", str(folder)), "making the environment", report)
        _run(found.command, "installing", report)
        report(EngineLoading(backend="llamacpp", detail="checking: which devices it sees"))
        _prove(found)
        mark = {"argv": [str(_python(folder))], "version": found.version, "accelerator": found.accelerator}
        (folder / MARK).write_text(json.dumps(mark))
    return found.version


def _prove(found: Installation) -> None:
    """It runs, and lists a device of the accelerator that it was installed for. Raises `EngineError`."""
    archives.require_device(found, [str(row["name"]) for row in ask(str(_python(Path(found.folder))))])


def _run(command: Sequence[str], what: str, report: Report) -> None:
    hint = "A proxy or mirror is set as for pip; the setting llamacpp.index_url names another index."
    run_installer(command, report, backend="llamacpp", engine="llama.cpp", what=what, hint=hint)


def rollback() -> str:
    """Take away the last installation; returns what it was. Raises `EngineError` when there is none."""
    folders = managed_folders()
    if not folders:
        raise EngineError(
            "There is no installation of llama.cpp to take back.",
            why="launchpad installed none; what comes with it stays.",
            hint="`launchpad engines` lists what is here.",
        )
    (folders[0] / MARK).unlink()  # from here on it is not used, whatever becomes of the rest
    shutil.rmtree(folders[0], ignore_errors=True)
    return folders[0].name

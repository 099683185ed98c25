"""Environments with a simulated vLLM, and the step that starts vLLM."""

from __future__ import annotations

import shutil
import venv
from pathlib import Path
from typing import Any

from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term
from launchpad.plan import StartStep
from launchpad.plugins.vllm.arguments import arguments

FAKE = Path(__file__).parent / "plugins" / "vllm" / "fake_vllm.py"


def environment(folder: Path, *, distribution: str = "vllm", version: str = "0.32.0+cpu") -> Path:
    """A Python environment whose vLLM is the simulated one; returns its Python."""
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python3*/site-packages"))
    package = packages / "vllm" / "entrypoints" / "cli"
    package.mkdir(parents=True)
    shutil.copy(FAKE, package / "main.py")
    server = packages / "vllm" / "entrypoints" / "openai"
    server.mkdir()
    (server / "api_server.py").write_text(
        "from vllm.entrypoints.cli.main import main\nif __name__ == '__main__': main()"
    )
    name = distribution.replace("-", "_")
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    return folder / "bin" / "python"


def step(folder: Path, context: int = 512, **arguments_: Any) -> StartStep:
    """The step that starts vLLM on the CPU with a model in this folder."""
    memory = DeviceMemory(
        device="cpu", terms=(Term(name="kv_cache", bytes=64 << 20, basis="formula"),), free=8 << 30
    )
    fit = Fit(
        model_id="tiny", build=folder.as_uri(), backend="vllm", settings=Settings(context=context),
        placement=Placement(kind="cpu"), devices=(memory,), verdict="fits",
    )  # fmt: skip
    return StartStep(
        backend="vllm", model_id="tiny", model_name="Tiny", build=folder.as_uri(), model_path=str(folder),
        settings=fit.settings, arguments={**arguments(fit), **arguments_}, fit=fit,
    )  # fmt: skip

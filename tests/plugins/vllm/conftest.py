"""Environments for vLLM: one with a simulated vLLM, and a real one that launchpad's own installer made."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from launchpad.plugins.vllm.find import Found
from ray_nodes import install_plugin
from vllm_facts import environment

HERE = Path(__file__).parent
GIVEN = os.environ.get("LAUNCHPAD_TEST_VLLM")  # read before tests are shielded
RAY = "ray[default]==2.60.0"
CONVERTERS = ("gguf==0.19.0", "accelerate==1.15.0")
ROOT = Path(__file__).parents[3]
CACHE = Path(os.environ.get("LAUNCHPAD_TEST_VLLM_HOME", ROOT / "build" / "vllm-home"))


@pytest.fixture
def fake(tmp_path: Path) -> Found:
    """The simulated vLLM, as it would be found."""
    python = environment(tmp_path / "env")
    return Found(python=str(python), version="0.32.0", variant="cpu", owner="test")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """A folder that looks like a model, for engines that are simulated."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"num_attention_heads": 4, "max_position_embeddings": 1024}')
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def real_python() -> Path:
    """The Python of a real vLLM: LAUNCHPAD_TEST_VLLM, or an environment that `launchpad engines install` makes, once."""
    if GIVEN:
        return Path(GIVEN)
    if not list(CACHE.glob("data/envs/vllm-*-cpu/launchpad.json")):
        command = [
            sys.executable,
            "-m",
            "launchpad",
            "engines",
            "install",
            "vllm",
            "--accelerator",
            "cpu",
            "-y",
        ]
        done = subprocess.run(
            command,
            env={**os.environ, "LAUNCHPAD_HOME": str(CACHE)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"NO REAL vLLM CAN BE HAD HERE: {done.stderr[-600:]}")
    return next(CACHE.glob("data/envs/vllm-*-cpu/launchpad.json")).parent / "bin" / "python"


@pytest.fixture(scope="session")
def tiny_llama(real_python: Path) -> Path:
    """A model of 768 KB, made by vLLM's own Python."""
    folder = CACHE / "models" / "tiny-llama"
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(real_python), str(HERE / "make_model.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def ray_python(real_python: Path) -> Path:
    """The Python of an environment that has Ray beside the real vLLM, and a plugin that lets vLLM place CPU workers; made once."""
    folder = CACHE / "ray-env"
    python = folder / "bin" / "python"
    if not (folder / "made").exists():
        venv.create(folder, clear=True)
        packages = next(folder.glob("lib/python3*/site-packages"))
        beside = next(real_python.parent.parent.glob("lib/python3*/site-packages"))
        (packages / "vllm.pth").write_text(f"{beside}\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
        subprocess.run([*pip, RAY], check=True)
        subprocess.run([*pip, "--no-deps", *CONVERTERS], check=True)
        install_plugin(packages)
        (folder / "made").touch()
    return python


@pytest.fixture(scope="session")
def smollm2_folder(ray_python: Path, smollm2: Path) -> Path:
    """The real small model as vLLM reads it: made of its GGUF file, once (270 MB)."""
    folder = CACHE / "models" / "smollm2"
    if not (folder / "made").exists():
        subprocess.run(
            [str(ray_python), str(HERE / "make_smollm2.py"), str(smollm2), str(folder)], check=True
        )
        (folder / "made").touch()
    return folder

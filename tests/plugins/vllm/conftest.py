"""Environments for vLLM: one with a simulated vLLM, and a real one that launchpad's own installer made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.plugins.vllm.find import Found
from vllm_facts import environment

HERE = Path(__file__).parent
GIVEN = os.environ.get("LAUNCHPAD_TEST_VLLM")  # read before tests are shielded
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

"""The real MLX, on a CPU, with a real model: it keeps the contract, and answers."""

from __future__ import annotations

import sys
from pathlib import Path

import launchpad_mlx
import pytest
from launchpad_mlx.backend import Mlx

from launchpad.plugins import Build, Model
from launchpad.testing import BackendContract, PluginContract, run_cli, small_model

sys.path.insert(0, str(Path(__file__).parent))
import hf_model

pytestmark = pytest.mark.usefixtures("launchpad_home")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hf_model.write(small_model(), tmp_path_factory.mktemp("models") / "SmolLM2-135M-Instruct")


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_mlx


class TestBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, model: Path) -> None:
        self._path = model

    def backend(self) -> Mlx:
        return Mlx()

    def model_file(self) -> Path:
        return self._path


def test_it_answers(model: Path) -> None:
    done = run_cli(
        "run", str(model), "--backend", "mlx", "--context", "512", "--max-tokens", "8", "What is the capital of France?",
        timeout=300,
    )  # fmt: skip
    assert "Paris" in done.stdout, done.stderr


def test_what_others_quantized_is_not_offered() -> None:
    names = ("original", "4bit", "BF16", "FP8", "AWQ 4-bit", "GPTQ-Int4", "NVFP4")
    builds = tuple(Build(ref=f"hf://a/{n}", format="safetensors", quantization=n) for n in names)
    offered = Mlx().builds(Model(id="a/b", name="B", lab="A", lab_id="a", builds=builds))
    assert [build.quantization for build in offered] == ["original", "4bit", "BF16"]


def test_plain_weights_of_unknown_size_have_two_bytes_for_each_parameter() -> None:
    done = run_cli("plan", "qwen3-0.6b", "--backend", "mlx", "--on", "M3 Max 64GB", "--json")
    assert done.code == 0, done.stderr
    (device,) = done.document["start"]["fit"]["devices"]
    weights = next(term["bytes"] for term in device["terms"] if term["name"] == "weights")
    assert 1.0e9 < weights < 1.6e9

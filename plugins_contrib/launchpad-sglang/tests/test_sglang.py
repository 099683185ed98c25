"""SGLang's documented command line, taken by a simulated one: what it is told, how it ends, and what is computed for it."""

from __future__ import annotations

import sys
from pathlib import Path

import launchpad_sglang
import pytest
from launchpad_sglang.backend import SgLang
from msgspec.structs import replace

from launchpad.plugins import Build, Fit, Machine, Model, Shape, Wish, ignore
from launchpad.testing import BackendContract, PluginContract, simulate

pytestmark = pytest.mark.usefixtures("launchpad_home")

SIMULATED = f"""#!/bin/sh
# A simulated Python with a simulated SGLang: it keeps what it was told, and answers.
if [ "$1" = -I ]; then echo 0.5.9; exit; fi
echo "$@" > "$(dirname "$0")/told"
while [ "$1" != --port ]; do shift; done
exec {sys.executable} -m launchpad.testing.fake_engine --port "$2"
"""
SHAPE = Shape(
    architecture="llama", layers=32, hidden_size=4096, attention_heads=32, kv_heads=8, head_dim_k=128,
    head_dim_v=128, ffn=14336, vocab_size=128256,
)  # fmt: skip
BUILD = Build(ref="hf://a/b", format="safetensors", quantization="BF16", size=16_000_000_000, size_exact=True)
MODEL = Model(
    id="a/b", name="B", lab="A", lab_id="a", parameters=8e9, shape=SHAPE, context=8192, builds=(BUILD,)
)


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "python"
    path.write_text(SIMULATED)
    path.chmod(0o755)
    monkeypatch.setenv("SGLANG_PYTHON", str(path))
    return path


def fit(machine: str, **wish: object) -> Fit | None:
    return SgLang().fit(MODEL, BUILD, simulate(machine), Wish(backend="sglang", **wish))  # type: ignore[arg-type]


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_sglang


class TestBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, tmp_path: Path) -> None:
        self._path = tmp_path / "model"
        self._path.mkdir()

    def backend(self) -> SgLang:
        return SgLang()

    def model_file(self) -> Path:
        return self._path

    def test_it_is_told_the_plan(self) -> None:
        found = fit("4x RTX 3060")
        assert found is not None and found.runs, found
        step = replace(self._start(self._path), fit=found, arguments=SgLang().arguments(found))
        SgLang().launch(step, ignore).stop()
        told = self._path.with_name("told").read_text()
        assert f"-P -m sglang.launch_server --model-path {self._path} --host 127.0.0.1 --port " in told
        assert "--context-length 1024" in told and "--tp-size" in told and "--mem-fraction-static 0." in told


def test_the_python_that_has_it_is_asked_for_its_version(python: Path) -> None:
    status = SgLang().status(Machine(name="here"))
    assert (status.state, status.version, status.place) == ("ready", "0.5.9", str(python))


def test_what_is_computed_is_called_what_it_is() -> None:
    found = fit("RTX 4090")
    assert found is not None and (found.backend, found.verdict) == ("sglang", "fits")
    assert "SGLang itself was not measured" in found.notes[-1]


def test_a_machine_without_a_gpu_is_refused() -> None:
    found = fit("cpu 32GB")
    assert found is not None and found.verdict == "no"
    assert str(found.why).startswith("SGLang needs a GPU")


def test_it_waits_to_be_asked_for() -> None:
    assert SgLang().fit(MODEL, BUILD, simulate("RTX 4090"), Wish()) is None

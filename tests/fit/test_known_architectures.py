"""An architecture that llama.cpp does not know is refused, in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fit_facts import QWEN3_8B, QWEN3_8B_Q4, machine
from launchpad.fit import fit
from launchpad.fit.from_shape import layout_from_model
from launchpad.fit.known_architectures import ASKED_BUILD, KNOWN, refusal
from launchpad.fit.layout import Layout
from launchpad.wish import Wish

BENCH = Path(__file__).parents[2] / "bench" / "fit"


@pytest.mark.parametrize(
    ("architecture", "build", "refused"),
    [
        ("llama", None, False),
        ("foonet", None, True),
        ("foonet", ASKED_BUILD, True),
        ("foonet", ASKED_BUILD + 1, False),
        ("foonet", 0, False),
    ],
)
def test_only_builds_that_were_asked_are_spoken_for(architecture: str, build: int | None, refused: bool):
    assert (refusal(architecture, build) is not None) == refused


def test_a_file_of_an_unknown_architecture_does_not_fit_and_says_what_to_do():
    layout = layout_from_model(QWEN3_8B, QWEN3_8B_Q4)
    assert isinstance(layout, Layout)
    found = fit(QWEN3_8B, QWEN3_8B_Q4, machine(64), Wish(), layout=replace(layout, architecture="foonet"))
    assert (found.verdict, found.runs) == ("no", False)
    assert found.why == f"llama.cpp b{ASKED_BUILD} does not know the architecture 'foonet'"
    assert "--engine" in (found.way_out or "")


def test_another_engine_is_not_spoken_for():
    layout = layout_from_model(QWEN3_8B, QWEN3_8B_Q4)
    assert isinstance(layout, Layout)
    strange = replace(layout, architecture="foonet")
    assert fit(QWEN3_8B, QWEN3_8B_Q4, machine(64), Wish(), layout=strange, backend="ollama").runs


@pytest.fixture
def known_to_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCH))
    import sparse_gguf
    import synthetic

    def ask(name: str) -> bool:
        path = tmp_path / "model.gguf"
        tensor = sparse_gguf.SparseTensor("token_embd.weight", (64, 64), "F16")
        sparse_gguf.write(path, {"general.architecture": name, f"{name}.context_length": 512}, [tensor])
        return "unknown model architecture" not in engine.ask(path, synthetic.CASES[0])

    with synthetic.Engine() as engine:
        yield ask


@pytest.mark.engine
def test_the_list_is_what_the_embedded_engine_knows(known_to_engine: Any):
    assert not known_to_engine("foonet")
    assert [name for name in sorted(KNOWN) if not known_to_engine(name)] == []

"""Which engine runs what several could run, and why."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from factories import build, model
from launchpad.catalog.model import Build
from launchpad.choice.engines import Engine, reason, stands_back

LLAMACPP = Engine(name="llamacpp", formats=("gguf",))
OLLAMA = Engine(name="ollama", formats=("gguf", "ollama"), own_store=True)
IDLE = replace(LLAMACPP, idle_gpu=True)
TAG = Build(ref="ollama://m:8b", format="ollama", quantization="Q4_K_M")
GGUF = model("m", builds=(build("m"), TAG))
ONLY_OLLAMA = model("m", builds=(TAG,))


@pytest.mark.parametrize(
    ("engine", "others", "of", "held", "back"),
    [
        (OLLAMA, [LLAMACPP], GGUF, False, True),
        (OLLAMA, [LLAMACPP], GGUF, True, False),  # its store has the weights
        (OLLAMA, [IDLE], GGUF, False, False),  # the other would leave the GPU idle
        (OLLAMA, [LLAMACPP], ONLY_OLLAMA, False, False),  # nobody else reads it
        (OLLAMA, [], GGUF, False, False),
        (OLLAMA, [replace(OLLAMA, name="other")], GGUF, False, False),
        (LLAMACPP, [OLLAMA], GGUF, False, False),
    ],
)
def test_who_stands_back(engine: Engine, others: list[Engine], of: object, held: bool, back: bool) -> None:
    assert stands_back(engine, others, of, held=held) is back  # type: ignore[arg-type]


def test_reasons_name_the_other_and_the_way_out() -> None:
    said = reason("llamacpp", [LLAMACPP, OLLAMA], build("m"), held=False) or ""
    assert said.startswith("llamacpp rather than ollama: ")
    assert said.endswith("--backend ollama decides otherwise")
    held = reason("ollama", [LLAMACPP, OLLAMA], TAG, held=True) or ""
    assert "its store has the weights" in held
    assert "--backend llamacpp" in held
    idle = reason("ollama", [IDLE, OLLAMA], build("m"), held=False) or ""
    assert "cannot use this machine's GPU" in idle


def test_where_only_one_could_there_is_nothing_to_explain() -> None:
    assert reason("llamacpp", [LLAMACPP], build("m"), held=False) is None
    assert reason("ollama", [OLLAMA], TAG, held=False) is None
    assert reason("other", [LLAMACPP, OLLAMA], build("m"), held=False) is None

"""Which blocks have a window or a state."""

from __future__ import annotations

import pytest

from fit_facts import layouts
from launchpad.fit.architectures import window_blocks


@pytest.mark.parametrize(
    ("architecture", "blocks", "pattern", "full"),
    [
        ("gemma3", 12, None, [5, 11]),
        ("gemma2", 4, None, [1, 3]),
        ("gpt-oss", 4, None, [1, 3]),
        ("gemma3n", 10, None, [4, 9]),
        ("olmo2", 8, None, [3, 7]),
        ("laguna", 8, None, [0, 4]),
        ("cohere2moe", 8, None, [0, 4]),
        ("exaone4", 64, None, list(range(3, 64, 4))),
        ("exaone4", 30, None, list(range(30))),
        ("phi3", 4, None, [0, 1, 2, 3]),
        ("gemma4", 4, [True, True, False, True], [2]),
        ("unheard-of", 6, 3, [2, 5]),
    ],
)
def test_windows(architecture: str, blocks: int, pattern: object, full: list[int]) -> None:
    windowed = window_blocks(architecture, blocks, pattern)
    assert windowed is not None
    assert [block for block in range(blocks) if not windowed[block]] == full


def test_an_unheard_of_architecture_is_unknown() -> None:
    assert window_blocks("unheard-of", 4) is None


@pytest.mark.parametrize(
    ("model", "attending", "recurrent"),
    [
        ("qwen3.5-9b", 8, 24),
        ("granite-4.0-h-tiny", 4, 36),
        ("lfm2-8b-a1b", 6, 18),
        ("falcon-h1-7b", 44, 44),
        ("llama-3.1-8b", 32, 0),
    ],
)
def test_hybrids(model: str, attending: int, recurrent: int) -> None:
    layout = layouts()[model]
    kinds = [layout.kinds[block] for block in layout.blocks]
    assert sum(kind.attends for kind in kinds) == attending
    assert sum(kind.recurrent for kind in kinds) == recurrent

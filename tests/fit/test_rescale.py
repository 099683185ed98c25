"""Sister quantizations of a file that was read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gguf_bytes import gguf
from launchpad.fit import Layout, layout_from_gguf
from launchpad.fit.rescale import rescaled
from launchpad.fit.weights import BITS_PER_WEIGHT
from launchpad.gguf import read_header

SMALL = layout_from_gguf(read_header(gguf()))


@given(st.sampled_from([*BITS_PER_WEIGHT, "XYZ"]), st.integers(0, 1 << 42))
def test_the_weights_are_the_size_that_was_given(quantization: str, size: int) -> None:
    found = rescaled(SMALL, quantization, size)
    fixed = found.token_embd + found.output + found.per_layer_embd
    assert found.weights == max(size, fixed)
    assert found.weights_basis == "formula"
    assert min((*found.block_weights, *found.block_experts, found.output)) >= 0


def test_what_does_not_depend_on_the_weights_stays() -> None:
    found = rescaled(SMALL, "Q8_0", 10 * SMALL.weights)
    for name in ("kinds", "blocks", "hidden", "vocab", "heads", "tied", "window", "experts"):
        assert getattr(found, name) == getattr(SMALL, name)
    assert found.quantization == "Q8_0"
    assert isinstance(found, Layout)

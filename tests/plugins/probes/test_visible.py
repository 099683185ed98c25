from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.visible import visible

CARDS = [("a", "GPU-11aa"), ("b", "GPU-22bb"), ("c", "MIG-33cc")]


@pytest.mark.parametrize(
    ("allowed", "kept"),
    [
        (None, "abc"),
        ("", ""),
        ("-1", ""),
        ("0", "a"),
        ("2,0", "ac"),
        ("1, 9, 0", "b"),
        ("GPU-22", "b"),
        ("gpu-22BB,MIG-33cc", "bc"),
        ("GPU-", ""),
        ("NoDevFiles", ""),
    ],
)
def test_visible(allowed: str | None, kept: str):
    found, hidden = visible(CARDS, allowed)
    assert "".join(found) == kept
    assert hidden == 3 - len(kept)


@given(st.text())
def test_no_text_breaks_it(allowed: str):
    found, hidden = visible(CARDS, allowed)
    assert len(found) + hidden == len(CARDS)

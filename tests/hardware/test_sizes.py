from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.hardware.sizes import memory_bytes, shown


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GB", 24 * 2**30),
        ("24 GiB", 24 * 2**30),
        ("1.5t", 3 * 2**39),
        ("512MB", 2**29),
        ("7", 7),
        ("", None),
        ("GB", None),
        ("24 GBB", None),
        ("-1GB", None),
    ],
)
def test_memory_bytes(text: str, size: int | None):
    assert memory_bytes(text) == size


def test_shown():
    assert shown(24 * 2**30) == "24GB"


@given(st.text())
def test_no_text_breaks_them(text: str):
    memory_bytes(text)


@given(st.integers(1, 4096))
def test_what_is_shown_can_be_read(gib: int):
    assert memory_bytes(shown(gib * 2**30)) == gib * 2**30

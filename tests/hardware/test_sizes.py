from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.hardware.sizes import decimal_bytes, memory_bytes, rate, shown


@pytest.mark.parametrize(
    ("text", "memory", "decimal"),
    [
        ("24GB", 24 * 2**30, 24 * 10**9),
        ("24 GiB", 24 * 2**30, 24 * 2**30),
        ("1.5t", 3 * 2**39, 15 * 10**11),
        ("512MB", 2**29, 512 * 10**6),
        ("7", 7, 7),
        ("", None, None),
        ("GB", None, None),
        ("24 GBB", None, None),
        ("-1GB", None, None),
    ],
)
def test_sizes(text: str, memory: int | None, decimal: int | None):
    assert memory_bytes(text) == memory
    assert decimal_bytes(text) == decimal


@pytest.mark.parametrize(
    ("text", "value"), [("51.2GB/s", 51.2e9), ("12MB", 12e6), ("5GB/h", None), ("x/s", None)]
)
def test_rate(text: str, value: float | None):
    assert rate(text) == value


def test_shown():
    assert shown(24 * 2**30) == "24GB"


@given(st.text())
def test_no_text_breaks_them(text: str):
    memory_bytes(text)
    rate(text)


@given(st.integers(1, 4096))
def test_what_is_shown_can_be_read(gib: int):
    assert memory_bytes(shown(gib * 2**30)) == gib * 2**30

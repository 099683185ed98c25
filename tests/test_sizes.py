"""Sizes survive the way from people to bytes and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import UsageError
from launchpad.sizes import format_size, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ("1GB", 1_000_000_000),
        ("24GiB", 24 * 1024**3),
        ("24gib", 24 * 1024**3),
        ("1.5 GB", 1_500_000_000),
        (" .5 MiB ", 524_288),
        ("24G", 24_000_000_000),
        ("3 kB", 3000),
        ("7 bytes", 7),
        ("9007199254740993", 9_007_199_254_740_993),  # not representable as a float
    ],
)
def test_sizes_that_people_write(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "1 XB", "1e9", "nan", "inf", "1,5GB", "1iB", "1GB/s", "١GB", "9" * 400, "20EB"]
)
def test_what_is_not_a_size_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["10MB/s", "10 MB / s", "10MB", "10MB/sec"])
def test_rates(text: str) -> None:
    assert parse_rate(text) == 10_000_000


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (98_362_432, "98.4 MB"),
        (999_999, "1.00 MB"),
        (1_500_000_000, "1.50 GB"),
        (-1_500_000_000, "-1.50 GB"),
        (10**30, "1000000000000 EB"),
    ],
)
def test_decimal(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(1023, "1023 B"), (1024, "1.00 KiB"), (24 * 1024**3, "24.0 GiB"), (1_048_575, "1.00 MiB")],
)
def test_binary(size: int, text: str) -> None:
    assert format_size(size, binary=True) == text


@given(st.integers(0, 10**18), st.booleans())
def test_what_is_shown_reads_back_as_nearly_the_same(size: int, binary: bool) -> None:
    assert parse_size(format_size(size, binary=binary)) == pytest.approx(size, rel=0.006, abs=0.5)

"""What a setting takes, in words."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from launchpad.config.words import what_it_takes


@pytest.mark.parametrize(
    ("type_", "message", "told"),
    [
        (int, "Expected int | null, got str", "It takes a whole number."),
        (float, "Expected int | float, got array", "It takes a whole number or a number."),
        (Literal["a", "b"], "Invalid enum value 'x'", "It takes one of a, b."),
        (int, "Expected int >= 1", "Expected int >= 1"),
        (str, "Expected strange, got str", "Expected strange, got str"),
    ],
)
def test_refusals_in_words(type_: Any, message: str, told: str) -> None:
    assert what_it_takes(type_, message) == told

from __future__ import annotations

from typing import Any

import pytest

from launchpad.hardware import values


def test_what_is_understood():
    assert values.text("A") == "A"
    assert values.one_of("a", "b")("b") == "b"
    assert values.texts(values.text)(["a", "b"]) == ("a", "b")
    assert values.whole(3) == values.count(3) == values.number(3) == 3
    assert values.flag(False) is False
    assert values.memory("1GB") == values.memory(2**30) == values.disk("1GiB") == 2**30
    assert values.disk("1GB") == 10**9
    assert values.rate("1GB/s") == values.rate(10**9) == 1e9


WRONG: list[tuple[Any, Any]] = [
    (values.text, ""),
    (values.text, 5),
    (values.text, "a\x1b"),
    (values.one_of("a"), "b"),
    (values.texts(values.text), "a"),
    (values.whole, True),
    (values.whole, 0),
    (values.count, 65),
    (values.number, float("nan")),
    (values.number, "1"),
    (values.flag, 1),
    (values.memory, "x"),
    (values.memory, -1),
    (values.memory, 1.5),
    (values.disk, "x"),
    (values.rate, "5GB/h"),
    (values.rate, 0),
    (values.rate, True),
]


@pytest.mark.parametrize(("reader", "value"), WRONG)
def test_what_is_not(reader: Any, value: Any):
    with pytest.raises(ValueError, match=r"\w"):
        reader(value)

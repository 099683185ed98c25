"""Order by numbers first; what decides between equals is asked only for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from launchpad.choice.ordering import in_order


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_the_order_is_that_of_the_pairs(pairs: list[tuple[int, int]]) -> None:
    keys = [float(key) for key, _ in pairs]
    found = [pairs[i] for i in in_order(keys, lambda i: pairs[i][1])]
    assert found == sorted(pairs)


def test_who_stops_early_pays_for_what_was_read() -> None:
    asked: list[int] = []

    def tie(index: int) -> int:
        asked.append(index)
        return -index

    order = in_order([2.0, 1.0, 2.0, 1.0, 0.0], tie)
    assert [next(order), next(order), next(order)] == [4, 3, 1]
    assert sorted(asked) == [1, 3]

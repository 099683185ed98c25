from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from launchpad.pull.extents import ENDLESS, Gaps

SIZE = 60
steps = st.lists(st.tuples(st.booleans(), st.integers(0, SIZE), st.integers(0, SIZE)), max_size=30)


@given(steps)
def test_gaps_are_what_a_list_of_bytes_would_say(steps: list[tuple[bool, int, int]]) -> None:
    gaps, here = Gaps(SIZE), [False] * SIZE
    for fill, one, other in steps:
        start, stop = sorted((one, other))
        if start == stop:
            continue
        (gaps.fill if fill else gaps.dig)(start, stop)
        here[start:stop] = [fill] * (stop - start)
    missing = {index for start, stop in gaps for index in range(start, stop)}
    assert missing == {index for index, there in enumerate(here) if not there}
    assert gaps.have == sum(here)
    assert gaps.first == (here.index(False) if False in here else SIZE)
    listed = list(gaps)
    assert listed == sorted(listed) and all(stop < begin for (_, stop), (begin, _) in pairwise(listed))
    for offset in range(SIZE):
        end = next((index for index in range(offset, SIZE) if not here[index]), SIZE)
        assert gaps.here_until(offset) == end


def test_a_file_of_unknown_size_has_no_end() -> None:
    gaps = Gaps(None)
    gaps.fill(0, 10)
    assert gaps.have == 10 and list(gaps) == [(10, ENDLESS)]


def test_an_empty_file_misses_nothing() -> None:
    assert list(Gaps(0)) == []

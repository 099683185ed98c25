"""How fast pulls were."""

from __future__ import annotations

import pytest

from launchpad.events import Notice, PullFinished
from launchpad.paths import cache_dir
from launchpad.pull.download_rate import remember, remembered_rate


def finished(size: int, seconds: float) -> PullFinished:
    return PullFinished(ref="hf://o/m:Q4_0", path="/m", size=size, seconds=seconds)


def test_nothing_is_known_before_the_first_pull():
    assert remembered_rate() is None


def test_the_newest_pull_counts_most():
    remember(finished(100_000_000, 1.0))
    assert remembered_rate() == 100e6
    remember(finished(300_000_000, 1.0))
    assert remembered_rate() == 200e6


def test_small_and_instant_pulls_say_nothing():
    remember(finished(1000, 0.001))
    remember(finished(100_000_000, 0.0))
    remember(Notice(message="x"))
    assert remembered_rate() is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"rate": -1}', b'{"rate": "x"}', b"\xff", b'{"rate": 1e300}']
)
def test_a_damaged_memory_is_no_memory(content):
    path = cache_dir() / "download-rate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert remembered_rate() is None

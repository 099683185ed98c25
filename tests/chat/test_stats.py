"""The one line of figures."""

from __future__ import annotations

import pytest

from launchpad.chat.delta import Timings, Usage
from launchpad.chat.stats import AnswerStats, decode_speed, stats_line

USAGE = Usage(prompt=90, completion=11)


@pytest.mark.parametrize(
    ("stats", "line"),
    [
        (AnswerStats(finish_reason="stop", seconds=1), ""),
        (AnswerStats(finish_reason="stop", seconds=1, usage=USAGE), "11 tokens"),
        (AnswerStats(finish_reason="stop", seconds=1, usage=Usage(prompt=1, completion=1)), "1 token"),
        (
            AnswerStats(finish_reason="length", seconds=1, usage=USAGE, decode_speed=12.345, context=4096),
            "11 tokens, 12.3 tok/s, context 101/4,096, cut off by the limit of tokens",
        ),
        (AnswerStats(finish_reason="repetition", seconds=1), "stopped, it repeats itself"),
        (AnswerStats(finish_reason="content_filter", seconds=1), "content_filter"),
        (AnswerStats(finish_reason="stop", seconds=1, decode_speed=1234.6), "1235 tok/s"),
        (AnswerStats(finish_reason="stop", seconds=1, decode_speed=0.456), "0.46 tok/s"),
    ],
)
def test_the_line(stats: AnswerStats, line: str) -> None:
    assert stats_line(stats) == line


@pytest.mark.parametrize(
    ("timings", "usage", "seconds", "speed"),
    [
        (Timings(decode_speed=7.0), USAGE, 1.0, 7.0),
        (Timings(), USAGE, 2.0, 5.0),
        (None, USAGE, 2.0, 5.0),
        (None, None, 2.0, None),
        (None, USAGE, 0.0, None),
        (None, Usage(prompt=1, completion=1), 1.0, None),
    ],
)
def test_the_engines_own_speed_comes_first(
    timings: Timings | None, usage: Usage | None, seconds: float, speed: float | None
) -> None:
    assert decode_speed(timings, usage, seconds) == speed

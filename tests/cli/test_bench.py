"""`bench` with the real engine: measured beside predicted, kept, and used by the next prediction."""

from __future__ import annotations

import pytest


@pytest.mark.engine
def test_bench_measures_and_the_next_fit_knows(launchpad, smollm2):
    wishes = ("--context", "1024", "--offline")
    ran = launchpad("bench", str(smollm2), *wishes, "--repeat", "1", "--json")
    assert ran.code == 0, ran.err
    record = ran.document
    (point,) = record["points"]
    assert point["depth"] == 0
    assert point["decode_median"] > 1
    assert point["prefill_median"] > 1
    assert point["decode_predicted"]["basis"] == "formula"
    assert record["memory"]["agrees"]
    # What is resident of the real process, and the sum.
    assert record["predicted_memory"] == pytest.approx(record["engine"]["process_memory"], rel=0.10)
    (after,) = launchpad("fit", str(smollm2), "--context", "1024", "--json").document["fits"]
    decode = after["fit"]["speed"]["decode"]
    if record["busy"]:  # the machine under the tests was: nothing was learned
        assert decode["basis"] == "formula"
        return
    assert decode["basis"] == "measured"
    assert (
        decode["low"] < point["decode_median"] < decode["high"] * 1.2
    )  # the test is at depth 64, the fit at 512
    assert after["fit"]["speed"]["load"] > 0


@pytest.mark.engine  # for the model: the engine is not started
def test_a_context_without_room_is_refused_before_anything_starts(launchpad, smollm2):
    ran = launchpad("bench", str(smollm2), "--context", "512", "--offline")
    assert ran.code == 2
    assert "no room" in ran.err

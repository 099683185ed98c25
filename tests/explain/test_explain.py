"""The whole explanation."""

from __future__ import annotations

from msgspec.structs import replace

from fit_facts import GIB, LLAMA_70B, LLAMA_70B_Q4, QWEN3_8B, QWEN3_8B_Q4, build_of, machine, nvidia
from launchpad.explain.explain import explain
from launchpad.wish import Wish

Q8 = build_of("qwen3-8b", 8_700_000_000, "Q8_0")


def test_a_fit_is_told_what_is_next(subject) -> None:
    found = explain(subject(QWEN3_8B, QWEN3_8B_Q4, machine(8), others=[Q8]), reason="you asked for it")
    assert found.remedies is None
    context, build = found.next_up
    assert context.kind == "context"
    assert context.lacks > 0
    assert (build.text, build.saves) == ("build Q8_0", QWEN3_8B_Q4.size - Q8.size)
    assert not build.reaches
    assert build.lacks > 0


def test_a_larger_build_that_fits_says_how(subject) -> None:
    found = explain(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(80)), others=[Q8]), reason="")
    (build,) = found.next_up  # the longest context fits
    assert build.reaches
    assert build.fit.placement.kind == "gpu"


def test_a_larger_file_that_loses_more_is_not_the_next_one(subject) -> None:
    worse = build_of("qwen3-8b", QWEN3_8B_Q4.size + 1, "Q2_K_L")
    one = subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(80)), others=[worse, Q8])
    (build,) = explain(replace(one, losses=one.losses | {worse: 0.2}), reason="").next_up
    assert build.text == "build Q8_0"


def test_a_misfit_gets_remedies_instead(subject) -> None:
    found = explain(subject(LLAMA_70B, LLAMA_70B_Q4, machine(16)), reason="")
    assert found.next_up == ()
    assert found.token == ()
    assert found.remedies.goal == "run"
    assert found.ladder


def test_what_is_explained_is_carried_along(subject) -> None:
    one = subject(QWEN3_8B, QWEN3_8B_Q4, machine(16), Wish(context=8192))
    found = explain(one, reason="because")
    assert (found.fit, found.build, found.reason) == (one.fit, QWEN3_8B_Q4, "because")
    assert found.model.builds == ()
    assert found.quantization_loss == 0.01
    assert sum(term.bytes for term in found.fit.devices[0].terms) == found.fit.total < 16 * GIB


def test_the_next_context_may_run_elsewhere(subject) -> None:
    found = explain(subject(QWEN3_8B, QWEN3_8B_Q4, machine(64, nvidia(12)), Wish(kv_type="f16")), reason="")
    (context,) = found.next_up
    assert context.kind == "context"
    assert context.reaches
    assert context.fit.placement.kind == "partial"

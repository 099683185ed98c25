"""The rule of choice: pure, so every case is data in, data out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factories import UNREACHABLE, candidate, local
from launchpad.choice.choose import Availability, choose
from launchpad.wish import Wish

WISH = Wish()


def test_best_quality_that_runs_wins():
    choice = choose([candidate("low", 30), candidate("high", 60), candidate("mid", 50)], WISH)
    assert choice.pick is not None
    assert choice.pick.model.id == "high"
    assert choice.losses == ()
    assert choice.considered == 3


def test_a_better_model_that_does_not_fit_is_named_with_its_reason():
    big = candidate("big", 90, verdict="no", why="needs 80 GiB, 16 GiB free")
    choice = choose([candidate("small", 30), big], WISH)
    assert choice.pick is not None
    assert choice.pick.model.id == "small"
    assert [(x.model_id, x.reason) for x in choice.losses] == [("big", "needs 80 GiB, 16 GiB free")]
    assert choice.better is not None
    assert choice.better.reason == "needs 80 GiB, 16 GiB free"


def test_too_slow_loses_and_says_how_slow():
    choice = choose([candidate("quick", 30, speed=30.0), candidate("slow", 80, speed=1.0)], WISH)
    assert choice.pick is not None
    assert choice.pick.model.id == "quick"
    assert choice.losses[0].reason == "about 1 tokens/s here, below 5"


def test_figures_are_written_as_people_write_them():
    fast = [candidate("quick", 30, speed=260.0), candidate("slow", 80, speed=149.9)]
    losses = choose(fast, Wish(min_speed=150.0)).losses
    assert losses[0].reason == "about 149.9 tokens/s here, below 150"
    price = choose([candidate("slow", 61, speed=5.5), candidate("quick", 58, speed=400.0)], WISH)
    assert price.losses[0].reason == "3.0 points more, but about 5.5 tokens/s instead of 400"
    small = choose([candidate("m", 60, size=9 << 30)], Wish(max_download=4))
    assert small.losses[0].reason == "a download of 9.7 GB is above the limit of 4 bytes"


def test_least_speed_of_the_wish_overrides_the_default():
    choice = choose([candidate("slow", 80, speed=1.0)], Wish(min_speed=0.5))
    assert choice.pick is not None


def test_what_cannot_be_had_is_not_picked_but_told():
    ideal = candidate("ideal", 80, availability=UNREACHABLE)
    choice = choose(
        [ideal, candidate("here", 20, availability=Availability(obtainable=True, local=local("here")))], WISH
    )
    assert choice.pick is not None
    assert choice.pick.model.id == "here"
    assert choice.unobtainable is not None
    assert choice.unobtainable.model.id == "ideal"
    assert choice.unobtainable.reason == "the Hub does not answer"
    assert choice.pick.reason == "the best chat quality that can be had from here"


def test_a_worse_model_that_cannot_be_had_is_not_mentioned():
    choice = choose([candidate("here", 80), candidate("away", 20, availability=UNREACHABLE)], WISH)
    assert choice.unobtainable is None


def test_thin_evidence_does_not_win_by_luck():
    choice = choose([candidate("sure", 50, spread=1.0), candidate("lucky", 53, spread=8.0)], WISH)
    assert choice.pick is not None
    assert choice.pick.model.id == "sure"


def test_rated_before_unrated_and_unrated_before_nothing():
    both = choose([candidate("unrated", None), candidate("rated", 1)], WISH)
    assert both.pick is not None
    assert both.pick.model.id == "rated"
    alone = choose([candidate("unrated", None)], WISH)
    assert alone.pick is not None
    assert "no benchmark" in alone.pick.reason


def test_the_best_build_of_a_model_stands_for_it():
    q8 = candidate("m", 50, quantization="Q8_0", size=9 << 30, loss=0.002)
    q4 = candidate("m", 50, quantization="Q4_K_M", loss=0.02)
    q2 = candidate("m", 50, quantization="Q2_K", size=2 << 30, loss=0.2)
    choice = choose([q4, q8, q2], WISH)
    assert choice.pick is not None
    assert choice.pick.build.quantization == "Q8_0"
    assert choice.considered == 1


def test_a_build_that_is_here_wins_over_a_better_one_of_the_same_model_that_cannot_be_had():
    away = candidate("m", 50, quantization="Q8_0", availability=UNREACHABLE)
    here = candidate("m", 50, loss=0.04, availability=Availability(obtainable=True, local=local("m")))
    choice = choose([away, here], WISH)
    assert choice.pick is not None
    assert choice.pick.availability.local is not None


def test_an_unmeasured_quantization_makes_a_build_unrated():
    odd, known = candidate("m", 50, loss=None), candidate("m", 50, quantization="Q4_0", loss=0.1)
    choice = choose([odd, known], WISH)
    assert choice.pick is not None
    assert choice.pick.build.quantization == "Q4_0"
    alone = choose([odd], WISH)
    assert alone.pick is not None
    assert alone.pick.score is None


def test_on_a_slow_machine_the_value_without_thinking_ranks():
    thinker = candidate("thinker", 60, quality_fast=30, thinking="switchable", speed=8.0)
    plain = candidate("plain", 40, speed=8.0)
    slow = choose([thinker, plain], WISH)
    assert slow.pick is not None
    assert slow.pick.model.id == "plain"
    quick = choose(
        [candidate("thinker", 60, quality_fast=30, thinking="switchable", speed=80.0), plain], WISH
    )
    assert quick.pick is not None
    assert quick.pick.model.id == "thinker"
    assert quick.pick.thinking


def test_require_gpu_rules_out_the_cpu():
    choice = choose([candidate("m", 50, kind="cpu")], Wish(require_gpu=True))
    assert choice.pick is None
    gpu = choose([candidate("m", 50, kind="gpu")], Wish(require_gpu=True))
    assert gpu.pick is not None


def test_largest_download_spares_what_is_here():
    wish = Wish(max_download=1000)
    assert choose([candidate("m", 50, size=2000)], wish).pick is None
    here = Availability(obtainable=True, local=local("m"))
    assert choose([candidate("m", 50, size=2000, availability=here)], wish).pick is not None


def test_a_faster_alternative_is_the_best_of_the_clearly_faster():
    fast = [
        candidate("pick", 60, speed=10.0),
        candidate("bit", 55, speed=12.0),
        candidate("much", 40, speed=30.0),
    ]
    choice = choose([*fast, candidate("worse", 20, speed=90.0)], WISH)
    assert choice.faster is not None
    assert choice.faster.model.id == "much"
    assert choice.faster.reason == "about 3.0 times as fast"


def test_without_a_pick_every_model_says_why_rated_or_not():
    choice = choose(
        [candidate("unrated", None, kind="cpu"), candidate("rated", 5, kind="cpu")], Wish(require_gpu=True)
    )
    assert choice.pick is None
    assert [loss.model_id for loss in choice.losses] == ["rated", "unrated"]
    assert all("GPU" in loss.reason for loss in choice.losses)


def test_nothing_at_all():
    choice = choose([], WISH)
    assert choice.pick is None
    assert choice.considered == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.one_of(st.none(), st.floats(0, 100)),
            st.floats(0.1, 200),
            st.sampled_from(["fits", "no", "tight"]),
            st.booleans(),
        ),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_order_of_candidates_never_matters_and_the_pick_always_runs(rows, random):
    candidates = [
        candidate(
            n, q, speed=s, verdict=v, why="no room", availability=None if ok else UNREACHABLE, size=1000 + i
        )
        for i, (n, q, s, v, ok) in enumerate(rows)
    ]
    choice = choose(candidates, WISH)
    shuffled = list(candidates)
    random.shuffle(shuffled)
    again = choose(shuffled, WISH)
    assert (choice.pick and choice.pick.build.ref) == (again.pick and again.pick.build.ref)
    if choice.pick:
        assert choice.pick.fit.runs
        assert choice.pick.availability.obtainable
        assert all(loss.score is not None for loss in choice.losses)
    else:
        assert not any(
            c.fit.runs and c.availability.obtainable and (c.fit.speed.decode.value >= 5) for c in candidates
        )


def published(name: str, publisher: str, quantization: str = "Q4_K_M", size: int = 4 << 30):
    from msgspec.structs import replace

    one = candidate(name, 50, quantization=quantization, size=size)
    return replace(one, build=replace(one.build, ref=f"hf://{publisher}/{name}-GGUF:{quantization}"))


def test_of_equal_builds_the_smaller_is_taken():
    q8 = candidate("m", 50, quantization="Q8_0", size=8 << 30, loss=0.0)
    q6 = candidate("m", 50, quantization="Q6_K", size=6 << 30, loss=0.002)
    q4 = candidate("m", 50, quantization="Q4_K_M", size=4 << 30, loss=0.02)
    pick = choose([q8, q6, q4], WISH).pick
    assert pick is not None
    assert pick.build.quantization == "Q6_K"


def test_a_larger_build_is_worth_its_download_where_another_engine_is_much_faster_with_it():
    here = candidate("m", size=4 << 30, speed=30.0)
    there = candidate("m", quantization="FP8", size=8 << 30, speed=60.0, backend="vllm")
    little = candidate("m", quantization="FP8", size=8 << 30, speed=40.0, backend="vllm")
    assert choose([here, there], WISH).pick.fit.backend == "vllm"
    assert choose([here, little], WISH).pick.fit.backend == "llamacpp"


def test_of_the_same_build_a_well_known_publisher_is_taken():
    unknown, known = published("m", "somebody", size=(4 << 30) - 1000), published("m", "bartowski")
    for order in ([unknown, known], [known, unknown]):
        pick = choose(order, WISH).pick
        assert pick is not None
        assert "bartowski" in pick.build.ref


def test_the_lab_itself_before_any_converter():
    from msgspec.structs import replace

    own = published("m", "some-lab")
    own = replace(own, build=replace(own.build, official=True))
    pick = choose([published("m", "unsloth"), own], WISH).pick
    assert pick is not None
    assert pick.build.official


def test_a_build_that_is_here_is_kept_for_a_point():
    here = candidate("m", 50, loss=0.02, availability=Availability(obtainable=True, local=local("m")))
    away = candidate("m", 50, quantization="Q8_0", size=8 << 30)
    pick = choose([here, away], WISH).pick
    assert pick is not None
    assert pick.availability.local is not None


def test_a_little_better_and_much_slower_loses_with_the_price_as_reason():
    choice = choose([candidate("slow", 61, speed=5.5), candidate("quick", 58, speed=40.0)], WISH)
    assert choice.pick is not None
    assert choice.pick.model.id == "quick"
    assert choice.pick.reason == "the best balance of chat quality and speed here"
    assert choice.losses[0].reason == "3.0 points more, but about 5.5 tokens/s instead of 40"


def test_the_better_one_is_the_nearest_step_and_not_the_largest_model():
    huge = candidate("huge", 90, verdict="no", why="needs 800 GiB", memory=800 << 30)
    near = candidate("near", 60, verdict="no", why="needs 20 GiB", memory=20 << 30)
    alike = candidate("alike", 50.5, verdict="no", why="needs 17 GiB", memory=17 << 30)
    choice = choose([candidate("pick", 50), huge, near, alike], WISH)
    assert choice.better is not None
    assert choice.better.model.id == "near"
    assert [loss.model_id for loss in choice.losses] == ["huge", "near", "alike"]


def test_what_runs_too_slowly_is_nearer_than_what_does_not_fit():
    slow = candidate("slow", 60, speed=3.0)
    near = candidate("near", 60, verdict="no", why="needs 20 GiB")
    choice = choose([candidate("pick", 50), slow, near], WISH)
    assert choice.better is not None
    assert choice.better.model.id == "slow"

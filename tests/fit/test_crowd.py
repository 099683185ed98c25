"""How many people a plan serves."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Build, Model
from launchpad.fit.crowd import Asked, Crowd, crowd
from launchpad.fit.result import Band, Fit
from launchpad.fit.vllm import vllm_fit
from launchpad.hardware.machine import Machine
from launchpad.hardware.simulate import simulate
from launchpad.wish import Wish

MODELS = {model.id: model for model in load_packaged()[1]}
GIB = 1 << 30


def build_of(model: Model, quantization: str) -> Build:
    return next(
        one for one in model.builds if one.format == "safetensors" and quantization in one.quantization
    )


def fitted(name: str, on: str, quantization: str = "FP8") -> tuple[Model, Build, Fit, Machine]:
    model, machine = MODELS[name], simulate(on)
    build = build_of(model, quantization)
    return model, build, vllm_fit(model, build, machine, Wish(backend="vllm")), machine


def needs(name: str, on: str, people: int, **asked: float) -> Crowd:
    return crowd(Asked(people=people, **asked), *fitted(name, on))  # type: ignore[arg-type]


def test_slots_are_the_cache_over_what_a_conversation_holds() -> None:
    _, _, fit, _ = fitted("qwen3-8b", "L40S")
    found = needs("qwen3-8b", "L40S", 1000)
    each = 2 * 36 * 8 * 128 * 2 * 8192  # layers, KV heads, their size, two bytes: 1.125 GiB
    assert found.slots == fit.devices[0].term("kv_cache") // each
    assert found.in_flight == 100
    assert found.replicas == -(-100 // found.slots)
    assert found.limit == "memory"


def test_one_alone_is_as_fast_as_the_plan_says() -> None:
    for name, on in (("qwen3-8b", "L40S"), ("glm-5.2", "2 nodes of 8x H100 80GB + 2TB")):
        model, build, fit, machine = fitted(name, on)
        alone = crowd(Asked(people=1, each=2048), model, build, fit, machine).alone
        assert alone is not None
        assert fit.speed.decode is not None
        assert alone.value == pytest.approx(fit.speed.decode.value, rel=0.1)


def test_more_people_need_no_fewer_and_get_no_faster() -> None:
    before = needs("qwen3-8b", "L40S", 1)
    for people in (10, 50, 200, 1000, 5000):
        found = needs("qwen3-8b", "L40S", people)
        assert (found.replicas or 0) >= (before.replicas or 0)
        assert (found.gpus or 0) == (found.replicas or 0) * found.gpus_each
        before = found
    many, few = needs("qwen3-8b", "L40S", 300, each=1024.0), needs("qwen3-8b", "L40S", 10, each=1024.0)
    assert many.speed is not None
    assert few.speed is not None
    assert many.speed.value < few.speed.value


def test_a_higher_speed_needs_more_replicas_and_too_high_a_one_none() -> None:
    usual = needs("qwen3-8b", "L40S", 1000)
    quick = needs("qwen3-8b", "L40S", 1000, least_speed=50.0)
    assert (quick.replicas or 0) > (usual.replicas or 0)
    assert quick.limit == "speed"
    assert quick.speed is not None
    assert quick.speed.value >= 50
    fewer = crowd(Asked(people=1000, least_speed=50.0), *fitted("qwen3-8b", "L40S"))
    assert fewer.replicas == quick.replicas  # the fewest: one less would be too slow
    never = needs("qwen3-8b", "L40S", 1000, least_speed=5000.0)
    assert (never.replicas, never.enough) == (None, False)
    assert "even alone" in never.limit


def test_experts_of_many_tokens_are_nearly_all_of_them() -> None:
    model, build, fit, machine = fitted("glm-5.2", "2 nodes of 8x H100 80GB + 2TB")
    alone = crowd(Asked(people=1, active=1.0, each=1024), model, build, fit, machine).speed
    many = crowd(Asked(people=64, active=1.0, each=1024), model, build, fit, machine).speed
    assert alone is not None
    assert many is not None
    assert many.value < alone.value / 3  # a dense model would hardly be slower


@pytest.mark.parametrize(
    ("name", "on", "here"),
    [
        ("qwen3-8b", "L40S", 1),
        ("qwen3-8b", "8x L40S + 512GB", 8),
        ("qwen3-8b", "3 nodes of 2x L40S + 128GB", 6),
        ("glm-5.2", "2 nodes of 8x H100 80GB + 2TB", 1),
        ("glm-5.2", "5 nodes of 8x H100 80GB + 2TB", 2),
    ],
)
def test_replicas_that_the_machine_holds(name: str, on: str, here: int) -> None:
    assert needs(name, on, 1).here == here


def test_what_is_assumed_and_what_was_asked_for_is_told() -> None:
    assumed = " ".join(needs("qwen3-8b", "L40S", 10).assumptions)
    for flag in ("--active", "--each", "--min-speed"):
        assert f"(assumed; {flag})" in assumed
    asked = needs("qwen3-8b", "L40S", 10, active=0.5, each=1000.0, least_speed=5.0)
    assert asked.in_flight == 5
    assert "assumed" not in " ".join(asked.assumptions[:3])


def test_other_engines_lie_between_all_and_a_part() -> None:
    model, build, fit, machine = fitted("qwen3-8b", "L40S")
    one = Band(low=80, value=100, high=120)
    shared = replace(fit, backend="llamacpp", speed=replace(fit.speed, decode=one))
    found = crowd(Asked(people=4, active=1.0), model, build, shared, machine)
    assert found.slots == fit.settings.context // 8192 == 4
    assert found.speed == Band(low=20, value=50, high=120)
    assert "not known" in found.assumptions[-1]


def test_what_is_not_known_stays_unknown() -> None:
    model, build, fit, machine = fitted("qwen3-8b", "L40S")
    bare = replace(machine, accelerators=tuple(replace(c, bandwidth=None) for c in machine.accelerators))
    found = crowd(Asked(people=100), model, build, fit, bare)
    assert found.alone is None
    assert found.replicas is not None  # by memory alone
    assert found.limit == "memory: the speed is not known"


def test_copies_hold_and_share_out_as_replicas_do() -> None:
    model, build, one, machine = fitted("qwen3-8b", "4x RTX 4090")
    four = vllm_fit(model, build, machine, Wish(), gpus=4)
    assert four.placement.data_parallel == 4
    asked = Asked(people=40)
    alone, copies = (crowd(asked, model, build, fit, machine) for fit in (one, four))
    assert (alone.gpus_each, copies.gpus_each) == (1, 4)
    assert copies.slots == 4 * (alone.slots or 0)
    assert (alone.here, copies.here) == (4, 1)
    assert copies.alone == alone.alone

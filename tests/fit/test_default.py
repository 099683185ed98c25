"""The whole fit: verdict, placement, settings and the sentence that explains a refusal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fit_facts import (
    GIB,
    GPT_OSS_120B,
    GPT_OSS_120B_MXFP4,
    LLAMA_70B,
    LLAMA_70B_Q4,
    QWEN3_8B,
    QWEN3_8B_Q4,
    apple,
    build_of,
    layouts,
    machine,
    model_of,
    nvidia,
)
from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Shape
from launchpad.errors import UsageError
from launchpad.fit import fit
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine, Memory
from launchpad.wish import Wish


def small(on: Machine, wish: Wish = Wish(), **more: object) -> Fit:  # noqa: B008
    return fit(QWEN3_8B, QWEN3_8B_Q4, on, wish, **more)  # type: ignore[arg-type]


def test_a_large_card_takes_everything() -> None:
    found = small(machine(32, nvidia(24)))
    assert found.verdict == "fits"
    assert found.placement.kind == "gpu"
    assert found.placement.gpu_layers == found.placement.layers == 37
    assert found.placement.devices == ("nvidia:0",)
    assert [device.device for device in found.devices] == ["nvidia:0", "cpu"]
    assert found.settings.context == 32768
    assert found.settings.tensor_split == ()
    assert found.why is None


def test_without_a_card_it_runs_on_the_processor() -> None:
    found = small(machine(24))
    assert (found.verdict, found.placement.kind) == ("fits", "cpu")
    assert found.settings.context == 16384
    assert found.settings.gpu_layers == 0
    assert found.settings.threads == 8
    assert found.speed.decode is not None


def test_the_repacked_copy_goes_before_the_context_does() -> None:
    found = small(machine(9))
    assert found.runs
    assert not found.settings.repack
    assert found.settings.context == 16384
    assert found.devices[0].term("repack") == 0


def test_a_model_larger_than_the_card_is_shared_with_main_memory() -> None:
    found = fit(LLAMA_70B, LLAMA_70B_Q4, machine(48, nvidia(24)), Wish())
    assert (found.verdict, found.placement.kind) == ("fits", "partial")
    assert 0 < found.placement.gpu_layers < 81
    assert found.speed.decode is not None
    more = fit(LLAMA_70B, LLAMA_70B_Q4, machine(48, nvidia(32)), Wish())
    assert more.placement.gpu_layers > found.placement.gpu_layers


def test_experts_go_to_main_memory_before_layers_do() -> None:
    found = fit(GPT_OSS_120B, GPT_OSS_120B_MXFP4, machine(80, nvidia(24)), Wish())
    assert (found.verdict, found.placement.kind) == ("fits", "partial")
    assert found.settings.gpu_layers == 37
    assert 0 < found.settings.cpu_moe_layers < 36
    fewer = fit(GPT_OSS_120B, GPT_OSS_120B_MXFP4, machine(80, nvidia(32)), Wish())
    assert fewer.settings.cpu_moe_layers < found.settings.cpu_moe_layers


def test_one_card_is_preferred_to_two() -> None:
    found = small(machine(32, nvidia(12, 0, bandwidth=360e9), nvidia(24, 1)))
    assert found.placement.devices == ("nvidia:1",)
    assert found.settings.tensor_split == (0.0, 1.0)


def test_two_cards_share_what_neither_holds_by_their_free_memory() -> None:
    found = fit(LLAMA_70B, LLAMA_70B_Q4, machine(64, nvidia(32, 0), nvidia(24, 1)), Wish(context=8192))
    assert (found.verdict, found.placement.kind) == ("fits", "gpu")
    assert found.placement.devices == ("nvidia:0", "nvidia:1")
    assert found.settings.tensor_split[0] > found.settings.tensor_split[1] > 0
    assert sum(found.settings.tensor_split) == pytest.approx(1, abs=1e-3)
    assert all(device.spare is not None and device.spare >= 0 for device in found.devices)


def test_unified_memory_is_never_added_to_main_memory() -> None:
    mac = machine(20, apple(18), bandwidth=None)
    found = small(mac)
    assert (found.verdict, found.placement.kind) == ("fits", "gpu")
    assert len(found.devices) == 1
    assert found.devices[0].free is not None
    assert found.devices[0].free <= 18 * GIB
    assert not fit(LLAMA_70B, build_of("l", 30 * GIB), mac, Wish()).runs


def test_what_other_programs_hold_on_a_mac_counts() -> None:
    busy = machine(6, apple(18), bandwidth=None)
    assert small(busy, Wish(context=4096)).verdict in ("no", "tight", "fits")
    assert all((device.free or 0) <= 6 * GIB for device in small(busy).devices)


def test_an_accelerator_without_a_usable_api_is_left_out_with_a_note() -> None:
    found = small(machine(24, nvidia(24)), apis=())
    assert found.placement.kind == "cpu"
    assert found.notes[0] == "RTX 0 is there, but this engine build cannot use it"
    assert small(machine(24, nvidia(24)), apis=("vulkan",)).placement.kind == "gpu"


def test_a_card_whose_free_memory_is_unknown_is_left_out_with_a_note() -> None:
    found = small(machine(24, nvidia(24, memory_free=None)))
    assert found.placement.kind == "cpu"
    assert "not known" in found.notes[0]


def test_a_refusal_names_both_numbers() -> None:
    found = fit(LLAMA_70B, LLAMA_70B_Q4, machine(16), Wish())
    assert (found.verdict, found.placement.kind) == ("no", "unknown")
    assert found.why is not None
    numbers = re.fullmatch(
        r"needs (\d+\.\d) GiB with 4,096 tokens of context, (\d+\.\d) GiB can be used on main memory",
        found.why,
    )
    assert numbers is not None
    assert float(numbers[1]) > float(numbers[2])
    assert found.devices[0].total > 39 * GIB


def test_a_refusal_on_a_small_machine_does_not_say_twice_the_same_number() -> None:
    found = small(machine(1))
    assert re.search(r"needs \d\.\d GiB .*, \d+ MiB can be used on main memory", found.why or ""), found.why


def test_a_context_beyond_the_model_is_refused_with_both_numbers() -> None:
    found = small(machine(64, nvidia(24)), Wish(context=200_000))
    assert found.verdict == "no"
    assert found.why == "200,000 tokens of context were asked for, the model is made for 131,072"
    assert found.devices[0].term("weights") == QWEN3_8B_Q4.size


def test_an_asked_context_is_kept_and_the_cache_is_quantized_first() -> None:
    found = small(machine(32, nvidia(12)), Wish(context=65536))
    assert found.settings.context == 65536
    assert found.placement.kind == "gpu"
    assert (found.settings.kv_type_k, found.settings.kv_type_v) == ("q8_0", "q8_0")


def test_an_asked_cache_type_is_kept() -> None:
    found = small(machine(32, nvidia(24)), Wish(kv_type="q4_0"))
    assert (found.settings.kv_type_k, found.settings.kv_type_v) == ("q4_0", "q4_0")


def test_an_unheard_of_cache_type_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="q8_0"):
        small(machine(32), Wish(kv_type="q3"))


def test_a_short_model_context_caps_the_default() -> None:
    short = structs.replace(QWEN3_8B, context=2048)
    assert fit(short, QWEN3_8B_Q4, machine(32, nvidia(24)), Wish()).settings.context == 2048


def test_swap_is_used_only_when_allowed() -> None:
    on = machine(8, memory=Memory(total=12 * GIB, available=4 * GIB, swap_free=16 * GIB))
    assert not small(on).runs
    assert small(on, Wish(allow_swap=True)).runs


def test_a_required_gpu_is_required() -> None:
    assert small(machine(64), Wish(require_gpu=True)).why == (
        "a GPU is required, and there is none that this engine build can use"
    )
    refused = fit(LLAMA_70B, LLAMA_70B_Q4, machine(64, nvidia(2)), Wish(require_gpu=True))
    assert refused.verdict == "no"
    assert refused.why is not None
    assert "RTX 0" in refused.why


def test_a_little_room_is_tight_and_says_so() -> None:
    verdicts = {}
    for tenth in range(40, 140):
        found = small(machine(tenth / 10), Wish(context=8192, kv_type="f16"))
        verdicts[found.verdict] = found
        if found.verdict == "tight":
            assert found.why is not None
            assert "little is left" in found.why
    assert set(verdicts) == {"no", "tight", "fits"}


@pytest.mark.parametrize("field", ["layers", "hidden_size", "kv_heads"])
def test_a_missing_figure_is_named_and_the_weights_still_reported(field: str) -> None:
    shape = structs.replace(QWEN3_8B.shape, **{field: None})
    found = fit(structs.replace(QWEN3_8B, shape=shape), QWEN3_8B_Q4, machine(32), Wish())
    assert found.verdict == "unknown"
    assert found.why == f"the catalog does not state {field} of this model"
    assert found.devices[0].term("weights") == QWEN3_8B_Q4.size


def test_an_unknown_size_is_estimated_from_the_quantization_or_stays_unknown() -> None:
    estimated = fit(QWEN3_8B, build_of("q", None), machine(32), Wish())
    assert estimated.runs
    assert estimated.devices[0].terms[0].basis == "formula"
    assert fit(QWEN3_8B, build_of("q", None, "MYSTERY"), machine(32), Wish()).verdict == "unknown"


def test_unknown_main_memory_is_unknown() -> None:
    assert small(machine(0, memory=Memory())).verdict == "unknown"


def test_a_header_s_layout_wins_over_the_catalog() -> None:
    found = fit(
        model_of("mystery", Shape(), 1e9),
        build_of("m", None),
        machine(32),
        Wish(),
        layout=layouts()["llama-3.2-1b"],
    )
    assert found.runs
    assert found.devices[0].term("weights") == layouts()["llama-3.2-1b"].weights


def test_speeds_are_ranges_and_unknown_stays_unknown() -> None:
    found = small(machine(32, nvidia(24), download_rate=50e6))
    decode, prefill = found.speed.decode, found.speed.prefill
    assert decode is not None
    assert prefill is not None
    assert decode.low < decode.value < decode.high
    assert found.speed.first_token == pytest.approx(512 / prefill.value + 1 / decode.value)
    assert found.speed.download == pytest.approx((QWEN3_8B_Q4.size or 0) / 50e6)
    assert small(machine(24, bandwidth=None)).speed.decode is None
    assert small(machine(32, nvidia(24, bandwidth=None))).speed.decode is None
    assert small(machine(32, nvidia(24))).speed.download is None


def test_the_whole_packaged_catalog_can_be_placed() -> None:
    """Every build gets a verdict, and only missing figures leave one open."""
    on = machine(48, nvidia(24))
    for model in load_packaged()[1]:
        for build in model.builds:
            found = fit(model, build, on, Wish())
            assert (found.why is None) == (found.verdict == "fits")
            if found.runs:
                assert all(device.spare is not None and device.spare >= 0 for device in found.devices)


@given(st.floats(0.5, 200), st.lists(st.floats(1, 96), max_size=3), st.sampled_from([None, 4096, 32768]))
def test_whatever_runs_has_room_on_every_device(ram: float, cards: list[float], context: int | None) -> None:
    on = machine(ram, *(nvidia(size, index) for index, size in enumerate(cards)))
    for model, build in ((QWEN3_8B, QWEN3_8B_Q4), (GPT_OSS_120B, GPT_OSS_120B_MXFP4)):
        found = fit(model, build, on, Wish(context=context))
        assert found.why or found.verdict == "fits"
        if found.runs:
            assert all(device.spare is not None and device.spare >= 0 for device in found.devices)
            assert context is None or found.settings.context == context


@given(st.floats(1, 100), st.floats(0, 50))
def test_more_main_memory_never_turns_a_yes_into_a_no(ram: float, more: float) -> None:
    if small(machine(ram)).runs:
        assert small(machine(ram + more)).runs

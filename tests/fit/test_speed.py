"""Speed: the law's parts, each against a case that can be computed by hand."""

from __future__ import annotations

import pytest
from msgspec import structs

from fit_facts import GPT_OSS_120B, GPT_OSS_120B_MXFP4, QWEN3_8B, QWEN3_8B_Q4, apple, layouts, nvidia
from launchpad.fit.backends import BACKENDS
from launchpad.fit.estimate import Aside, Part, aside, cpu_prefill, decode, prefill, token_times
from launchpad.fit.from_shape import layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Settings
from launchpad.fit.speed import (
    TYPICAL_DEPTH,
    TokenTime,
    Work,
    cpu_rate,
    gpu_time,
    lacks_graphs,
    matrix_factor,
    prefill_seconds,
    small_tiles,
    work,
)
from launchpad.hardware.machine import Accelerator, Cpu

LAYOUT = layout_from_model(QWEN3_8B, QWEN3_8B_Q4)
assert isinstance(LAYOUT, Layout)
SETTINGS = Settings(context=8192, gpu_layers=37)
WORK = work(LAYOUT, SETTINGS)
CARD = Part(accelerator=nvidia(24), api="cuda")
NOTHING = Aside()


def rate(cost: Work, *parts: Part, cpu: Cpu = Cpu(), left: Aside = NOTHING) -> float:  # noqa: B008
    found = decode(cost, parts, cpu, left=left)
    assert found is not None
    return found.value


def test_a_token_reads_everything_but_the_embedding_table() -> None:
    assert WORK.active_bytes == LAYOUT.weights - LAYOUT.token_embd
    assert WORK.kv_bytes == TYPICAL_DEPTH * 36 * 2 * 1024 * 2


def test_a_token_reads_only_the_experts_in_use() -> None:
    layout = layout_from_model(GPT_OSS_120B, GPT_OSS_120B_MXFP4)
    assert isinstance(layout, Layout)
    cost = work(layout, SETTINGS)
    assert 3.0e9 < cost.active_bytes < 4.5e9  # 3.59 GB by the file's own tensors
    assert cost.moe


def test_decode_on_a_well_known_card_is_plausible() -> None:
    # Measured: 100 to 130 tokens/s on an RTX 3090.
    assert 95 < rate(WORK, CARD) < 135


def test_depth_costs_speed_and_a_quantized_cache_less_of_it() -> None:
    deep = work(LAYOUT, structs.replace(SETTINGS, context=65536), 60000)
    quantized = work(
        LAYOUT, structs.replace(SETTINGS, context=65536, kv_type_k="q8_0", kv_type_v="q8_0"), 60000
    )
    assert rate(deep, CARD) < rate(quantized, CARD) < rate(WORK, CARD)


@pytest.mark.parametrize(
    ("arch", "build", "lacks"),
    [
        ("6.1", None, True),
        ("7.0", 9000, True),
        ("7.5", None, False),
        ("8.6", 3000, False),
        ("gfx1100", None, False),
        (None, None, False),
    ],
)
def test_which_devices_start_each_kernel_by_itself(arch: str | None, build: int | None, lacks: bool) -> None:
    vendor = "amd" if arch and arch.startswith("gfx") else "nvidia"
    device = nvidia(8, arch=arch, vendor=vendor)
    assert lacks_graphs(device, "cuda", build) is lacks
    assert not lacks_graphs(device, "vulkan", build)


def test_kernels_started_one_by_one_take_longer_and_nothing_else_does() -> None:
    def parts(build: int | None) -> TokenTime:
        device = nvidia(16, arch="7.5")
        found = gpu_time(WORK, device, "cuda", active=WORK.active_bytes, share=1.0, build=build)
        assert found is not None
        return found

    before, now = parts(9000), parts(None)
    assert before.kernels > 1.5 * now.kernels
    assert before.weights == now.weights


def test_old_builds_leave_matrix_units_idle_under_rocm_only() -> None:
    radeon = nvidia(24, vendor="amd", arch="gfx1100", apis=("rocm", "vulkan"))
    assert matrix_factor(radeon, "rocm", 7000) == 1.0
    assert matrix_factor(radeon, "rocm", 7300) == matrix_factor(radeon, "vulkan", 7000) > 1.0
    old, new = (prefill_seconds(WORK, radeon, "rocm", 512, build=build) for build in (7299, 7300))
    assert old is not None
    assert new is not None
    assert old > 1.2 * new


def test_builds_before_large_tiles_are_slower_under_vulkan_with_matrix_units_only() -> None:
    rdna3, rdna2 = (
        nvidia(16, vendor="amd", arch=arch, apis=("rocm", "vulkan")) for arch in ("gfx1200", "gfx1030")
    )
    assert small_tiles(rdna3, "vulkan", 7719)
    for device, api, build in ((rdna3, "vulkan", 7720), (rdna3, "vulkan", None), (rdna3, "rocm", 7719)):
        assert not small_tiles(device, api, build)
    assert not small_tiles(rdna2, "vulkan", 7719)
    old, new = (prefill_seconds(WORK, rdna3, "vulkan", 512, build=build) for build in (7719, 7720))
    assert old is not None
    assert new is not None
    assert old > 1.2 * new


def test_experts_in_bf16_are_slow_on_amd_under_vulkan() -> None:
    radeon = nvidia(96, vendor="amd", arch="gfx1201", apis=("rocm", "vulkan"))
    dense = structs.replace(WORK, quantization="BF16")
    experts = structs.replace(dense, moe=True)

    def slower(api: str, card: Accelerator) -> float:
        times = [gpu_time(cost, card, api, active=cost.active_bytes, share=1.0) for cost in (experts, dense)]
        assert times[0] is not None
        assert times[1] is not None
        return times[0].weights / times[1].weights

    assert slower("vulkan", radeon) > 1.5
    assert slower("rocm", radeon) == slower("vulkan", nvidia(96)) == 1.0


def test_no_matrix_units_for_bf16_on_rdna_3_under_vulkan() -> None:
    radeon = nvidia(24, vendor="amd", arch="gfx1100", apis=("rocm", "vulkan"))
    assert matrix_factor(radeon, "vulkan", None, "BF16") == 1.0
    assert matrix_factor(radeon, "vulkan", None, "F16") == matrix_factor(radeon, "rocm", None, "BF16") > 1.0


def test_matrix_units_of_the_first_arc_cards_idle_under_vulkan() -> None:
    first, second = (nvidia(16, vendor="intel", arch=arch, apis=("vulkan",)) for arch in ("xe-hpg", "xe2"))
    assert matrix_factor(first, "vulkan") == 1.0 < matrix_factor(second, "vulkan")
    assert matrix_factor(first, "sycl") > 1.0


def test_two_cards_add_memory_but_not_speed() -> None:
    halves = [structs.replace(CARD, share=0.5)] * 2
    assert rate(WORK, *halves) == pytest.approx(rate(WORK, CARD))


@pytest.mark.parametrize("api", BACKENDS)
def test_every_backend_gives_a_range_around_its_value(api: str) -> None:
    found = decode(WORK, [structs.replace(CARD, api=api)], Cpu(), left=NOTHING)
    assert found is not None
    band = BACKENDS[api].decode.band_unknown if api in ("metal", "rocm") else BACKENDS[api].decode.band
    assert found.low == pytest.approx(found.value * (1 - band))  # an NVIDIA card is a stranger to these two
    assert found.high == pytest.approx(found.value * (1 + band))


@pytest.mark.parametrize("api", BACKENDS)
def test_a_family_without_measurements_is_less_certain(api: str) -> None:
    strange = structs.replace(CARD.accelerator, arch="30.1")
    bands = [
        found.high / found.value
        for card in (CARD.accelerator, strange)
        if (found := decode(WORK, [Part(accelerator=card, api=api)], Cpu(), left=NOTHING))
    ]
    assert bands[0] <= bands[1]
    prefilled = prefill(WORK, [Part(accelerator=strange, api=api)], 512)
    assert prefilled is not None
    assert prefilled.high == pytest.approx(prefilled.value * (1 + BACKENDS[api].prefill.band_unknown))


def test_old_builds_decode_slower() -> None:
    speeds = [
        rate(WORK, structs.replace(CARD, build=build)) for build in (1500, 4000, 6499, 6500, 12000, None)
    ]
    assert speeds == sorted(speeds)
    assert speeds[0] < 0.9 * speeds[-1]
    assert speeds[3] == speeds[4] == speeds[5]


def test_ollama_is_slower_on_a_mac_than_llama_cpp_alone() -> None:
    mac = Part(accelerator=apple(18), api="metal")
    assert rate(WORK, structs.replace(mac, engine="ollama")) < 0.9 * rate(WORK, mac)


def test_intel_s_cards_read_8_bits_slowly_under_vulkan_only() -> None:
    card = Accelerator(index=0, vendor="intel", name="x", arch="xe2", bandwidth=456e9, fp32_flops=13.7e12)
    of_8_bits = structs.replace(WORK, quantization="Q8_0")

    def share(api: str, device: Accelerator) -> float:
        part = Part(accelerator=device, api=api)
        return rate(of_8_bits, part) / rate(WORK, part)

    assert share("vulkan", card) < 0.75
    assert share("sycl", card) > 0.95
    assert share("vulkan", structs.replace(card, vendor="amd", arch="gfx1100")) > 0.95


def test_graphics_within_a_processor_reach_less_of_their_arithmetic() -> None:
    card = Accelerator(index=0, vendor="amd", name="x", arch="gfx1103", bandwidth=100e9, fp32_flops=8.3e12)
    both = [
        prefill(WORK, [Part(accelerator=structs.replace(card, unified=unified), api="vulkan")], 512)
        for unified in (False, True)
    ]
    assert both[0] is not None
    assert both[1] is not None
    assert both[1].value < 0.75 * both[0].value


def test_more_query_heads_on_the_same_cache_cost_time() -> None:
    deep = work(LAYOUT, structs.replace(SETTINGS, context=65536), 60000)
    wider = structs.replace(deep, cache_products=2 * deep.cache_products)
    assert rate(wider, CARD) < rate(deep, CARD)


@pytest.mark.parametrize(
    ("arch", "vendor", "api"),
    [
        ("gfx1151", "amd", "rocm"),
        ("gfx9999", "amd", "vulkan"),
        ("30.1", "nvidia", "cuda"),
        (None, "intel", "vulkan"),
    ],
)
def test_an_unknown_family_gets_the_backend_s_general_constant(
    arch: str | None, vendor: str, api: str
) -> None:
    card = Accelerator(index=0, vendor=vendor, name="x", arch=arch, bandwidth=500e9, fp32_flops=20e12)  # type: ignore[arg-type]
    part = Part(accelerator=card, api=api)
    assert rate(WORK, part) > 10
    assert prefill(WORK, [part], 512) is not None


def test_much_bandwidth_for_little_arithmetic_is_not_all_used() -> None:
    card = Accelerator(index=0, vendor="nvidia", name="x", arch="8.0", bandwidth=2e12, fp32_flops=80e12)
    weaker = structs.replace(card, fp32_flops=20e12)
    assert rate(WORK, Part(accelerator=weaker, api="cuda")) < 0.85 * rate(
        WORK, Part(accelerator=card, api="cuda")
    )


def test_a_family_never_measured_has_its_matrix_units_counted() -> None:
    plain = Accelerator(index=0, vendor="amd", name="x", arch="gfx906", bandwidth=1e12, fp32_flops=20e12)
    both = [
        prefill(WORK, [Part(accelerator=structs.replace(plain, arch=arch), api="rocm")], 512)
        for arch in ("gfx906", "gfx942")
    ]
    assert both[0] is not None
    assert both[1] is not None
    assert both[1].value > 2 * both[0].value


def test_prefill_is_arithmetic_and_old_builds_use_less_of_amd_s() -> None:
    card = Accelerator(index=0, vendor="amd", name="x", arch="gfx1151", bandwidth=256e9, fp32_flops=29.7e12)
    part = Part(accelerator=card, api="rocm")
    new, old = prefill(WORK, [part], 512), prefill(WORK, [structs.replace(part, build=6000)], 512)
    assert new is not None
    assert old is not None
    assert old.value < 0.8 * new.value
    assert prefill(WORK, [Part(accelerator=structs.replace(card, fp32_flops=None), api="rocm")], 512) is None


def test_an_apple_gpu_is_slower_than_its_bandwidth_alone() -> None:
    found = rate(WORK, Part(accelerator=apple(18), api="metal"))
    assert 25 < found < 273e9 / WORK.active_bytes


def test_a_measured_processor_reads_what_was_measured() -> None:
    cpu = Cpu(bandwidth=50e9, bandwidth_measured=True)
    assert cpu_rate(cpu, "Q4_K_M", repacked=True) == 50e9
    assert cpu_rate(cpu, "Q4_K_M", repacked=False) == pytest.approx(0.89 * 50e9)
    assert cpu_rate(cpu, "Q8_0", repacked=False) == pytest.approx(1.17 * 50e9)
    assert cpu_rate(Cpu(bandwidth=50e9), "Q4_K_M", repacked=True) == pytest.approx(0.55 * 50e9)
    assert cpu_rate(Cpu(), "Q4_K_M", repacked=True) is None


def test_what_is_left_to_main_memory_is_read_from_there() -> None:
    layout = layouts()["mixtral-8x7b"]
    some = aside(layout, Settings(context=4096, gpu_layers=17))
    assert some.blocks == 0.5
    assert some.weights == pytest.approx(layout.cumulative_weights[16] - layout.cumulative_experts[16] * 0.75)
    only_experts = aside(layout, Settings(context=4096, gpu_layers=33, cpu_moe_layers=16))
    assert (only_experts.blocks, only_experts.expert_blocks) == (0, 16)
    assert only_experts.weights == pytest.approx(layout.cumulative_experts[16] * 0.25)
    cpu = Cpu(bandwidth=50e9, bandwidth_measured=True)
    cost = work(layout, Settings(context=4096))
    assert rate(cost, cpu=cpu) < rate(cost, CARD, cpu=cpu, left=some) < rate(cost, CARD)
    assert decode(cost, [CARD], Cpu(), left=some) is None


def test_the_parts_of_a_token_s_time_add_up_to_the_speed() -> None:
    layout = layouts()["mixtral-8x7b"]
    settings = Settings(context=4096, gpu_layers=33, cpu_moe_layers=16)
    cpu = Cpu(bandwidth=50e9, bandwidth_measured=True)
    cost, left = work(layout, settings), aside(layout, settings)
    times = token_times(cost, [CARD], cpu, left=left)
    assert times is not None
    assert [time.device for time in times] == ["nvidia:0", "cpu"]
    assert sum(time.total for time in times) == pytest.approx(1 / rate(cost, CARD, cpu=cpu, left=left))
    assert times[0].weights + times[0].kv_cache + times[0].kernels == pytest.approx(times[0].total)
    assert times[1].weights == pytest.approx(left.weights / cpu_rate(cpu, "Q4_K_M", repacked=False))  # type: ignore[operator]
    assert (times[1].kv_cache, times[1].kernels) == (0, pytest.approx(16 * 0.15e-3))


TWO_CORES = Cpu(
    cores_physical=2, isa=("avx2", "avx512f"), bandwidth=37e9, bandwidth_measured=True, cores_available=2.0
)


def smollm2_like(depth: int) -> Work:
    """What a token of SmolLM2-135M Q4_1 costs: 30 blocks, 9 query heads on 3 KV heads of 64."""
    products = 30 * 9 * 2 * 64 * depth
    return Work(
        active_bytes=96.6e6,
        kv_bytes=products / 3 * 2,
        state_bytes=0,
        blocks=30,
        moe=False,
        mla=False,
        gqa=3.0,
        quantization="Q4_1",
        parameters_active=134.5e6,
        weights_bytes=96.6e6,
        attention_flops=30 * 4 * 9 * 64 * 256,
        cache_products=products,
    )


def test_a_tiny_network_is_slowed_by_waiting_and_attention_not_by_reading() -> None:
    found = decode(smollm2_like(TYPICAL_DEPTH), (), TWO_CORES, left=NOTHING)
    assert found is not None
    # Measured on such a machine: 95 to 140 tokens/s early in a conversation; reading alone would allow 340.
    assert found.low < 95 < 140 < found.high < 200
    assert rate(smollm2_like(2048), cpu=TWO_CORES) < 0.6 * rate(smollm2_like(16), cpu=TWO_CORES)


def test_a_large_network_on_a_processor_is_as_fast_as_it_is_read() -> None:
    # Llama-3.2-1B Q4_K_M on two cores that read 27 GB/s: 29.9 tokens/s plain, 33.7 repacked.
    cost = structs.replace(
        smollm2_like(1),
        active_bytes=799.9e6,
        blocks=16,
        kv_bytes=0.0,
        cache_products=0.0,
        quantization="Q4_K_M",
    )
    cpu = structs.replace(TWO_CORES, bandwidth=27e9)
    plain = decode(cost, (), cpu, left=NOTHING)
    repacked = decode(cost, (), cpu, left=NOTHING, repacked=True)
    assert plain is not None
    assert repacked is not None
    assert plain.low < 29.9 < plain.high
    assert repacked.low < 33.7 < repacked.high
    assert plain.high / plain.low < 1.75


def test_one_thread_waits_for_nobody() -> None:
    one = structs.replace(TWO_CORES, cores_physical=1)
    assert rate(smollm2_like(1), cpu=one) > rate(smollm2_like(1), cpu=TWO_CORES)


def test_prefill_on_a_processor_needs_its_cores_and_its_instructions() -> None:
    found = cpu_prefill(smollm2_like(TYPICAL_DEPTH), TWO_CORES, repacked=False)
    assert found is not None
    assert found.low < 450 < found.high  # measured: 306 to 447 tokens/s
    assert (
        cpu_prefill(smollm2_like(1), structs.replace(TWO_CORES, cores_physical=None), repacked=False) is None
    )
    assert cpu_prefill(smollm2_like(1), structs.replace(TWO_CORES, isa=()), repacked=False) is None

"""Which GPUs share a model: within a machine, then over the nodes of its cluster."""

from __future__ import annotations

from msgspec.structs import replace

from fit_facts import GIB, QWEN3_8B, build_of, layouts, machine, nvidia
from launchpad.fit.layout import Experts
from launchpad.fit.vllm import experts_whole, vllm_fit
from launchpad.fit.vllm_groups import groups
from launchpad.hardware.cluster import clustered
from launchpad.hardware.simulate import simulate
from launchpad.plugins.vllm.arguments import arguments
from launchpad.wish import Wish

LLAMA = layouts()["llama-3.1-8b"]
PAIR = machine(64, nvidia(24, 0, name="RTX"), nvidia(24, 1, name="RTX"))


def shapes(where: object) -> list[tuple[int, int]]:
    found = groups(where, LLAMA, ("cuda",))  # type: ignore[arg-type]
    return [(group.tensor_parallel, group.pipeline_parallel) for group in found]


def test_first_within_the_machine_then_over_its_nodes() -> None:
    assert shapes(PAIR) == [(1, 1), (2, 1)]
    assert shapes(clustered("three", [PAIR] * 3)) == [(1, 1), (2, 1), (2, 2), (2, 3)]


def test_nodes_that_differ_from_the_head_take_no_part() -> None:
    other = machine(64, nvidia(24, 0, name="another"), nvidia(24, 1, name="another"))
    bare = machine(64)
    assert shapes(clustered("mixed", [PAIR, other, PAIR, bare])) == [(1, 1), (2, 1), (2, 2)]
    assert shapes(clustered("a head without a GPU", [bare, PAIR])) == []


def test_gpus_of_other_nodes_carry_the_name_of_their_node() -> None:
    last = groups(clustered("c", [PAIR, PAIR], addresses=["10.0.0.1", "10.0.0.2"]), LLAMA, ("cuda",))[-1]
    names = [item.gpu.device for item in last.gpus]
    assert names == ["nvidia:0", "nvidia:1", "10.0.0.2/nvidia:0", "10.0.0.2/nvidia:1"]


def test_a_model_that_no_node_holds_is_shared_out_over_two() -> None:
    build = build_of("q", 60 * GIB, "BF16")
    alone = vllm_fit(QWEN3_8B, build, PAIR, Wish())
    both = vllm_fit(QWEN3_8B, build, clustered("two", [PAIR, PAIR]), Wish())
    assert (alone.verdict, both.verdict) == ("no", "fits")
    assert (both.placement.tensor_parallel, both.placement.pipeline_parallel) == (2, 2)
    assert {device.total for device in both.devices} == {both.devices[0].total}
    assert all(device.spare is not None and device.spare >= 0 for device in both.devices)


def test_as_many_gpus_are_taken_as_are_asked_for() -> None:
    build, two = build_of("q", 4 * GIB, "BF16"), clustered("two", [PAIR, PAIR])
    asked = [vllm_fit(QWEN3_8B, build, two, Wish(), gpus=number) for number in (None, 1, 2, 4, 3)]
    assert [fit.placement.tensor_parallel * fit.placement.pipeline_parallel for fit in asked[:4]] == [
        1,
        1,
        2,
        4,
    ]
    assert asked[4].verdict == "no"
    assert "3 GPUs (vllm.gpus)" in (asked[4].why or "")


def test_more_gpus_are_taken_where_fewer_hold_only_a_short_context() -> None:
    build = build_of("q", 19 * GIB, "BF16")
    found = vllm_fit(QWEN3_8B, build, PAIR, Wish())
    assert (found.placement.tensor_parallel, found.settings.context) == (2, 32768)
    small = vllm_fit(QWEN3_8B, build, PAIR, Wish(context=4096))
    assert small.placement.tensor_parallel == 1


def test_memory_that_others_hold_on_one_node_counts() -> None:
    busy = replace(PAIR, accelerators=tuple(replace(card, memory_free=2 * GIB) for card in PAIR.accelerators))
    build = build_of("q", 60 * GIB, "BF16")
    assert vllm_fit(QWEN3_8B, build, clustered("two", [PAIR, busy]), Wish()).verdict == "no"


def test_a_size_that_is_not_stated_is_the_usual_one_of_its_quantization() -> None:
    build = replace(build_of("q", 1, "FP8"), size=None)
    found = vllm_fit(QWEN3_8B, build, simulate("H100"), Wish())
    assert found.runs
    assert found.devices[0].term("weights") == int(1.03 * (QWEN3_8B.parameters or 0))


def test_heads_that_cannot_be_shared_out_make_stages_and_the_plan_says_so() -> None:
    odd = replace(LLAMA, heads=14)
    four = machine(64, *(nvidia(24, number, name="H100") for number in range(4)))
    found = groups(four, odd, ("cuda",))
    assert [(group.tensor_parallel, group.pipeline_parallel) for group in found] == [(1, 1), (2, 1), (2, 2)]
    assert "2 stages of 2 GPUs that share each layer: 14 attention heads cannot" in (found[-1].why or "")
    assert "14 attention heads can be" in (found[1].why or "")
    assert found[0].why is None


def test_kv_heads_must_be_whole_too() -> None:
    """As in vLLM: 10 KV heads over 4 GPUs, and it does not start."""
    phi = replace(LLAMA, heads=40, gqa=4.0)
    four = machine(64, *(nvidia(24, number, name="H100") for number in range(4)))
    found = groups(four, phi, ("cuda",))
    assert [(group.tensor_parallel, group.pipeline_parallel) for group in found] == [(1, 1), (2, 1), (2, 2)]
    assert "10 KV heads cannot be shared out over 4 GPUs" in (found[-1].why or "")
    few = replace(LLAMA, heads=32, gqa=16.0)  # 2 KV heads: two GPUs get the same one
    assert groups(four, few, ("cuda",))[-1].tensor_parallel == 4
    assert groups(four, replace(phi, mla=True), ("cuda",))[-1].tensor_parallel == 4


def test_all_gpus_are_taken_when_it_takes_all_of_an_odd_number() -> None:
    six = machine(64, *(nvidia(24, number, name="A100 SXM") for number in range(6)))
    found = [(group.tensor_parallel, group.pipeline_parallel) for group in groups(six, LLAMA, ("cuda",))]
    assert found == [(1, 1), (2, 1), (4, 1), (2, 3)]
    three = machine(64, *(nvidia(24, number, name="NVIDIA L40S") for number in range(3)))
    last = groups(three, LLAMA, ("cuda",))[-1]
    assert (last.tensor_parallel, last.pipeline_parallel) == (1, 3)


def test_gpus_that_cannot_share_a_layer_hold_copies_where_one_fits() -> None:
    four = machine(64, *(nvidia(24, number, name="NVIDIA GeForce RTX 4090") for number in range(4)))
    one = vllm_fit(QWEN3_8B, build_of("q", 8 * GIB, "FP8"), four, Wish())
    found = vllm_fit(QWEN3_8B, build_of("q", 8 * GIB, "FP8"), four, Wish(), gpus=4)
    where = found.placement
    assert (where.tensor_parallel, where.pipeline_parallel, where.data_parallel) == (1, 1, 4)
    assert len(where.devices) == len(found.devices) == 4
    assert arguments(found)["data-parallel-size"] == 4
    assert any(note.startswith("4 copies on one GPU each") and "no NVLink" in note for note in found.notes)
    assert found.speed == one.speed  # one conversation is in one copy
    assert found.settings.context == one.settings.context
    large = vllm_fit(QWEN3_8B, build_of("q", 60 * GIB, "BF16"), four, Wish(), gpus=4)
    assert (large.placement.pipeline_parallel, large.placement.data_parallel) == (4, 1)


def test_copies_are_as_wide_as_the_heads_allow() -> None:
    odd = replace(LLAMA, heads=14)
    four = machine(64, *(nvidia(24, number, name="H100 SXM") for number in range(4)))
    found = vllm_fit(QWEN3_8B, build_of("q", 34 * GIB, "BF16"), four, Wish(), layout=odd, gpus=4)
    where = found.placement
    assert (where.tensor_parallel, where.pipeline_parallel, where.data_parallel) == (2, 1, 2)
    linked = vllm_fit(QWEN3_8B, build_of("q", 34 * GIB, "BF16"), four, Wish(), gpus=4)
    assert (linked.placement.tensor_parallel, linked.placement.data_parallel) == (4, 1)


def test_without_nvlink_stages_are_preferred_and_the_plan_says_so() -> None:
    pair = machine(64, *(nvidia(24, number, name="NVIDIA GeForce RTX 4090") for number in range(2)))
    found = vllm_fit(QWEN3_8B, build_of("q", 30 * GIB, "BF16"), pair, Wish())
    assert (found.placement.tensor_parallel, found.placement.pipeline_parallel) == (1, 2)
    assert any("no NVLink" in note for note in found.notes)
    linked = machine(64, *(nvidia(24, number, name="A100 SXM") for number in range(2)))
    shared = vllm_fit(QWEN3_8B, build_of("q", 30 * GIB, "BF16"), linked, Wish())
    assert (shared.placement.tensor_parallel, shared.placement.pipeline_parallel) == (2, 1)
    assert any("A100 SXM has a fast link" in note for note in shared.notes)


def test_nodes_of_cards_without_nvlink_are_stages_card_by_card() -> None:
    pair = machine(64, *(nvidia(24, number, name="NVIDIA GeForce RTX 4090") for number in range(2)))
    last = groups(clustered("two", [pair, pair]), LLAMA, ("cuda",))[-1]
    assert (last.tensor_parallel, last.pipeline_parallel) == (1, 4)
    assert "no NVLink" in (last.why or "")
    linked = machine(64, *(nvidia(80, number, name="H100 SXM") for number in range(2)))
    last = groups(clustered("two", [linked, linked]), LLAMA, ("cuda",))[-1]
    assert (last.tensor_parallel, last.pipeline_parallel) == (2, 2)
    assert "shared out over 2 nodes" in (last.why or "")


def test_experts_whose_parts_would_cut_a_block_are_shared_out_whole() -> None:
    eight = simulate("8x H100 80GB + 2TB")
    layout = replace(layouts()["llama-3.1-8b"], experts=Experts(total=128, used=8, ffn=1536))
    assert experts_whole(layout, build_of("q", GIB, "FP8"), 4) is None  # 384 columns: three blocks
    why = experts_whole(layout, build_of("q", GIB, "FP8"), 8)  # 192 columns
    assert "1536 columns" in (why or "")
    assert experts_whole(layout, build_of("q", GIB, "BF16"), 8) is None
    assert experts_whole(layout, build_of("q", GIB, "FP8"), 1) is None
    assert (
        experts_whole(
            replace(layout, experts=Experts(total=12, used=2, ffn=1536)), build_of("q", GIB, "FP8"), 8
        )
        is None
    )
    model = replace(QWEN3_8B, id="m")
    found = vllm_fit(model, build_of("q", 400 * GIB, "FP8"), eight, Wish(), layout=layout)
    assert found.placement.tensor_parallel == 8
    assert found.placement.expert_parallel
    assert why in found.notes


def test_gpus_that_are_left_are_told_with_what_would_use_them() -> None:
    small = build_of("q", 8 * GIB, "FP8")
    four = vllm_fit(QWEN3_8B, small, simulate("4x L40S + 256GB"), Wish())
    assert any("`launchpad serve --replicas 4`" in note for note in four.notes)
    one = vllm_fit(QWEN3_8B, small, simulate("L40S"), Wish())
    assert not any("--replicas" in note for note in one.notes)

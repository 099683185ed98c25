"""A draft model and adapters: what they take, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factories import candidate, local
from fit_facts import layouts
from gguf_bytes import F32, STRING, key, packed
from launchpad.choice.choose import Availability, choose
from launchpad.errors import BadModelFile, NoModelFits, UsageError
from launchpad.fit.beside import lora_scratch, with_draft
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.memory import Gpu, Host, memory
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term
from launchpad.hardware.machine import Accelerator, Machine
from launchpad.launcher.beside import with_beside
from launchpad.plan import Plan, make_plan
from launchpad.wish import Wish

GIB = 1 << 30
WIDTH, RANK = 64, 4


def plan_for(wish: Wish, *, memory: int = GIB) -> Plan:
    one = candidate("m", availability=Availability(obtainable=True, local=local("m")), memory=memory)
    return make_plan(Machine(name="x"), wish, choose([one], wish), lambda _: {})


def adapter(folder: Path, kind: str = "adapter") -> Path:
    path = folder / "adapter.gguf"
    keys = [key("general.architecture", STRING, "llama"), key("general.type", STRING, kind)]
    keys += [key("adapter.type", STRING, "lora"), key("adapter.lora.alpha", F32, 8.0)]
    sizes = {"blk.0.attn_q.weight.lora_a": (WIDTH, RANK), "blk.0.attn_q.weight.lora_b": (RANK, WIDTH)}
    path.write_bytes(packed(keys, sizes))
    return path


def fit_on(*devices: str, gpu_layers: int) -> Fit:
    return Fit(
        model_id="m",
        build="file://m",
        backend="llamacpp",
        settings=Settings(context=4096, gpu_layers=gpu_layers, kv_type_k="q8_0", kv_type_v="q8_0"),
        placement=Placement(kind="gpu" if gpu_layers else "cpu"),
        devices=tuple(
            DeviceMemory(device=name, terms=(Term(name="weights", bytes=1, basis="exact"),), free=GIB)
            for name in devices
        ),
        verdict="fits",
    )


def test_a_draft_model_is_a_whole_second_sum_with_a_cache_in_16_bits() -> None:
    draft = next(iter(layouts().values()))
    (cpu,) = with_draft(fit_on("cpu", gpu_layers=0), draft, Machine(name="x")).devices
    settings = Settings(context=4096, repack=False)
    (alone,) = memory(draft, settings, (), Host(free=None, reserve=0))
    for name in ("weights", "kv_cache", "compute", "output"):
        assert cpu.term(f"draft_{name}") == alone.term(name) > 0, name
    assert cpu.term("draft_overhead") == 0  # the process is there once
    assert cpu.term("weights") == 1


def test_on_a_gpu_it_is_where_the_model_begins() -> None:
    draft = next(iter(layouts().values()))
    gpu, cpu = with_draft(fit_on("nvidia:0", "cpu", gpu_layers=33), draft, Machine(name="x")).devices
    assert gpu.term("draft_weights") > cpu.term("draft_weights")
    assert gpu.term("draft_kv_cache") > 0 == cpu.term("draft_kv_cache")


def test_memory_that_a_gpu_shares_with_the_processor_is_one_sum() -> None:
    draft = next(iter(layouts().values()))
    gpu = Accelerator(index=0, vendor="apple", name="M4", apis=("metal",), unified=True)
    (device,) = with_draft(
        fit_on("apple:0", gpu_layers=33), draft, Machine(name="x", accelerators=(gpu,))
    ).devices
    settings = Settings(context=4096, gpu_layers=draft.layers + 1, repack=False)
    seen = Gpu(device="apple:0", api="metal", free=None, reserve=0, unified=True)
    (alone,) = memory(draft, settings, (seen,), Host(free=None, reserve=0))
    assert device.term("draft_weights") == alone.term("weights") >= draft.weights
    assert device.term("draft_compute") == alone.term("compute")


@pytest.mark.parametrize(
    ("hidden", "width", "rows", "mib"),
    [
        # What llama.cpp b11549 reserves more with an adapter of rank 64: GPT-2 medium's feed-forward and its queries, keys and
        # values; the output of Granite MoE 1B's eight experts, and their input; SmolLM2's feed-forward.
        (1024, 4096, 4096, 8.0),
        (1024, 4096, 3072, 4.0),
        (1024, 3 * 8 * 512, 8 * 1024, 8.0),
        (1024, 3 * 8 * 512, 8 * 512, 0.0),
        (576, 3 * 1536, 1536, 0.0),
    ],
)
def test_an_adapter_widens_what_is_narrower_than_twice_its_product(
    hidden: int, width: int, rows: int, mib: float
) -> None:
    kind = BlockKind(k_dim=64, v_dim=64, width=width)
    layout = Layout(
        architecture="x", hidden=hidden, vocab=1000, heads=1, kinds=(kind,), blocks=(0, 0), block_weights=(1, 1),
        block_experts=(0, 0), token_embd=1, output=1, tied=False,
    )  # fmt: skip
    settings = Settings(context=4096, ubatch=512)
    assert lora_scratch(layout, settings, rows) == mib * (1 << 20)


def test_an_adapter_is_counted(tmp_path: Path) -> None:
    plan = plan_for(Wish(loras=(str(adapter(tmp_path)),)))
    assert with_beside(plan).start.fit.devices[0].term("lora") == 2 * WIDTH * RANK * 4
    assert with_beside(plan).start.loras == plan.wish.loras


def test_nothing_asked_for_changes_nothing() -> None:
    plan = plan_for(Wish())
    assert with_beside(plan) is plan


@pytest.mark.parametrize("wished", [{"draft": "/no/such.gguf"}, {"loras": ("/no/such.gguf",)}])
def test_a_file_that_is_not_there(wished: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="is no file"):
        with_beside(plan_for(Wish(**wished)))


def test_a_file_that_is_no_adapter(tmp_path: Path) -> None:
    path = adapter(tmp_path, kind="model")
    with pytest.raises(BadModelFile, match="no adapter"):
        with_beside(plan_for(Wish(loras=(str(path),))))
    path.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(BadModelFile):
        with_beside(plan_for(Wish(loras=(str(path),))))


def test_what_has_no_room_beside_the_model_is_refused(tmp_path: Path) -> None:
    from msgspec.structs import replace

    plan = plan_for(Wish(loras=(str(adapter(tmp_path)),)))
    full = replace(plan.start.fit.devices[0], free=plan.start.fit.devices[0].total, reserve=0)
    start = replace(plan.start, fit=replace(plan.start.fit, devices=(full,)))
    with pytest.raises(NoModelFits, match="what was asked for beside it does not"):
        with_beside(replace(plan, start=start))


def test_other_engines_take_none() -> None:
    from msgspec.structs import replace

    plan = plan_for(Wish(draft="x.gguf"))
    with pytest.raises(UsageError, match="takes no --draft"):
        with_beside(replace(plan, start=replace(plan.start, backend="ollama")))

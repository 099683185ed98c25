"""What runs beside a model: a small one that guesses ahead, which is a whole second sum, and adapters. PURE."""

from __future__ import annotations

from msgspec import structs

from launchpad.fit import compute
from launchpad.fit.layout import Layout
from launchpad.fit.memory import Gpu, Host, memory
from launchpad.fit.pool import api_of, device_name
from launchpad.fit.result import DeviceMemory, Fit, Settings, Term
from launchpad.hardware.machine import Machine


def draft_settings(fit: Fit, draft: Layout) -> Settings:
    """The small model has the context of the large one, is wholly where that has its output, and keeps its cache in 16 bits."""
    layers = draft.layers + 1 if fit.settings.gpu_layers else 0
    return structs.replace(
        fit.settings,
        gpu_layers=layers,
        cpu_moe_layers=0,
        tensor_split=(),
        kv_type_k="f16",
        kv_type_v="f16",
        repack=fit.settings.repack and not layers,
    )


def with_draft(fit: Fit, draft: Layout, machine: Machine) -> Fit:
    """The fit with the sum of a second model beside it, on the first GPU in use and in main memory.

    Which of its APIs the engine uses is not kept in a fit: the preferred one counts. With a cache in 16 bits they differ in
    nothing but whether its memory is the machine's own, which makes one sum of both.
    """
    settings = draft_settings(fit, draft)
    host = Host(free=None, reserve=0, repacks=any(device.term("repack") for device in fit.devices))
    on = fit.devices[0].device
    first = next((one for one in machine.accelerators if device_name(one) == on), None)
    api = (api_of(first) if first else None) or "cuda"
    unified = first is not None and first.unified
    gpus = () if on == "cpu" else (Gpu(device=on, api=api, free=None, reserve=0, unified=unified),)
    sums = {device.device: device for device in memory(draft, settings, gpus, host)}
    devices = tuple(_beside(device, sums.get(device.device)) for device in fit.devices)
    return structs.replace(fit, devices=devices)


def _beside(device: DeviceMemory, other: DeviceMemory | None) -> DeviceMemory:
    """The driver and the process are there once."""
    if other is None:
        return device
    terms = [
        Term(name=f"draft_{term.name}", bytes=term.bytes, basis=term.basis)
        for term in other.terms
        if term.name != "overhead"
    ]
    return structs.replace(device, terms=(*device.terms, *terms))


def with_loras(fit: Fit, size: int, scratch: int = 0) -> Fit:
    """The fit with the adapters' weights, and the scratch memory that they add, where the first layers are."""
    first, *rest = fit.devices
    terms = [Term(name="lora", bytes=size, basis="exact")]
    if scratch:
        terms.append(Term(name="lora_compute", bytes=scratch, basis="formula"))
    return structs.replace(fit, devices=(structs.replace(first, terms=(*first.terms, *terms)), *rest))


def lora_scratch(layout: Layout, settings: Settings, rows: int) -> int:
    """Bytes by which adapters widen the widest block; `rows` are the floats per token of the widest product with one.

    The product and what the adapter adds to it are alive together: that needs no more than a gated feed-forward does, and
    more than one without a gate (GPT-2), or the output of experts (Granite MoE): equal to what the engine reserves for both.
    """
    graph = compute.graph(layout, settings, compute.outputs(settings, None), converts_cache=False)
    return max(0, 2 * rows * graph.column - max(graph.widest, graph.logits))

"""Memory under vLLM on a CPU: weights, a KV cache of a stated size, and three processes with PyTorch in each.

The overhead was seen with vLLM 0.32: 2.0 GiB beside the weights and the cache (server, engine, one worker; SmolLM2 135M).
"""

from __future__ import annotations

from launchpad.catalog.model import Build, Model
from launchpad.fit import vllm
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.pool import ram_reserve
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

OVERHEAD = round(2.1 * vllm.GIB)
BLOCK_TOKENS = 128
SPARE_BLOCKS = 2  # one that vLLM keeps for itself, one for rounding


def vllm_cpu_fit(
    model: Model,
    build: Build,
    machine: Machine,
    wish: Wish,
    *,
    layout: Layout | None = None,
    refusal: str | None = None,
) -> Fit:
    """How a safetensors build fits this machine's main memory. `refusal` says why no CPU runs it.

    The context that is not asked for is halved until it fits. No speed is predicted: none was measured on more than one machine.
    """
    if refusal is not None:
        return vllm.refused(model, build, wish, "no", refusal)
    build = vllm.sized(build, model)
    found = layout or layout_from_model(model, build)
    if isinstance(found, UnknownFigure):
        why = f"the catalog does not state {found.field} of this model"
        return vllm.refused(model, build, wish, "unknown", why)
    weights = build.size or found.weights
    context = wish.context or min(model.context or vllm.LEAST_CONTEXT, vllm.COMFORTABLE_CONTEXT)
    memory = _memory(found, weights, context, wish.parallel or 1, machine)
    while not wish.context and not _holds(memory) and context > vllm.LEAST_CONTEXT:
        context = max(vllm.LEAST_CONTEXT, context // 2)
        memory = _memory(found, weights, context, wish.parallel or 1, machine)
    return _fit(model, build, found, context, wish.parallel or 1, memory)


def cache_bytes(layout: Layout, context: int, parallel: int) -> int:
    """Bytes that hold so many conversations of that length, in whole blocks."""
    options = vllm.default_options(0)
    blocks = -(-context // BLOCK_TOKENS) * parallel + SPARE_BLOCKS
    own = vllm.bytes_per_sequence(layout, options) * parallel
    return blocks * BLOCK_TOKENS * vllm.bytes_per_token(layout, options) + own


def _memory(layout: Layout, weights: int, context: int, parallel: int, machine: Machine) -> DeviceMemory:
    terms = (
        Term(name="weights", bytes=weights, basis="formula"),
        Term(name="kv_cache", bytes=cache_bytes(layout, context, parallel), basis="formula"),
        Term(name="overhead", bytes=OVERHEAD, basis="reserve"),
    )
    return DeviceMemory(
        device="cpu", terms=terms, free=machine.memory.available, reserve=ram_reserve(machine)
    )


def _holds(memory: DeviceMemory) -> bool:
    return memory.spare is not None and memory.spare >= 0


def _fit(
    model: Model, build: Build, layout: Layout, context: int, parallel: int, memory: DeviceMemory
) -> Fit:
    runs = _holds(memory)
    why = None
    if memory.spare is None:
        why = "how much main memory is free is not known"
    elif not runs:
        why = f"{-memory.spare / vllm.GIB:.1f} GiB of main memory are missing for a context of {context:,}"
    return Fit(
        model_id=model.id,
        build=build.ref,
        backend=vllm.BACKEND,
        settings=Settings(context=context, parallel=parallel),
        placement=Placement(kind="cpu" if runs else "unknown", layers=layout.layers + 1),
        devices=(memory,),
        verdict="fits" if runs else ("unknown" if memory.spare is None else "no"),
        why=why,
        notes=layout.notes,
        room=memory.spare if runs else None,
    )

"""Memory under Ollama: llama.cpp with Ollama's own context, slots, cache type and micro-batch.

Source: Ollama of 2026-08, which starts a bundled llama-server. Its placement is llama.cpp's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import structs

from launchpad.catalog.model import Build, Model
from launchpad.fit import default
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Accelerator, Machine
from launchpad.wish import Wish

GIB = 1 << 30
BACKEND = "ollama"
CONTEXTS = ((47 * GIB, 262_144), (23 * GIB, 32_768), (0, 4_096))  # by the memory of all GPUs
ONE_SLOT = frozenset(
    {"mllama", "qwen3vl", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe", "nemotron_h"}
)
# Micro-batches by context; a large one is taken only when it leaves that share of the memory free.
BATCHES = ((32_768, 2048, 0.60), (4_096, 1024, 0.75), (0, 512, 1.0))


def default_context(machine: Machine, environment: Mapping[str, str]) -> int:
    """The context that Ollama gives a model when nobody asks for one, in tokens per slot."""
    stated = environment.get("OLLAMA_CONTEXT_LENGTH", "")
    if stated.isdigit() and int(stated):
        return int(stated)
    total = sum(_memory_of(accelerator, machine) for accelerator in machine.accelerators)
    return next(context for least, context in CONTEXTS if total >= least)


def slots(architecture: str, environment: Mapping[str, str]) -> int:
    """Conversations at once; some networks get one whatever is asked for."""
    stated = environment.get("OLLAMA_NUM_PARALLEL", "")
    if architecture in ONE_SLOT or not stated.isdigit():
        return 1
    return max(1, int(stated))


def _memory_of(accelerator: Accelerator, machine: Machine) -> int:
    return accelerator.memory_total or (machine.memory.total or 0 if accelerator.unified else 0)


def ollama_fit(
    model: Model,
    build: Build,
    machine: Machine,
    wish: Wish,
    *,
    environment: Mapping[str, str] | None = None,
    apis: Collection[str] | None = None,
    layout: Layout | None = None,
) -> Fit:
    """How this build fits this machine as Ollama would run it; `environment` holds the server's OLLAMA_* variables."""
    told = environment or {}
    found = layout or layout_from_model(model, build)
    architecture = "" if isinstance(found, UnknownFigure) else found.architecture
    parallel = wish.parallel or slots(architecture, told)
    wanted = structs.replace(
        wish, parallel=parallel, kv_type=wish.kv_type or told.get("OLLAMA_KV_CACHE_TYPE") or "f16"
    )
    asked = wish.context // parallel if wish.context else None
    first = asked or min(default_context(machine, told), model.context or CONTEXTS[-1][1])
    # A context that nobody asked for steps down when it does not fit.
    steps = [first] if asked else [first, *(context for _, context in CONTEXTS if context < first)]
    result: Fit | None = None
    for context in steps:
        result = _with_batch(
            model, build, machine, structs.replace(wanted, context=context * parallel), apis, layout
        )
        if result.placement.kind == "gpu" or (result.runs and not machine.accelerators):
            return result
    assert result is not None
    return result


def _with_batch(
    model: Model,
    build: Build,
    machine: Machine,
    wish: Wish,
    apis: Collection[str] | None,
    layout: Layout | None,
) -> Fit:
    """The fit with the largest micro-batch that Ollama takes for this context."""
    each = (wish.context or 0) // (wish.parallel or 1)
    result: Fit | None = None
    for above, ubatch, share in BATCHES:
        if each <= above:
            continue
        result = default.fit(
            model,
            build,
            machine,
            structs.replace(wish, ubatch=ubatch),
            backend=BACKEND,
            apis=apis,
            layout=layout,
        )
        if result.runs and all(device.total <= share * (device.free or 0) for device in result.devices):
            break
    assert result is not None
    return result

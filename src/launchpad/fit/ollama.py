"""Memory under Ollama: llama.cpp with the server's slots and cache type, and Ollama's micro-batch.

The context is launchpad's, as for every engine, for it goes with every request: Ollama's own default, which depends on
nothing but the memory of all GPUs, holds only where nobody asks. Who set a context for his server or in his model file
gets that. Source: Ollama of 2026-08, which starts a bundled llama-server. Its placement is llama.cpp's own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import structs

from launchpad.catalog.model import Build, Model
from launchpad.fit import default
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

BACKEND = "ollama"
ONE_SLOT = frozenset(
    {"mllama", "qwen3vl", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe", "nemotron_h"}
)
# Micro-batches by context; a large one is taken only when it leaves that share of the memory free.
BATCHES = ((32_768, 2048, 0.60), (4_096, 1024, 0.75), (0, 512, 1.0))


def stated_context(environment: Mapping[str, str]) -> int | None:
    """The context that the server's environment names, in tokens per slot."""
    stated = environment.get("OLLAMA_CONTEXT_LENGTH", "")
    return (int(stated) or None) if stated.isdigit() else None


def slots(architecture: str, environment: Mapping[str, str]) -> int:
    """Conversations at once; some networks get one whatever is asked for."""
    stated = environment.get("OLLAMA_NUM_PARALLEL", "")
    if architecture in ONE_SLOT or not stated.isdigit():
        return 1
    return max(1, int(stated))


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
    for each in _contexts(wish.context, stated_context(told), model.context, parallel):
        result = _with_batch(
            model, build, machine, structs.replace(wanted, context=each * parallel), apis, layout
        )
        if wish.context or result.runs:
            return result
    smallest = structs.replace(wanted, ubatch=BATCHES[-1][1])
    roomy = default.fit(model, build, machine, smallest, backend=BACKEND, apis=apis, layout=layout)
    if not roomy.runs:
        return roomy
    context = roomy.settings.context // parallel * parallel
    return _with_batch(model, build, machine, structs.replace(wanted, context=context), apis, layout)


def _contexts(wished: int | None, stated: int | None, most: int | None, parallel: int) -> tuple[int, ...]:
    """What somebody named, in tokens per slot: a wish as it is, a setting of the server as far as the model goes."""
    if wished:
        return (wished // parallel,)
    return (min(stated, most or stated),) if stated else ()


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

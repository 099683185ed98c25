"""Memory under vLLM: each GPU gives a stated share of all its memory, and what the model leaves of it is KV cache.

    cache = total · utilization - weights - activation - what lies outside of torch - graphs

Source: vLLM 0.21 to 0.33, which measures the last four at start; here they are predicted. Against its published
reports (H100, RTX 5090) the activation is 13 % too small to 9 % too large.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from launchpad.catalog.model import Build, Model
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.pool import Usable, device_name, gpu_reserve, pool
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Speed, Term
from launchpad.hardware.machine import Accelerator, Machine
from launchpad.wish import Wish

GIB = 1 << 30
BACKEND = "vllm"
APIS = ("cuda", "rocm")
UTILIZATION = 0.92  # of all memory; vLLM does not start unless so much is free
BLOCK_TOKENS = 16
LARGE_GPU = 70 * GIB  # from here on vLLM's own batch sizes are larger
OUTSIDE_TORCH = round(0.13 * GIB)
OUTSIDE_TORCH_PARALLEL = round(1.0 * GIB)  # with NCCL; 0.5 to 2 were seen
GRAPHS = round(0.3 * GIB)
SPLITS = (1, 2, 4, 8)
COMFORTABLE_CONTEXT = 32768
LEAST_CONTEXT = 4096


class Options(Struct, frozen=True, kw_only=True):
    """What decides about memory. `batched_tokens` and `sequences` are vLLM's upper limits for one step.

    `cache_bytes` is 2 for 16-bit caches, 1 for fp8.
    """

    batched_tokens: int
    sequences: int
    utilization: float = UTILIZATION
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    eager: bool = False
    cache_bytes: int = 2


class Budget(Struct, frozen=True, kw_only=True):
    """Bytes of one GPU: each term, what is left for the KV cache (negative = too little), and the tokens it holds."""

    weights: int
    activation: int
    outside: int
    graphs: int
    cache: int
    tokens: int


def default_options(total: int, **more: int) -> Options:
    """vLLM's own defaults on a GPU with so many bytes."""
    batched, sequences = (8192, 1024) if total >= LARGE_GPU else (2048, 256)
    return structs.replace(Options(batched_tokens=batched, sequences=sequences), **more)


def budget(layout: Layout, weights: int, total: int, options: Options) -> Budget:
    """The budget of one of the GPUs that share the model equally; `weights` are the bytes of the whole model."""
    ranks = options.tensor_parallel * options.pipeline_parallel
    own = weights // ranks
    activation = activation_bytes(layout, options)
    outside = OUTSIDE_TORCH if ranks == 1 else OUTSIDE_TORCH_PARALLEL
    graphs = 0 if options.eager else GRAPHS
    cache = int(total * options.utilization) - own - activation - outside - graphs
    return Budget(
        weights=own,
        activation=activation,
        outside=outside,
        graphs=graphs,
        cache=cache,
        tokens=_tokens(layout, cache, options),
    )


def activation_bytes(layout: Layout, options: Options) -> int:
    """The peak of one step on one GPU: the widest feed-forward, and logits with what sampling needs beside them."""
    experts = layout.experts.used * layout.experts.ffn if layout.experts else 0
    ffn = max(layout.widest_ffn, experts) // options.tensor_parallel
    return (
        options.batched_tokens * (3 * ffn + 4 * layout.hidden) * 2 + 8 * options.sequences * layout.vocab * 4
    )


def bytes_per_token(layout: Layout, options: Options) -> int:
    """Bytes of KV cache on one GPU that a token keeps as long as its sequence lives."""
    return sum(
        number * _row(layout, kind, options)
        for kind, number in _kinds(layout, options)
        if kind.attends and not kind.windowed
    )


def bytes_per_sequence(layout: Layout, options: Options) -> int:
    """Bytes on one GPU that a sequence of any length keeps: windows and recurrent states."""
    size = 0
    for kind, number in _kinds(layout, options):
        if kind.attends and kind.windowed:
            size += number * _row(layout, kind, options) * (layout.window + options.batched_tokens)
        size += number * 2 * (kind.conv_state + kind.scan_state) // options.tensor_parallel
    return size


def _kinds(layout: Layout, options: Options) -> list[tuple[BlockKind, int]]:
    """Each kind of block with how many of it one GPU holds at most."""
    stages = options.pipeline_parallel
    return [(kind, -(-layout.blocks.count(index) // stages)) for index, kind in enumerate(layout.kinds)]


def _row(layout: Layout, kind: BlockKind, options: Options) -> int:
    """Bytes of one token in one block: KV heads are shared out while there are enough, a compressed row is not."""
    if layout.mla:
        return kind.k_dim * options.cache_bytes
    kv_heads = max(1, round((kind.heads or layout.heads) / max(layout.gqa, 1.0)))
    return (kind.k_dim + kind.v_dim) // min(options.tensor_parallel, kv_heads) * options.cache_bytes


def _tokens(layout: Layout, cache: int, options: Options) -> int:
    """Whole blocks of tokens that the cache holds for one sequence."""
    rest = cache - bytes_per_sequence(layout, options)
    block = bytes_per_token(layout, options) * BLOCK_TOKENS
    return rest // block * BLOCK_TOKENS if block and rest > 0 else 0


def fit(model: Model, build: Build, machine: Machine, wish: Wish, *, layout: Layout | None = None) -> Fit:
    """How a safetensors build fits this machine under vLLM; its speed there is not known before it was measured."""
    found = layout or layout_from_model(model, build)
    if isinstance(found, UnknownFigure):
        return _refused(
            model, build, wish, "unknown", f"the catalog does not state {found.field} of this model"
        )
    usable = pool(machine, APIS, allow_swap=wish.allow_swap)
    sets = list(_device_sets(usable.gpus, found))
    if not sets:
        return _refused(
            model, build, wish, "no", "vLLM needs a GPU with CUDA or ROCm, and none can be used here"
        )
    weights = build.size or found.weights
    most = model.context or COMFORTABLE_CONTEXT
    best: Fit | None = None
    for gpus in sets:
        candidate = _on(gpus, found, weights, wish, most, model, build)
        if candidate.runs:
            return candidate
        best = candidate
    assert best is not None
    return best


def _device_sets(gpus: Sequence[Usable], layout: Layout) -> list[tuple[Usable, ...]]:
    """The roomiest GPU alone, then two, four or eight of one kind, where the heads can be shared out."""
    by_room = sorted(gpus, key=lambda item: item.gpu.free or 0, reverse=True)
    same = [item for item in by_room if item.accelerator.name == by_room[0].accelerator.name]
    return [tuple(same[:number]) for number in SPLITS if number <= len(same) and layout.heads % number == 0]


def utilization(accelerator: Accelerator, free: int) -> float:
    """The share of all memory that vLLM may take: its default, or less where other programs hold memory."""
    total = accelerator.memory_total or free
    share = (free - gpu_reserve(accelerator)) / total
    return max(0.0, min(UTILIZATION, int(share * 100) / 100))


def _on(
    gpus: tuple[Usable, ...],
    layout: Layout,
    weights: int,
    wish: Wish,
    most: int,
    model: Model,
    build: Build,
) -> Fit:
    smallest = min(gpus, key=lambda item: item.gpu.free or 0)
    free = smallest.gpu.free or 0
    total = smallest.accelerator.memory_total or free
    options = structs.replace(
        default_options(total, tensor_parallel=len(gpus)),
        utilization=utilization(smallest.accelerator, free),
    )
    found = budget(layout, weights, total, options)
    context = wish.context or min(most, COMFORTABLE_CONTEXT, max(found.tokens, LEAST_CONTEXT))
    runs = found.cache > 0 and found.tokens >= context
    devices = tuple(_memory(item, found) for item in gpus)
    why = None
    if not runs:
        why = (
            f"vLLM would keep {max(0, found.cache) / GIB:.1f} GiB on {smallest.accelerator.name} for the KV cache: "
            f"{found.tokens} tokens, {context} are needed"
        )
    return Fit(
        model_id=model.id,
        build=build.ref,
        backend=BACKEND,
        settings=Settings(context=context, parallel=wish.parallel or 1, gpu_layers=layout.layers + 1),
        placement=Placement(
            kind="gpu" if runs else "unknown",
            gpu_layers=layout.layers + 1 if runs else 0,
            layers=layout.layers + 1,
            devices=tuple(device_name(item.accelerator) for item in gpus),
        ),
        devices=devices,
        verdict="fits" if runs else "no",
        speed=Speed(),
        why=why,
        notes=(
            f"gpu_memory_utilization {options.utilization:g}, tensor_parallel_size {len(gpus)}",
            f"room for {found.tokens} tokens of all conversations",
            *layout.notes,
        ),
    )


def _memory(usable: Usable, found: Budget) -> DeviceMemory:
    terms = (
        Term(name="weights", bytes=found.weights, basis="formula"),
        Term(name="kv_cache", bytes=max(0, found.cache), basis="formula"),
        Term(name="compute", bytes=found.activation + found.graphs, basis="formula"),
        Term(name="overhead", bytes=found.outside, basis="reserve"),
    )
    return DeviceMemory(
        device=usable.gpu.device, terms=terms, free=usable.gpu.free, reserve=usable.gpu.reserve
    )


def _refused(model: Model, build: Build, wish: Wish, verdict: str, why: str) -> Fit:
    return Fit(
        model_id=model.id,
        build=build.ref,
        backend=BACKEND,
        settings=Settings(context=wish.context or LEAST_CONTEXT),
        placement=Placement(kind="unknown"),
        devices=(),
        verdict="unknown" if verdict == "unknown" else "no",
        why=why,
    )

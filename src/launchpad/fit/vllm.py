"""Memory under vLLM: each GPU gives a stated share of all its memory, and what the model leaves of it is KV cache.

    cache = total · utilization - weights - activation - what lies outside of torch - graphs

Source: vLLM 0.21 to 0.33, which measures the last four at start; here they are predicted. Against its published
reports (H100, RTX 5090) the activation is 13 % too small to 9 % too large.
"""

from __future__ import annotations

from msgspec import Struct, structs

from launchpad.catalog.model import Build, Model
from launchpad.fit.from_shape import UnknownFigure, layout_from_model
from launchpad.fit.layout import BlockKind, Layout
from launchpad.fit.pool import Usable, gpu_reserve
from launchpad.fit.result import DeviceMemory, Fit, KvType, Placement, Settings, Speed, Term
from launchpad.fit.vllm_groups import Group, groups
from launchpad.fit.vllm_speed import vllm_speed
from launchpad.hardware.machine import Accelerator, Api, Machine
from launchpad.wish import Wish

GIB = 1 << 30
BACKEND = "vllm"
APIS: tuple[Api, ...] = ("cuda", "rocm")
UTILIZATION = 0.92  # of all memory; vLLM does not start unless so much is free
BLOCK_TOKENS = 16
LARGE_GPU = 70 * GIB  # from here on vLLM's own batch sizes are larger
OUTSIDE_TORCH = round(0.13 * GIB)
OUTSIDE_TORCH_PARALLEL = round(1.0 * GIB)  # with NCCL; 0.5 to 2 were seen
FP8_BLOCK = 128  # columns and rows that share a scale in the FP8 files that labs publish
GRAPHS = round(0.3 * GIB)
COMFORTABLE_CONTEXT = 32768
LEAST_CONTEXT = 4096
BYTES_PER_PARAMETER = {
    "FP8": 1.03,
    "MXFP8": 1.06,
    "INT8": 1.03,
    "AWQ": 0.58,
    "GPTQ": 0.58,
    "INT4": 0.58,
    "NVFP4": 0.6,
}
"""What published files of these quantizations take in all, parts that stay in 16 bits included: within 4 %."""


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


def vllm_fit(
    model: Model,
    build: Build,
    machine: Machine,
    wish: Wish,
    *,
    layout: Layout | None = None,
    refusal: str | None = None,
    gpus: int | None = None,
) -> Fit:
    """How a safetensors build fits this machine under vLLM, or the cluster that it heads. `refusal` says why none of its GPUs runs it.

    Layers are shared out within a node (tensor parallel) and over the nodes (pipeline parallel). Taken are the fewest GPUs
    that hold the context; where none does, those that hold the longest; or as many as `gpus`, some of them as copies (data
    parallel) where they cannot share a layer, or that does not pay.
    """
    if refusal is not None:
        return refused(model, build, wish, "no", refusal)
    build = sized(build, model)
    found = layout or layout_from_model(model, build)
    if isinstance(found, UnknownFigure):
        return refused(
            model, build, wish, "unknown", f"the catalog does not state {found.field} of this model"
        )
    candidates = groups(machine, found, APIS, allow_swap=wish.allow_swap, number=gpus)
    if not candidates:
        none = "vLLM needs a GPU with CUDA or ROCm, and none can be used here"
        few = f"{gpus} GPUs (vllm.gpus) cannot share it here"
        return refused(model, build, wish, "no", none if gpus is None else few)
    weights = build.size or found.weights
    most = model.context or COMFORTABLE_CONTEXT
    enough = wish.context or min(most, COMFORTABLE_CONTEXT)
    best: Fit | None = None
    for group in candidates:
        candidate = _on(group, found, weights, wish, most, model, build)
        if candidate.runs and candidate.settings.context >= enough:
            return candidate
        if best is None or _holds(candidate) > _holds(best):
            best = candidate
    assert best is not None
    return best


def _holds(fit: Fit) -> tuple[bool, int]:
    return fit.runs, fit.settings.context if fit.runs else max(d.spare or -(1 << 60) for d in fit.devices)


def sized(build: Build, model: Model) -> Build:
    """The build with its usual size, where the catalog does not state it."""
    per_parameter = BYTES_PER_PARAMETER.get(build.quantization.partition(" ")[0].upper())
    if build.size or not per_parameter or not model.parameters:
        return build
    return structs.replace(build, size=int(per_parameter * model.parameters))


def utilization(accelerator: Accelerator, free: int) -> float:
    """The share of all memory that vLLM may take: its default, or less where other programs hold memory."""
    total = accelerator.memory_total or free
    share = (free - gpu_reserve(accelerator)) / total
    return max(0.0, min(UTILIZATION, int(share * 100) / 100))


def _on(
    group: Group,
    layout: Layout,
    weights: int,
    wish: Wish,
    most: int,
    model: Model,
    build: Build,
) -> Fit:
    smallest = min(group.gpus, key=lambda item: item.gpu.free or 0)
    free = smallest.gpu.free or 0
    total = smallest.accelerator.memory_total or free
    options = structs.replace(
        default_options(
            total, tensor_parallel=group.tensor_parallel, pipeline_parallel=group.pipeline_parallel
        ),
        utilization=utilization(smallest.accelerator, free),
        cache_bytes=1 if wish.kv_type == "q8_0" else 2,
    )
    found = budget(layout, weights, total, options)
    context = wish.context or min(most, COMFORTABLE_CONTEXT, max(found.tokens, LEAST_CONTEXT))
    runs = found.cache > 0 and found.tokens >= context
    why = None
    if not runs:
        why = (
            f"vLLM would keep {max(0, found.cache) / GIB:.1f} GiB on {smallest.accelerator.name} for the KV cache: "
            f"{found.tokens} tokens, {context} are needed"
        )
    whole_experts = experts_whole(layout, build, group.tensor_parallel)
    settings = Settings(
        context=context,
        parallel=wish.parallel or 1,
        kv_type_k=_kv_type(options),
        kv_type_v=_kv_type(options),
        gpu_layers=layout.layers + 1,
        memory_share=options.utilization,
    )
    return Fit(
        model_id=model.id,
        build=build.ref,
        backend=BACKEND,
        settings=settings,
        placement=Placement(
            kind="gpu" if runs else "unknown",
            gpu_layers=layout.layers + 1 if runs else 0,
            layers=layout.layers + 1,
            devices=tuple(item.gpu.device for item in group.gpus),
            tensor_parallel=group.tensor_parallel,
            pipeline_parallel=group.pipeline_parallel,
            data_parallel=group.data_parallel,
            expert_parallel=whole_experts is not None,
        ),
        devices=tuple(_memory(item, found) for item in group.gpus),
        verdict="fits" if runs else "no",
        speed=vllm_speed(layout, settings, group) if runs else Speed(),
        why=why,
        notes=(
            f"gpu_memory_utilization {options.utilization:g}, {_parallel(group)}",
            f"room for {found.tokens * group.data_parallel} tokens of all conversations",
            *(why for why in (group.why, whole_experts, group.idle) if why),
            *layout.notes,
        ),
    )


def experts_whole(layout: Layout, build: Build, gpus: int) -> str | None:
    """Why experts are shared out whole over the GPUs of a stage (expert parallel); None where each is cut as a layer is.

    vLLM does not start where a part of an expert is no whole number of the blocks that share a scale.
    """
    experts = layout.experts
    if experts is None or gpus == 1 or not build.quantization.upper().startswith("FP8"):
        return None
    if experts.ffn % (gpus * FP8_BLOCK) == 0 or experts.total % gpus:
        return None
    return f"experts are shared out whole: {experts.ffn} columns cannot be cut into blocks of {FP8_BLOCK} over {gpus} GPUs"


def _kv_type(options: Options) -> KvType:
    """8 bits are fp8 in vLLM; "q8_0" is launchpad's word for them."""
    return "q8_0" if options.cache_bytes == 1 else "f16"


def _parallel(group: Group) -> str:
    sizes = (("pipeline", group.pipeline_parallel), ("data", group.data_parallel))
    more = [f"{name}_parallel_size {size}" for name, size in sizes if size > 1]
    return ", ".join([f"tensor_parallel_size {group.tensor_parallel}", *more])


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


def refused(model: Model, build: Build, wish: Wish, verdict: str, why: str) -> Fit:
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

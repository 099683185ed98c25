"""The memory sum of every device: each term on its own, with what it rests on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct, structs

from launchpad.fit import architectures, compute
from launchpad.fit.kv import kv_bytes, state_bytes
from launchpad.fit.layout import Layout, Projector
from launchpad.fit.offload import offloaded
from launchpad.fit.result import Basis, DeviceMemory, Settings, Term

MIB = 1 << 20

# What a driver, its context and its kernels take beside the engine's buffers, per process and card.
OVERHEAD = {"cuda": 450 * MIB, "rocm": 600 * MIB, "vulkan": 150 * MIB, "metal": 0, "sycl": 450 * MIB}
# The engine's process beside its buffers, libraries included. With it, what is resident of a CPU process after an answer
# equals the sum within 10 %: SmolLM2-135M at 2048 to 8192 tokens, f16 and q8_0, micro-batches of 128 and 512, one and
# four slots (27 to 53 MiB beside the buffers), and networks of the shape of Qwen3-0.6B, Llama-3.2-1B and -3B.
PROCESS_OVERHEAD = 40 * MIB
ROW_PADDING_APIS = frozenset({"cuda", "rocm"})


class Gpu(Struct, frozen=True, kw_only=True):
    """One accelerator as the memory sum sees it. `share` is its part of the blocks; bytes elsewhere."""

    device: str
    api: str
    free: int | None
    reserve: int
    share: float = 1.0
    unified: bool = False


class Host(Struct, frozen=True, kw_only=True):
    """Main memory as the memory sum sees it."""

    free: int | None
    reserve: int
    repacks: bool = True


class Split(Struct, frozen=True, kw_only=True):
    """Which blocks go where: those below `bounds[0]` to main memory, then one range per GPU, in order."""

    bounds: tuple[int, ...]
    output_gpu: int | None

    def blocks(self, gpu: int) -> tuple[int, int]:
        """First block of that GPU and the one after its last."""
        return self.bounds[gpu], self.bounds[gpu + 1]


def split_blocks(layers: int, gpu_layers: int, shares: Sequence[float]) -> Split:
    """llama.cpp's assignment: the last `gpu_layers` of all blocks and the output, by cumulative share."""
    if not gpu_layers or not shares:
        return Split(bounds=(layers,), output_gpu=None)
    first = max(0, layers + 1 - gpu_layers)
    placed = min(gpu_layers, layers + 1)
    if len(shares) == 1:
        return Split(bounds=(first, layers), output_gpu=0)
    total = sum(shares)
    cumulative = [part / total for part in accumulate(shares)]
    owner = [
        min(bisect_right(cumulative, (i - first) / placed), len(shares) - 1) for i in range(first, layers + 1)
    ]
    starts = [first + sum(gpu < index for gpu in owner[:-1]) for index in range(len(shares))]
    return Split(bounds=(*starts, layers), output_gpu=owner[-1])


def memory(
    layout: Layout,
    settings: Settings,
    gpus: Sequence[Gpu],
    host: Host,
    *,
    outputs: int | None = None,
    build: int | None = None,
) -> tuple[DeviceMemory, ...]:
    """The memory sum of every device in use, GPUs first, main memory last.

    `outputs` is the number of tokens whose logits are reserved: what `build` (the number of llama.cpp's build; None is a
    current one, 0 one that does not tell) reserves unless the caller knows better.
    Unified memory is one device: the machine's own.
    """
    if layout.architecture in architectures.NO_FLASH_ATTENTION:
        settings = structs.replace(settings, flash_attention=False)
    converts = any(gpu.api in ROW_PADDING_APIS for gpu in gpus)
    reserved = outputs or compute.outputs(settings, build)
    graph = compute.graph(layout, settings, reserved, converts_cache=converts, build=build)
    if not gpus or not settings.gpu_layers:
        return (_cpu_only(graph, host),)
    split = split_blocks(layout.layers, settings.gpu_layers, [gpu.share for gpu in gpus])
    buffers = offloaded(graph, split.bounds)
    devices = [_on_gpu(graph, gpu, index, split, buffers.gpus[index]) for index, gpu in enumerate(gpus)]
    rest = _beside_gpus(graph, host, split, buffers.host)
    if any(gpu.unified for gpu in gpus):
        return (_merged(layout, devices[0], rest),)
    return (*devices, rest)


def _cpu_only(graph: compute.Graph, host: Host) -> DeviceMemory:
    layout, settings = graph.layout, graph.settings
    weights = layout.weights
    if layout.tied and not settings.mmap and layout.architecture in architectures.TIED_OUTPUT_COPIED:
        weights += layout.token_embd
    terms = [
        Term(name="weights", bytes=weights, basis=layout.weights_basis),
        *_caches(graph, 0, layout.layers, pad=False),
        Term(name="compute", bytes=compute.on_cpu(graph), basis="formula"),
        Term(name="output", bytes=graph.output, basis="exact"),
    ]
    if settings.repack and host.repacks and layout.repack:
        terms.append(Term(name="repack", bytes=layout.repack, basis=layout.weights_basis))
    terms += projector_terms(layout.projector)
    terms.append(Term(name="overhead", bytes=PROCESS_OVERHEAD, basis="reserve"))
    return DeviceMemory(device="cpu", terms=tuple(terms), free=host.free, reserve=host.reserve)


def _on_gpu(graph: compute.Graph, gpu: Gpu, index: int, split: Split, buffer: int) -> DeviceMemory:
    layout, settings = graph.layout, graph.settings
    start, stop = split.blocks(index)
    weights = layout.cumulative_weights[stop] - layout.cumulative_weights[start]
    away = min(max(settings.cpu_moe_layers, start), stop)
    weights -= layout.cumulative_experts[away] - layout.cumulative_experts[start]
    if split.output_gpu == index:
        weights += layout.output_weights
    terms = (
        Term(name="weights", bytes=weights, basis=layout.weights_basis),
        *_caches(graph, start, stop, pad=gpu.api in ROW_PADDING_APIS),
        Term(name="compute", bytes=buffer, basis="formula"),
        *(projector_terms(layout.projector) if index == 0 else ()),
        Term(name="overhead", bytes=OVERHEAD.get(gpu.api, OVERHEAD["cuda"]), basis="reserve"),
    )
    return DeviceMemory(device=gpu.device, terms=terms, free=gpu.free, reserve=gpu.reserve)


def _beside_gpus(graph: compute.Graph, host: Host, split: Split, buffer: int) -> DeviceMemory:
    layout, settings = graph.layout, graph.settings
    first = split.bounds[0]
    weights = layout.host_weights + layout.cumulative_weights[first]
    if settings.cpu_moe_layers > first:
        stop = min(settings.cpu_moe_layers, layout.layers)
        weights += layout.cumulative_experts[stop] - layout.cumulative_experts[first]
    terms = (
        Term(name="weights", bytes=weights, basis=layout.weights_basis),
        *_caches(graph, 0, first, pad=False),
        Term(name="compute", bytes=buffer, basis="formula"),
        Term(name="output", bytes=graph.output, basis="exact"),
        Term(name="overhead", bytes=PROCESS_OVERHEAD, basis="reserve"),
    )
    return DeviceMemory(device="cpu", terms=terms, free=host.free, reserve=host.reserve)


def projector_terms(held: Projector | None) -> tuple[Term, ...]:
    """The vision encoder: on the first GPU in use, else in main memory."""
    if held is None:
        return ()
    return (
        Term(name="projector", bytes=held.weights, basis="exact"),
        Term(name="projector_compute", bytes=held.compute, basis=held.basis),
    )


def _caches(graph: compute.Graph, start: int, stop: int, *, pad: bool) -> list[Term]:
    terms = [
        Term(
            name="kv_cache", bytes=kv_bytes(graph.layout, graph.settings, start, stop, pad=pad), basis="exact"
        )
    ]
    if graph.layout.recurrent:
        state = state_bytes(graph.layout, graph.settings, start, stop)
        terms.append(Term(name="recurrent_state", bytes=state, basis="exact"))
    return terms


def _merged(layout: Layout, gpu: DeviceMemory, rest: DeviceMemory) -> DeviceMemory:
    """One sum for unified memory: weights are mapped once, everything else adds up."""
    basis: dict[str, Basis] = {term.name: term.basis for term in (*gpu.terms, *rest.terms)}
    terms = tuple(
        Term(
            name=name,
            bytes=layout.weights if name == "weights" else gpu.term(name) + rest.term(name),
            basis=basis[name],
        )
        for name in basis
    )
    return DeviceMemory(device=gpu.device, terms=terms, free=gpu.free, reserve=gpu.reserve)

"""Where the layers go: the first arrangement, from the fastest down, whose every device has room for its part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, structs

from launchpad.errors import UsageError
from launchpad.fit.kv import KV_BLOCKS
from launchpad.fit.layout import Layout
from launchpad.fit.memory import Gpu, memory
from launchpad.fit.pool import Pool, Usable, is_tight, short_of
from launchpad.fit.result import DeviceMemory, KvType, Placement, PlacementKind, Settings
from launchpad.wish import Wish

SMALLEST_CONTEXT = 4096
GPU_CONTEXTS = (32768, 16384, 8192)
CPU_CONTEXTS = (16384, 8192)
PARTIAL_CONTEXTS = (8192,)
SMALL_UBATCH = 256
LEAST_SHARE_ON_GPU = 0.1  # below it the traffic between the devices costs what the GPU saves


def _kv_type(name: str | None) -> KvType | None:
    if name is None or name in KV_BLOCKS:
        return name
    raise UsageError(f"{name!r} is not a type for the KV cache", hint=f"choose one of {', '.join(KV_BLOCKS)}")


class Placed(Struct, frozen=True, kw_only=True):
    """One arrangement: what the engine is told, what each device holds, and which accelerators are in use."""

    settings: Settings
    devices: tuple[DeviceMemory, ...]
    placement: Placement
    used: tuple[Usable, ...] = ()

    @property
    def fits(self) -> bool:
        """True when no device lacks memory."""
        return short_of(self.devices) is None


class Request(Struct, frozen=True, kw_only=True):
    """What is to be placed: `contexts` from the most wanted to the least, the last one always the smallest."""

    layout: Layout
    pool: Pool
    asked_context: int | None
    most_context: int
    kv_type: KvType | None
    require_gpu: bool
    threads: int | None
    parallel: int | None = None
    ubatch: int | None = None
    engine_build: int | None = None

    @staticmethod
    def of(
        layout: Layout,
        pool: Pool,
        wish: Wish,
        most_context: int | None,
        threads: int | None,
        engine_build: int | None = None,
    ) -> Request:
        """The request that a wish makes. Raises `UsageError` for a cache type that no engine has."""
        most = most_context or GPU_CONTEXTS[0]
        return Request(
            layout=layout,
            pool=pool,
            asked_context=wish.context,
            most_context=most,
            kv_type=_kv_type(wish.kv_type),
            require_gpu=wish.require_gpu,
            threads=threads,
            parallel=wish.parallel,
            ubatch=wish.ubatch,
            engine_build=engine_build,
        )

    def contexts(self, comfortable: Sequence[int]) -> list[int]:
        """Contexts to try while everything is comfortable: as asked, else the largest sensible ones."""
        if self.asked_context:
            return [self.asked_context]
        return sorted({min(context, self.most_context) for context in comfortable}, reverse=True)

    @property
    def least_context(self) -> int:
        """The context below which nothing is tried."""
        return self.asked_context or min(SMALLEST_CONTEXT, self.most_context)

    def settings(self, context: int) -> Settings:
        """The settings with every knob where it is best."""
        kv = self.kv_type or "f16"
        best = Settings(
            context=context,
            kv_type_k=kv,
            kv_type_v=kv,
            threads=self.threads,
            parallel=self.parallel or 1,
        )
        if self.ubatch is None:
            return best
        # A graph computes no more tokens than the batch that it is a part of.
        return structs.replace(best, ubatch=self.ubatch, batch=max(best.batch, self.ubatch))


def place(request: Request) -> Placed | None:
    """The fastest arrangement that has room, None when there is none."""
    if request.layout.weights > _capacity(request.pool):
        return None
    for arrange in (_on_gpus, _experts_aside, _partly_on_gpu, _on_cpu):
        placed = arrange(request)
        if placed:
            return placed
    return None


def _capacity(pool: Pool) -> int:
    """Bytes that all devices together can take; unified memory is main memory and not added to it."""
    host = max(0, (pool.host.free or 0) - pool.host.reserve)
    return host + sum(_budget(usable.gpu) for usable in pool.gpus if not usable.gpu.unified)


def least(request: Request) -> Placed | None:
    """The arrangement that needs least memory where most is free: what a refusal quotes."""
    settings = _thriftiest(request)
    on_cpu = _placed(request, structs.replace(settings, repack=False), ())
    whole = structs.replace(settings, gpu_layers=request.layout.layers + 1)
    on_gpu = [
        _placed(request, _split(whole, gpus, request.pool), gpus) for gpus in _device_sets(request.pool)
    ]
    if request.require_gpu:
        return max(on_gpu, key=_worst_spare, default=None)
    return max([on_cpu, *on_gpu], key=_worst_spare)


def _worst_spare(placed: Placed) -> int:
    return min(device.spare or 0 for device in placed.devices)


def _thriftiest(request: Request) -> Settings:
    """The settings that need least memory: where they do not fit, no others do."""
    return _economical(request, request.least_context)[-1]


def _economical(request: Request, context: int) -> list[Settings]:
    """The settings for one context, each needing less memory than the one before."""
    settings = request.settings(context)
    steps = [settings]
    if request.kv_type is None and can_quantize_cache(request.layout):
        steps.append(structs.replace(settings, kv_type_k="q8_0", kv_type_v="q8_0"))
    if request.ubatch is None:
        steps.append(structs.replace(steps[-1], ubatch=SMALL_UBATCH))
    return steps


def can_quantize_cache(layout: Layout) -> bool:
    """True when every row of the cache is a whole number of quantization blocks."""
    return all(kind.k_dim % 32 == 0 and kind.v_dim % 32 == 0 for kind in layout.kinds)


def _steps(request: Request, comfortable: Sequence[int]) -> Iterator[Settings]:
    """All settings worth trying, best first: a long context, then economies, then the least context."""
    contexts = request.contexts(comfortable)
    for context in contexts:
        yield request.settings(context)
    for context in dict.fromkeys((contexts[-1], request.least_context)):
        yield from _economical(request, context)


def _device_sets(pool: Pool) -> list[tuple[Usable, ...]]:
    """Each GPU alone, the fastest first, then all that have memory of their own together."""
    by_speed = sorted(
        pool.gpus, key=lambda usable: (usable.accelerator.bandwidth or 0, usable.gpu.free or 0), reverse=True
    )
    sets: list[tuple[Usable, ...]] = [(usable,) for usable in by_speed]
    discrete = tuple(usable for usable in pool.gpus if not usable.gpu.unified)
    return [*sets, discrete] if len(discrete) > 1 else sets


def _split(settings: Settings, gpus: tuple[Usable, ...], pool: Pool) -> Settings:
    """Tell the engine which accelerators to use, and in what proportion, when there is more than one."""
    usable = pool.gpus
    if len(usable) < 2:
        return settings
    shares = tuple(float(_budget(item.gpu)) if item in gpus else 0.0 for item in usable)
    total = sum(shares)
    if not total:
        return settings
    return structs.replace(settings, tensor_split=tuple(round(share / total, 4) for share in shares))


def _budget(gpu: Gpu) -> int:
    return max(0, (gpu.free or 0) - gpu.reserve)


def _placed(request: Request, settings: Settings, gpus: tuple[Usable, ...]) -> Placed:
    layout, pool = request.layout, request.pool
    shared = [_with_share(usable, settings, pool) for usable in gpus]
    devices = memory(layout, settings, shared, pool.host, build=request.engine_build)
    kind: PlacementKind = "cpu"
    if gpus:
        whole = settings.gpu_layers > layout.layers and not settings.cpu_moe_layers
        kind = "gpu" if whole else "partial"
    placement = Placement(
        kind=kind,
        gpu_layers=settings.gpu_layers if gpus else 0,
        layers=layout.layers + 1,
        devices=tuple(usable.gpu.device for usable in gpus) or ("cpu",),
    )
    return Placed(settings=settings, devices=devices, placement=placement, used=gpus)


def _with_share(usable: Usable, settings: Settings, pool: Pool) -> Gpu:
    if not settings.tensor_split:
        return usable.gpu
    return structs.replace(usable.gpu, share=settings.tensor_split[pool.gpus.index(usable)])


def _on_gpus(request: Request) -> Placed | None:
    """Everything on GPUs."""
    layers = request.layout.layers

    def attempt(settings: Settings, gpus: tuple[Usable, ...]) -> Placed:
        whole = structs.replace(settings, gpu_layers=layers + 1)
        return _placed(request, _split(whole, gpus, request.pool), gpus)

    thrifty = _thriftiest(request)
    least_bytes = request.layout.weights - request.layout.host_weights
    sets = [
        gpus
        for gpus in _device_sets(request.pool)
        if least_bytes <= sum(_budget(usable.gpu) for usable in gpus)
    ]
    sets = [gpus for gpus in sets if attempt(thrifty, gpus).fits]
    for settings in _steps(request, GPU_CONTEXTS) if sets else ():
        for gpus in sets:
            placed = attempt(settings, gpus)
            if placed.fits:
                return placed
    return None


def _experts_aside(request: Request) -> Placed | None:
    """All attention on GPUs, the experts of as few blocks as possible in main memory."""
    if not request.layout.experts:
        return None
    layers = request.layout.layers

    def with_experts_aside(settings: Settings, number: int) -> Settings:
        return structs.replace(settings, gpu_layers=layers + 1, cpu_moe_layers=number)

    return _searched(request, with_experts_aside, range(1, layers + 1))


def _partly_on_gpu(request: Request) -> Placed | None:
    """As many of the last blocks as possible on GPUs, the others in main memory."""
    layers = request.layout.layers
    fewest = max(1, round(layers * LEAST_SHARE_ON_GPU))

    def with_layers(settings: Settings, left_out: int) -> Settings:
        return structs.replace(settings, gpu_layers=layers + 1 - left_out)

    return _searched(request, with_layers, range(1, layers + 2 - fewest))


def _searched(request: Request, change: Callable[[Settings, int], Settings], steps: range) -> Placed | None:
    """The smallest change, of steps that each free more GPU memory, with which everything has room.

    Unified memory is left out: nothing is gained by moving weights within the same memory.
    """

    def attempt(settings: Settings, number: int, gpus: tuple[Usable, ...]) -> Placed:
        return _placed(request, _split(change(settings, number), gpus, request.pool), gpus)

    thrifty = _thriftiest(request)
    sets = [gpus for gpus in _device_sets(request.pool) if not any(usable.gpu.unified for usable in gpus)]
    sets = [gpus for gpus in sets if _gpus_fit(attempt(thrifty, steps[-1], gpus))]
    for settings in _steps(request, PARTIAL_CONTEXTS) if sets else ():
        found = [_smallest(settings, steps, gpus, attempt) for gpus in sets]
        fitting = [placed for placed in found if placed and placed.fits]
        if fitting:
            return min(fitting, key=_host_weights)
    return None


def _smallest(
    settings: Settings,
    steps: range,
    gpus: tuple[Usable, ...],
    attempt: Callable[[Settings, int, tuple[Usable, ...]], Placed],
) -> Placed | None:
    """The first step at which the GPUs have room, by bisection."""
    if not _gpus_fit(attempt(settings, steps[-1], gpus)):
        return None
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _gpus_fit(attempt(settings, steps[middle], gpus)) else (middle + 1, high)
    return attempt(settings, steps[low], gpus)


def _host_weights(placed: Placed) -> int:
    return placed.devices[-1].term("weights")


def _gpus_fit(placed: Placed) -> bool:
    """True when the GPUs have room and keep the usual margin: a partial offload can always leave one layer more."""
    return all(device.device == "cpu" or not is_tight(device) for device in placed.devices)


def _on_cpu(request: Request) -> Placed | None:
    """Everything in main memory; the faster, repacked copy of the weights goes before the context does."""
    if request.require_gpu or request.pool.host.free is None:
        return None
    if not _placed(request, structs.replace(_thriftiest(request), repack=False), ()).fits:
        return None
    for settings in _steps(request, CPU_CONTEXTS):
        for repack in (True, False):
            placed = _placed(request, structs.replace(settings, repack=repack), ())
            if placed.fits:
                return placed
    return None

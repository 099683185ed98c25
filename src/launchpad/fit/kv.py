"""KV cache and recurrent state of llama.cpp, exact to the byte."""

from __future__ import annotations

from msgspec import Struct

from launchpad.fit.architectures import CACHED_WITHOUT_HEADS
from launchpad.fit.layout import Layout
from launchpad.fit.result import KvType, Settings

# Elements per block and bytes per block of each cache type (ggml's type table).
KV_BLOCKS: dict[KvType, tuple[int, int]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
}

CELLS_MULTIPLE = 256  # llama.cpp pads the number of cells of a cache to this
ROW_MULTIPLE = 512  # CUDA and HIP pad rows of quantized tensors to this many elements
GPU_ALIGNMENT = 128  # bytes to which a GPU backend rounds each tensor
FLOAT = 4


def padded(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `value`."""
    return -(-value // multiple) * multiple


def row_bytes(elements: int, kv_type: KvType) -> int:
    """Bytes of so many elements of a cache type, whole blocks."""
    per_block, size = KV_BLOCKS[kv_type]
    return -(-elements // per_block) * size


class Cells(Struct, frozen=True):
    """Cells of the caches for all streams together, and how many one stream holds."""

    streams: int
    full: int
    windowed: int


def context_tokens(settings: Settings) -> int:
    """The context that the engine really allocates: rounded up to whole cache pages."""
    return padded(settings.context, CELLS_MULTIPLE)


def micro_batch(settings: Settings) -> int:
    """Tokens that one graph computes at once."""
    return min(settings.ubatch, settings.batch, context_tokens(settings))


def cells(layout: Layout, settings: Settings) -> Cells:
    """Cells per stream of the full and the windowed cache (llama.cpp's `n_stream` and `kv_size`).

    Without a cache they are the tokens of one micro-batch: those that attention sees.
    """
    if not layout.cached:
        tokens = micro_batch(settings)
        return Cells(1, tokens, tokens)
    context = context_tokens(settings)
    streams = 1 if settings.kv_unified else settings.parallel
    full = context if settings.kv_unified else padded(context // settings.parallel, CELLS_MULTIPLE)
    windowed = full
    if not settings.swa_full:
        sequences = settings.parallel if settings.kv_unified else 1
        needed = layout.window * sequences + micro_batch(settings)
        windowed = padded(min(full, needed), CELLS_MULTIPLE)
    return Cells(streams, full, windowed)


def kv_bytes(
    layout: Layout, settings: Settings, start: int = 0, stop: int | None = None, *, pad: bool = False
) -> int:
    """Bytes of the KV cache of blocks start ≤ i < stop.

    `pad` adds what CUDA and HIP append to quantized rows. Without flash attention V is stored transposed, and every
    block gets the largest V row of the model.
    """
    if not layout.cached:
        return 0
    stop = layout.layers if stop is None else stop
    sizes = cells(layout, settings)
    widest_v = 0 if settings.flash_attention else layout.widest_v
    total = 0
    for index, kind in enumerate(layout.kinds):
        headless = layout.architecture in CACHED_WITHOUT_HEADS and not kind.recurrent
        if not kind.attends and not headless:
            continue
        number = layout.count(index, start, stop)
        if number:
            rows = sizes.streams * (sizes.windowed if kind.windowed else sizes.full)
            v_dim = max(kind.v_dim, widest_v) if kind.v_dim or headless else 0
            total += number * (
                _cache_bytes(kind.k_dim, rows, settings.kv_type_k, pad)
                + _cache_bytes(v_dim, rows, settings.kv_type_v, pad)
            )
    return total


def _cache_bytes(elements: int, rows: int, kv_type: KvType, pad: bool) -> int:
    if not elements:
        return 0
    size = row_bytes(elements, kv_type) * rows
    rest = elements % ROW_MULTIPLE
    if pad and rest and KV_BLOCKS[kv_type][0] > 1:
        size += row_bytes(ROW_MULTIPLE - rest, kv_type)
    return padded(size, GPU_ALIGNMENT) if pad else size


def state_bytes(layout: Layout, settings: Settings, start: int = 0, stop: int | None = None) -> int:
    """Bytes of the recurrent state of blocks start ≤ i < stop, 32-bit floats, one per slot, whatever the context."""
    stop = layout.layers if stop is None else stop
    floats = sum(
        layout.count(index, start, stop) * (kind.conv_state + kind.scan_state)
        for index, kind in enumerate(layout.kinds)
        if kind.recurrent
    )
    return settings.parallel * FLOAT * floats

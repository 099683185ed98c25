"""Feeds damaged GGUF headers to the reader and the layout: `python bench/fit/mutate_headers.py --count 1000000`.

Each header is an honest one with bytes flipped, numbers replaced, parts cut, moved or repeated, or one that was put
together from the keys that the fit reads, with values of any type and size. Everything must end in a layout or in
`BadModelFile`. Prints one JSON object: other exceptions (with the seed that repeats each), the slowest header in
seconds of processor time, and by how many bytes the process grew.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from launchpad.errors import BadModelFile
from launchpad.fit import layout_from_gguf
from launchpad.fit.architectures import PURE_RECURRENT, RECURRENT_WITHOUT_KV_HEADS, WINDOW_PERIOD
from launchpad.gguf import Truncated, read_header
from launchpad.gguf.ggml import TENSOR_TYPES
from launchpad.gguf.reader import (
    LONGEST_KEPT_ARRAY,
    MOST_BLOCKS,
    MOST_KEYS,
    MOST_STRING_BYTES,
    MOST_STRINGS,
    MOST_TENSORS,
)

SLOW = 0.1  # seconds of processor time
ALIGNMENT = 32
NUMBERS = (
    0,
    1,
    2,
    31,
    33,
    255,
    1 << 15,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 62,
    (1 << 64) - 1,
)
SIZES = (1 << 20, 1 << 30, 1 << 40)
SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
STRING, ARRAY = 8, 9
ARCHITECTURES = (
    "llama", "qwen35moe", "deepseek2", "rwkv7", "falcon-h1", "lfm2", "gemma3n", "llama4", "no-such",
    *sorted(PURE_RECURRENT | RECURRENT_WITHOUT_KV_HEADS | set(WINDOW_PERIOD)),
)  # fmt: skip
FIGURES = (
    "block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length", "attention.key_length_swa", "attention.value_length_swa",
    "attention.key_length_mla", "attention.kv_lora_rank", "attention.sliding_window",
    "attention.sliding_window_pattern", "attention.shared_kv_layers", "rope.dimension_count", "vocab_size",
    "expert_count", "expert_used_count", "expert_feed_forward_length", "nextn_predict_layers",
    "full_attention_interval", "embedding_length_per_layer_input", "shortconv.l_cache", "wkv.head_size",
    "token_shift_count", "ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.group_count",
    "ssm.time_step_rank", "kda.head_dim", "context_length",
)  # fmt: skip
PARTS = (
    "attn_q",
    "attn_k",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
    "ffn_gate_exps",
    "ffn_up_exps",
    "ffn_down_shexp",
)


def text(value: bytes) -> bytes:
    """A string as GGUF stores it."""
    return struct.pack("<Q", len(value)) + value


def scalar(dice: random.Random, kind: int, plausible: bool) -> bytes:
    """One value of a kind: of a size that real models have, or any."""
    layout = SCALARS[kind]
    if plausible and kind in (4, 5, 10, 11):
        return struct.pack(layout, dice.choice((1, 2, 4, 8, 16, 32, 64, 128, 512, 4096)))
    return dice.randbytes(struct.calcsize(layout))


def value(dice: random.Random, wildness: float) -> bytes:
    """A typed value: a plausible count, or with the probability `wildness` anything."""
    if dice.random() >= wildness:
        return struct.pack("<I", 4) + scalar(dice, 4, plausible=True)
    luck = dice.random()
    if luck < 0.4:
        kind = dice.choice(tuple(SCALARS))
        return struct.pack("<I", kind) + scalar(dice, kind, plausible=False)
    if luck < 0.6:
        return struct.pack("<I", STRING) + text(dice.randbytes(dice.randrange(12)))
    kind = dice.choice(tuple(SCALARS))
    length = dice.choice((0, 1, 2, 4, 8, 16, 32, 5000))
    entries = b"".join(scalar(dice, kind, plausible=True) for _ in range(length))
    return struct.pack("<IIQ", ARRAY, kind, length) + entries


def made_up(dice: random.Random) -> bytes:
    """A well-formed header with keys of the fit and figures that need not make sense."""
    name = dice.choice(ARCHITECTURES)
    keys = [text(b"general.architecture") + struct.pack("<I", STRING) + text(name.encode())]
    wanted = set(dice.sample(FIGURES, dice.randrange(len(FIGURES)))) | set(FIGURES[: dice.choice((0, 5, 5))])
    wildness = dice.choice((0.0, 0.02, 0.1, 0.5))
    keys += [text(f"{name}.{figure}".encode()) + value(dice, wildness) for figure in sorted(wanted)]
    tensors, offset = [], 0
    for number in range(dice.randrange(12)):
        kind = dice.choice((0, 1, 8, 12, dice.choice(tuple(TENSOR_TYPES))))
        dims = (256, dice.choice((1, 8, 64)), dice.choice((1, 4)))[: dice.randrange(1, 4)]
        part = dice.choice(
            ("token_embd", "output", f"blk.{dice.choice((0, 1, 9, 9999))}.{dice.choice(PARTS)}")
        )
        spelled = text(f"{part}{number or ''}.weight".encode())
        tensors.append(
            spelled
            + struct.pack(
                f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset if dice.random() >= wildness / 10 else 7
            )
        )
        offset += 1 << 20
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % ALIGNMENT)


def flip(dice: random.Random, data: bytearray) -> None:
    """Change single bytes."""
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        data[dice.randrange(len(data))] = dice.randrange(256)


def renumber(dice: random.Random, data: bytearray) -> None:
    """Put a telling number anywhere."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.randrange(len(data))
        data[at : at + 8] = struct.pack("<Q", dice.choice(NUMBERS))


def cut(dice: random.Random, data: bytearray) -> None:
    """End early, or leave a part out."""
    at = dice.randrange(len(data))
    del data[at : dice.choice((len(data), at + dice.randrange(1, 64)))]


def repeat(dice: random.Random, data: bytearray) -> None:
    """Copy a part over, or into, another place."""
    start = dice.randrange(len(data))
    piece = data[start : start + dice.randrange(1, 256)]
    at = dice.randrange(len(data))
    data[at : at + dice.choice((0, len(piece)))] = piece


MUTATIONS: tuple[Callable[[random.Random, bytearray], None], ...] = (flip, renumber, cut, repeat)


def specimen(seed: int, honest: Sequence[bytes]) -> tuple[bytes, int]:
    """The header of this seed, and the size that its file pretends to have."""
    dice = random.Random(seed)
    base = dice.choice(honest) if honest and dice.random() < 0.02 else made_up(dice)
    data = bytearray(base)
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        if data:
            dice.choice(MUTATIONS)(dice, data)
    return bytes(data), max(len(data), dice.choice((len(data), *SIZES)))


def judge(data: bytes, size: int) -> str:
    """How it ended: "layout", "refused", "truncated" (also a refusal), or the name of what must not happen."""
    try:
        layout_from_gguf(read_header(data, size=size))
    except Truncated:
        return "truncated"
    except BadModelFile:
        return "refused"
    except Exception as error:
        return type(error).__name__
    return "layout"


def peak() -> int:
    """Most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux it starts with what the parent process held when it forked.
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def header_bytes(path: Path) -> bytes:
    """The part of a file before its weights."""
    with path.open("rb") as file:
        return file.read(read_header(path).data_offset)


def largest() -> bytes:
    """The largest header that the reader allows: every limit reached at once."""
    figures = {"block_count": MOST_BLOCKS, "embedding_length": 4096, "attention.head_count": 32}
    keys = [text(b"general.architecture") + struct.pack("<I", STRING) + text(b"qwen3")]
    keys += [
        text(f"qwen3.{figure}".encode()) + struct.pack("<II", 4, value) for figure, value in figures.items()
    ]
    token = text(b"t" * (MOST_STRING_BYTES // MOST_STRINGS - 8))
    keys.append(text(b"tokens") + struct.pack("<IIQ", ARRAY, STRING, MOST_STRINGS) + token * MOST_STRINGS)
    entries = b"\1\0\0\0" * LONGEST_KEPT_ARRAY
    for figure in ("attention.head_count_kv", "feed_forward_length", "attention.sliding_window_pattern"):
        keys.append(
            text(f"qwen3.{figure}".encode()) + struct.pack("<IIQ", ARRAY, 4, LONGEST_KEPT_ARRAY) + entries
        )
    while len(keys) < MOST_KEYS:
        keys.append(
            text(b"array%d" % len(keys)) + struct.pack("<IIQ", ARRAY, 4, LONGEST_KEPT_ARRAY) + entries
        )
    tensors = [
        text(b"blk.%d.%d.ffn_down.weight" % (number % MOST_BLOCKS, number))
        + struct.pack("<IQQIQ", 2, 32, 1, 0, 128 * number)
        for number in range(MOST_TENSORS)
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)
    return head + b"\0" * (-len(head) % ALIGNMENT + 128 * MOST_TENSORS)


def measure_largest(path: Path) -> dict[str, object]:
    """Processor time and memory of reading that file in this process, which has read nothing before."""
    begin, times = peak(), []
    for _ in range(5):
        start = time.process_time()
        layout_from_gguf(read_header(path))
        times.append(time.process_time() - start)
    return {
        "file_bytes": path.stat().st_size,
        "seconds": [round(took, 4) for took in times],
        "grown_bytes": peak() - begin,
        "peak_bytes": peak(),
    }


def main() -> int:
    """Run and report; exit code 1 when something happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--honest", type=Path, nargs="*", default=[], help="GGUF files whose headers to damage too"
    )
    parser.add_argument(
        "--write-largest", type=Path, help="write the largest header that is allowed, and end"
    )
    parser.add_argument("--read", type=Path, help="measure reading this file, and end")
    arguments = parser.parse_args()
    if arguments.write_largest:
        arguments.write_largest.write_bytes(largest())
        return 0
    if arguments.read:
        print(json.dumps(measure_largest(arguments.read), indent=1))
        return 0
    honest = [header_bytes(path) for path in arguments.honest]
    judge(*specimen(0, honest))
    begin, ends, bad, slow, slowest = peak(), Counter[str](), [], [], 0.0
    for seed in range(arguments.first, arguments.first + arguments.count):
        data, size = specimen(seed, honest)
        start = time.process_time()
        end = judge(data, size)
        took = time.process_time() - start
        ends[end] += 1
        slowest = max(slowest, took)
        if end not in ("layout", "refused", "truncated"):
            bad.append((seed, end))
        if took > SLOW:
            slow.append((seed, round(took, 3)))
    report = {
        "headers": arguments.count,
        "ends": dict(ends),
        "other_exceptions": bad[:20],
        "slower_than_100_ms": slow[:20],
        "slowest_seconds": round(slowest, 4),
        "grown_bytes": peak() - begin,
        "peak_bytes": peak(),
    }
    print(json.dumps(report, indent=1))
    return 1 if bad or slow else 0


if __name__ == "__main__":
    sys.exit(main())

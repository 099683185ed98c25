"""Our memory sums against the embedded llama.cpp, for architectures written as files of true shape.

    python bench/fit/synthetic.py MODELS.json [NAME …]

MODELS.json is in the format of `tests/fit/data/engine_cases.json`: metadata of each model and the names of tensors that
the engine does not insist on. All others it names itself: a load fails with the name of the missing tensor, or with
the dimensions that it expects, until the file is complete.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from facts import Row, load
from msgspec import Struct
from sparse_gguf import SparseTensor, natural_type, write

from launchpad.fit.from_gguf import layout_from_gguf
from launchpad.fit.memory import Host, memory
from launchpad.fit.result import Settings

MIB = 1 << 20
CHILD = Path(__file__).with_name("engine_child.py")
TIMEOUT = 60.0  # s
MISSING = re.compile(r"tensor '([^']+)' (?:not found|has wrong shape; expected ([^;]*?), got)")
COMPUTE = re.compile(r"sched_reserve: +CPU compute buffer size = +([\d.]+) MiB")
CACHE = re.compile(r"(?:llama_kv_cache\S*|llama_memory_recurrent): size = +([\d.]+) MiB")
WEIGHTS = re.compile(r"\| +- Host [^=]*= +(\d+) \+")
UNKNOWN_DIMS = (7,)  # provokes the engine into naming the right ones

CASES: tuple[Settings, ...] = tuple(
    Settings(
        context=context,
        parallel=slots,
        kv_unified=unified,
        kv_type_k=kv_type,
        kv_type_v=kv_type,
        ubatch=ubatch,
        flash_attention=flash,
        mmap=False,
        repack=False,
    )
    for context, slots, unified, kv_type, ubatch, flash in (
        (4096, 1, True, "f16", 512, True),
        (32768, 1, True, "f16", 512, True),
        (16384, 4, False, "f16", 512, True),
        (16384, 4, True, "f16", 512, True),
        (8192, 1, True, "q8_0", 512, True),
        (8192, 1, True, "f16", 128, True),
        (32768, 1, True, "f16", 2048, True),
        (8192, 1, True, "f16", 512, False),
        (32768, 2, True, "f16", 512, False),
    )
)


class File(Struct, frozen=True):
    """What a model file would hold."""

    metadata: dict[str, object]
    tensors: tuple[SparseTensor, ...]


def ask(path: Path, settings: Settings) -> str:
    """The engine's log of a dry run."""
    wanted: dict[str, object] = {
        "n_ctx": settings.context,
        "n_parallel": settings.parallel,
        "kv_unified": settings.kv_unified,
        "n_ubatch": settings.ubatch,
        "flash_attn_type": "ENABLED" if settings.flash_attention else "DISABLED",
        "cache_type_k": settings.kv_type_k,
        "cache_type_v": settings.kv_type_v,
    }
    log = path.with_suffix(".log")
    command = [sys.executable, "-P", str(CHILD), str(path), json.dumps(wanted), str(log)]
    subprocess.run(command, check=False, timeout=TIMEOUT)
    return log.read_text(errors="replace")


def complete(path: Path, metadata: dict[str, object], optional: list[str]) -> File:
    """Write the file again and again until the engine misses nothing. Raises `RuntimeError` when it never says what."""
    architecture = metadata["general.architecture"]
    vocab, hidden = metadata[f"{architecture}.vocab_size"], metadata[f"{architecture}.embedding_length"]
    dims: dict[str, tuple[int, ...]] = {"token_embd.weight": (int(str(hidden)), int(str(vocab)))}
    dims |= dict.fromkeys(optional, UNKNOWN_DIMS)
    while True:
        tensors = tuple(SparseTensor(name, size, natural_type(name, size)) for name, size in dims.items())
        write(path, metadata, tensors)
        log = ask(path, CASES[0])
        found = MISSING.search(log)
        if not found:
            if "error loading model" in log:
                raise RuntimeError(log[log.index("error loading model") :].partition("\n")[0])
            return File(metadata, tensors)
        _learn(dims, found[1], found[2])


def _learn(dims: dict[str, tuple[int, ...]], name: str, expected: str | None) -> None:
    """Add the tensor as in the block before, or take over its dimensions, in all later blocks too."""
    part = re.sub(r"^blk\.\d+\.", "", name)
    same = [other for other in dims if other.startswith("blk.") and other.endswith(f".{part}")]
    if expected is None:
        dims[name] = dims[same[-1]] if same else UNKNOWN_DIMS
        return
    sizes = [int(size) for size in re.findall(r"\d+", expected)]
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    for other in (name, *same):
        if dims.get(other) == dims.get(name) or other == name:
            dims[other] = tuple(sizes)


def compare(path: Path, file: File) -> Iterator[tuple[float, float, float]]:
    """Weights and caches: our bytes less the engine's, in MiB; compute: the relative error."""
    layout = layout_from_gguf(file)
    for settings in CASES:
        log = ask(path, settings)
        weights, compute = WEIGHTS.search(log), COMPUTE.findall(log)
        if not weights or not compute:
            continue  # the crash was faster than the log
        (ours,) = memory(layout, settings, [], Host(free=None, reserve=0, repacks=False))
        cache = ours.term("kv_cache") + ours.term("recurrent_state")
        yield (
            ours.term("weights") / MIB - float(weights[1]),
            cache / MIB - sum(float(size) for size in CACHE.findall(log)),
            ours.term("compute") / MIB / float(compute[-1]) - 1,
        )


def metadata_of(model: Row) -> dict[str, object]:
    """All keys of the header; values that repeat are stored as runs."""
    name = model["architecture"]
    plain = {"general.architecture": name, "tokenizer.ggml.model": "none"}
    for key, value in model["metadata"].items():
        if isinstance(value, dict):
            value = [item for item, number in value["runs"] for _ in range(number)]
        plain[f"{name}.{key}"] = value
    return plain


def optional_of(model: Row) -> list[str]:
    """Names of tensors to add: `[first, stop]` means in these blocks, an empty list outside of blocks."""
    names = []
    for part, blocks in model["optional"].items():
        names += [f"blk.{block}.{part}" for block in range(*blocks)] if blocks else [part]
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print(f"{'model':24} {'cases':>5} {'weights MiB':>12} {'cache MiB':>10} {'compute %':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for model in load(options.models)["models"]:
            if options.names and model["name"] not in options.names:
                continue
            path = Path(folder) / "model.gguf"
            rows = list(compare(path, complete(path, metadata_of(model), optional_of(model))))
            worst = [max((abs(row[index]) for row in rows), default=0.0) for index in (0, 1)]
            error = mean(abs(row[2]) for row in rows) if rows else 0.0
            print(f"{model['name']:24} {len(rows):5} {worst[0]:12.2f} {worst[1]:10.2f} {100 * error:10.2f}")


if __name__ == "__main__":
    main()

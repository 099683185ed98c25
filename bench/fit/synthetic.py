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
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from statistics import mean

from facts import Row, load
from msgspec import Struct, structs, to_builtins
from sparse_gguf import SparseTensor, natural_type, write

from launchpad.fit.from_gguf import layout_from_gguf
from launchpad.fit.memory import Host, memory
from launchpad.fit.result import DeviceMemory, KvType, Settings
from launchpad.fit.tensors import sum_weights

MIB = 1 << 20
CHILD = Path(__file__).with_name("engine_child.py")
MISSING = re.compile(r"tensor '([^']+)' (?:not found|has wrong shape; expected ([^;]*?), got)")
COMPUTE = re.compile(r"sched_reserve: +CPU compute buffer size = +([\d.]+) MiB")
KV = re.compile(r"llama_kv_cache\S*: size = +([\d.]+) MiB")
STATE = re.compile(r"llama_memory_recurrent: size = +([\d.]+) MiB")
WEIGHTS = re.compile(r"\| +- Host [^=]*= +(\d+) \+")
CASE = [
    *("context", "slots", "unified", "flash_attention", "ubatch"),
    *("kv_type", "weights_mib", "kv_mib", "state_mib", "compute_mib"),
]
KEPT_SUMS = ("token_embd", "output", "tied", "per_layer_embd", "vocab", "gated", "rope_factors")
UNKNOWN_DIMS = (7,)  # provokes the engine into naming the right ones

VARIANTS: tuple[tuple[int, int, bool, KvType, int, bool], ...] = (
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
    for context, slots, unified, kv_type, ubatch, flash in VARIANTS
)

PAIRS: tuple[tuple[KvType, KvType], ...] = (
    ("q4_0", "q4_0"),
    ("q8_0", "q4_0"),
    ("f16", "q8_0"),
    ("q5_1", "q5_0"),
    ("q4_1", "iq4_nl"),
    ("bf16", "bf16"),
)
CACHES: tuple[Settings, ...] = tuple(
    structs.replace(CASES[0], context=16384, parallel=slots, kv_unified=False, kv_type_k=k, kv_type_v=v)
    for slots in (1, 4)
    for k, v in PAIRS
)


class File(Struct, frozen=True):
    """What a model file would hold."""

    metadata: dict[str, object]
    tensors: tuple[SparseTensor, ...]


class Engine:
    """The embedded llama.cpp: one process that forks for each question. Use as a context manager."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", str(CHILD)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ending = ""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, path: Path, settings: Settings) -> str:
        """The log of a dry run; `ending` is then how the process ended."""
        log = path.with_suffix(".log")
        question = {"path": str(path), "log": str(log), "parameters": parameters(settings)}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        self.ending = self.process.stdout.readline().strip()
        return log.read_text(errors="replace")


def parameters(settings: Settings) -> dict[str, object]:
    """xllamacpp's names of these settings."""
    return {
        "n_ctx": settings.context,
        "n_parallel": settings.parallel,
        "kv_unified": settings.kv_unified,
        "n_ubatch": settings.ubatch,
        "flash_attn_type": "ENABLED" if settings.flash_attention else "DISABLED",
        "cache_type_k": settings.kv_type_k,
        "cache_type_v": settings.kv_type_v,
    }


def complete(
    engine: Engine,
    path: Path,
    metadata: dict[str, object],
    optional: list[str],
    given: dict[str, list[int]] | None = None,
) -> File:
    """Write the file again and again until the engine misses nothing. Raises `RuntimeError` when it never says what.

    `given` are the dimensions of tensors that the engine reads before it can complain of them.
    """
    architecture = metadata["general.architecture"]
    vocab, hidden = metadata[f"{architecture}.vocab_size"], metadata[f"{architecture}.embedding_length"]
    dims: dict[str, tuple[int, ...]] = {"token_embd.weight": (int(str(hidden)), int(str(vocab)))}
    dims |= dict.fromkeys(optional, UNKNOWN_DIMS)
    dims |= {name: tuple(size) for name, size in (given or {}).items()}
    while True:
        tensors = tuple(SparseTensor(name, size, natural_type(name, size)) for name, size in dims.items())
        write(path, metadata, tensors)
        log = engine.ask(path, CASES[0])
        found = MISSING.search(log)
        if not found:
            if engine.ending == "refused" and "error loading model" not in log:
                continue  # its log was cut off
            if engine.ending == "refused":
                raise RuntimeError(log[log.find("error loading model") :].partition("\n")[0])
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


class Answer(Struct, frozen=True):
    """What the engine says of one case, in MiB, beside our sum."""

    settings: Settings
    weights: float
    kv: float
    state: float
    compute: float
    ours: DeviceMemory

    @property
    def errors(self) -> tuple[float, float, float]:
        """Weights and caches: our MiB less the engine's; compute: the relative error."""
        cache = self.ours.term("kv_cache") + self.ours.term("recurrent_state")
        return (
            self.ours.term("weights") / MIB - self.weights,
            cache / MIB - self.kv - self.state,
            self.ours.term("compute") / MIB / self.compute - 1,
        )

    def record(self) -> list[object]:
        """The case as `engine_cases.json` holds it."""
        told = self.settings
        numbers = (told.context, told.parallel, int(told.kv_unified), int(told.flash_attention), told.ubatch)
        types = dict.fromkeys((told.kv_type_k, told.kv_type_v))  # "q8_0", or "q8_0/q4_0" where V has another
        return [*numbers, "/".join(types), self.weights, self.kv, self.state, self.compute]


def answers(engine: Engine, path: Path, file: File, cases: Iterable[Settings] = CASES) -> Iterator[Answer]:
    """Every case that the engine answers."""
    layout = layout_from_gguf(file)
    for settings in cases:
        log = engine.ask(path, settings)
        weights, compute = WEIGHTS.search(log), COMPUTE.findall(log)
        if not weights or not compute:
            continue  # the engine refuses it, or crashed
        (ours,) = memory(layout, settings, [], Host(free=None, reserve=0, repacks=False))
        kv, state = (sum(map(float, pattern.findall(log))) for pattern in (KV, STATE))
        yield Answer(settings, float(weights[1]), kv, state, float(compute[-1]), ours)


def metadata_of(model: Row) -> dict[str, object]:
    """All keys of the header; values that repeat are stored as runs, keys without the architecture begin with `!`."""
    name = model["architecture"]
    plain = {"general.architecture": name, "tokenizer.ggml.model": "none"}
    for key, value in model["metadata"].items():
        if isinstance(value, dict):
            value = [item for item, number in value["runs"] for _ in range(number)]
        plain[key[1:] if key.startswith("!") else f"{name}.{key}"] = value
    return plain


def optional_of(model: Row) -> list[str]:
    """Names of tensors to add: `[first, stop]` means in these blocks, an empty list outside of blocks."""
    names = []
    for part, blocks in model["optional"].items():
        numbers = blocks["at"] if isinstance(blocks, dict) else range(*blocks) if blocks else ()
        names += [f"blk.{block}.{part}" for block in numbers] if blocks else [part]
    return names


def recorded(model: Row, file: File, found: list[Answer]) -> Row:
    """The model with the engine's answers, as `engine_cases.json` holds it."""
    sums = to_builtins(sum_weights(file.tensors, model["metadata"]["block_count"]))
    kept = {name: sums[name] for name in KEPT_SUMS if name in sums}
    for name in ("blocks", "experts"):
        kept[name] = [[value, len(list(group))] for value, group in groupby(sums[name])]
    names = ("name", "optional", "given", "architecture", "metadata")
    plain = {key: model[key] for key in names if key in model}
    return {**plain, "sums": kept, "cases": [answer.record() for answer in found]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--record", type=Path, help="write the models with the engine's answers to this file")
    parser.add_argument("--cases", action="store_true", help="print every case")
    parser.add_argument("--caches", action="store_true", help="ask for caches of other types instead")
    options = parser.parse_args()
    records: list[Row] = []
    print(f"{'model':24} {'cases':>5} {'weights MiB':>12} {'cache MiB':>10} {'compute %':>10}")
    with Engine() as engine, tempfile.TemporaryDirectory() as folder:
        for model in load(options.models)["models"]:
            if options.names and model["name"] not in options.names:
                continue
            path = Path(folder) / "model.gguf"
            try:
                file = complete(engine, path, metadata_of(model), optional_of(model), model.get("given"))
            except RuntimeError as error:
                print(f"{model['name']:24} {error}", flush=True)
                continue
            found = list(answers(engine, path, file, CACHES if options.caches else CASES))
            records.append(recorded(model, file, found))
            show(model["name"], found, cases=options.cases)
            if options.record:
                options.record.write_text(json.dumps({"case": CASE, "models": records}))


def show(name: str, found: list[Answer], *, cases: bool) -> None:
    """One line for the model, and one for each of its cases."""
    worst = [max((abs(answer.errors[index]) for answer in found), default=0.0) for index in (0, 1)]
    error = mean(abs(answer.errors[2]) for answer in found) if found else 0.0
    print(f"{name:24} {len(found):5} {worst[0]:12.2f} {worst[1]:10.2f} {100 * error:10.2f}", flush=True)
    for answer in found if cases else ():
        ours = answer.ours.term("compute") / MIB
        print(f"  {answer.record()} compute {ours:.2f}, {100 * answer.errors[2]:+.2f} %", flush=True)


if __name__ == "__main__":
    main()

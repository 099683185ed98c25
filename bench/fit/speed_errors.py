"""Errors of the speed formulas against runs that others published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import mean, median

from facts import Row, accelerator_of, build_of, cpu_of, work_of
from msgspec import Struct

from launchpad.fit.estimate import Aside, Part, decode, prefill
from launchpad.fit.result import Band
from launchpad.hardware.machine import Cpu

ENGINES = ("llama.cpp", "llama.cpp/ollama", "ollama")
DEFAULT_UBATCH = 512
NEEDED = ("active_bytes", "active_params", "weights_bytes", "kv_bytes_per_token", "n_layers", "backend")


class Error(Struct, frozen=True):
    """One prediction against one measurement, in tokens/s."""

    group: str  # decode, prefill, partial
    backend: str
    hardware: str
    model: str
    quant: str
    depth: int
    ours: Band
    truth: float
    id: str

    @property
    def relative(self) -> float:
        """Signed error as a fraction of the truth."""
        return (self.ours.value - self.truth) / self.truth

    @property
    def in_band(self) -> bool:
        """True when the measurement lies in the range that was given."""
        return self.ours.low <= self.truth <= self.ours.high


def errors(facts: Row, devices: Row) -> Iterator[Error]:
    """Every run on one GPU that nothing speaks against."""
    by_name = {device["id"]: device for device in devices["devices"]}
    for row in facts["rows"]:
        if not is_usable(row) or row["hardware"] not in by_name:
            continue
        part = Part(
            accelerator=accelerator_of(by_name[row["hardware"]]),
            api=row["backend"],
            engine=row["engine"],
            build=build_of(row),
        )
        predicted = _prediction(row, part)
        if predicted is not None:
            group, band = predicted
            yield Error(
                group,
                row["backend"],
                row["hardware"],
                row["model"],
                row["quant"],
                row.get("depth") or 0,
                band,
                row["tok_s"],
                row["id"],
            )


def is_usable(row: Row) -> bool:
    """True for a run on one GPU with an engine of llama.cpp's kind whose model is known."""
    if row["hw_class"] != "gpu" or row["n_gpu"] != 1 or row["engine"] not in ENGINES or row.get("suspect"):
        return False
    return all(row.get(name) is not None for name in NEEDED)


def _prediction(row: Row, part: Part) -> tuple[str, Band] | None:
    cost = work_of(row)
    if row["offload"] != "full":
        cpu = cpu_of(row.get("cpu"))
        left = aside_of(row)
        if row["test"] != "tg" or left is None or cpu.bandwidth is None:
            return None
        band = decode(cost, [part], cpu, left=left)
        return ("partial", band) if band else None
    if row.get("fits") is False:
        return None
    if row["test"] == "tg":
        band = decode(cost, [part], Cpu(), left=Aside())
        return ("decode", band) if band else None
    ubatch = row.get("n_ubatch") or DEFAULT_UBATCH
    band = prefill(cost, [part], ubatch)
    return ("prefill", band) if band else None


def aside_of(row: Row) -> Aside | None:
    """What a partial offload leaves to main memory; None when the split is not known."""
    kind, _, number = str(row["offload"]).partition("=")
    blocks = row["n_layers"]
    if kind == "ngl":
        share = max(0.0, 1 - int(number) / (blocks + 1))
        return Aside(weights=row["active_bytes"] * share, blocks=share)
    if kind == "ncmoe":
        # Parameters that one token does not use are experts; llama.cpp's models use the same few of each block.
        used = used_share(row)
        idle = row["weights_bytes"] - row["active_bytes"]
        experts = idle * used / (1 - used)
        aside = min(int(number), blocks)
        return Aside(weights=experts * aside / blocks, expert_blocks=aside)
    return None


EXPERTS_USED = {
    "gpt-oss-120b": 4 / 128, "gpt-oss-20b": 4 / 32, "mixtral": 2 / 8, "glm-4.5-air": 8 / 128, "glm-4.7-flash": 4 / 64,
    "qwen3.5": 8 / 256, "qwen3.6": 8 / 256, "qwen3-next": 10 / 512, "qwen3": 8 / 128, "deepseek-v2": 6 / 64,
    "granite": 6 / 64, "minimax": 8 / 256, "llama-4-scout": 1 / 16, "deepseek-v3": 8 / 256, "gemma-4-26b": 8 / 128,
}  # fmt: skip


def used_share(row: Row) -> float:
    """The part of the experts that one token uses."""
    for name, share in EXPERTS_USED.items():
        if row["model"].startswith(name):
            return share
    return 8 / 128


def summary(found: list[Error]) -> Row:
    """The figures by which the formulas are judged."""
    groups = {
        name: [error for error in found if error.group == name] for name in ("decode", "prefill", "partial")
    }
    backends = sorted({error.backend for error in groups["decode"]})
    return {
        "decode": {
            **_judged(groups["decode"]),
            "by_backend": {
                name: _judged([error for error in groups["decode"] if error.backend == name])
                for name in backends
            },
        },
        "prefill": {"median": figures(groups["prefill"])["median"]},
        "partial_offload": {"median": figures(groups["partial"])["median"]},
    }


def _judged(found: list[Error]) -> Row:
    every = figures(found)
    return {name: every[name] for name in ("median", "mape", "band_share")}


def figures(found: list[Error]) -> Row:
    """Count, median, mean and worst absolute relative error, and the share of measurements within the range."""
    if not found:
        return {"n": 0, "median": None, "mape": None, "worst": None, "band_share": None}
    values = [abs(error.relative) for error in found]
    return {
        "n": len(found),
        "median": median(values),
        "mape": mean(values),
        "worst": max(values),
        "band_share": mean(error.in_band for error in found),
    }


def tables(found: list[Error]) -> Iterator[tuple[str, list[tuple[str, Row]]]]:
    """Tables by backend, device, quantization and depth."""
    for title, key in (
        ("all", lambda error: error.group),
        ("backend", lambda error: f"{error.group}, {error.backend}"),
        ("device", lambda error: f"{error.group}, {error.backend}, {error.hardware}"),
        ("quantization", lambda error: f"{error.group}, {error.quant}"),
        (
            "depth",
            lambda error: (
                f"{error.group}, {'≥ 32k' if error.depth >= 32_000 else '≥ 4k' if error.depth >= 4000 else 'short'}"
            ),
        ),
    ):
        groups: dict[str, list[Error]] = defaultdict(list)
        for error in found:
            groups[key(error)].append(error)
        yield title, [(name, figures(group)) for name, group in sorted(groups.items())]

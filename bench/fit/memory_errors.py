"""Errors of the memory formulas against buffers that the engine itself computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import mean

from facts import Row, layout_of, settings_of
from msgspec import Struct

from launchpad.fit.kv import kv_bytes, micro_batch, state_bytes
from launchpad.fit.memory import OVERHEAD, Gpu, Host, memory
from launchpad.fit.result import DeviceMemory

GIB = 1 << 30
WEIGHTS_TOLERANCE = 1e-3
HOST = Host(free=None, reserve=0)


class Error(Struct, frozen=True):
    """One figure against its truth, in bytes."""

    term: str
    placement: str
    family: str
    context: int
    model: str
    ours: int
    truth: int

    @property
    def relative(self) -> float:
        """Signed error as a fraction of the truth."""
        return (self.ours - self.truth) / self.truth if self.truth else float(self.ours != 0)


def gpus_of(case: Row) -> list[Gpu]:
    """The stand-in accelerators of a case; shares follow free memory."""
    placement = case["placement"]
    if placement == "cpu":
        return []
    free = {"gpu2": (80, 80), "gpu2-24-12": (24, 12)}.get(placement, (80,))
    return [
        Gpu(device=f"GPU{index}", api="cuda", free=size * GIB, reserve=0, share=float(size))
        for index, size in enumerate(free)
    ]


def errors(facts: Row) -> Iterator[Error]:
    """Every figure of every case."""
    models = {model["model"]: model for model in facts["models"]}
    layouts = {name: layout_of(model) for name, model in models.items()}
    for case in facts["cases"]:
        yield from case_errors(case, models[case["model"]], layouts)


def case_errors(case: Row, model: Row, layouts: Row) -> Iterator[Error]:
    """Every figure of one case."""
    layout = layouts[case["model"]]
    settings = settings_of(case, layout)
    buffers = case["buffers"]

    def error(term: str, ours: int, truth: int) -> Error:
        return Error(term, kind_of(case), model["family"], case["n_ctx"], case["model"], ours, truth)

    if not case["kv_on_gpu"]:
        ours = kv_bytes(layout, settings) + state_bytes(layout, settings)
        yield error("kv_cache", ours, sum(buffer[1] for buffer in buffers.values()))
        return
    outputs = case["n_outputs_max"] or micro_batch(settings)
    devices = memory(layout, settings, gpus_of(case), HOST, outputs=outputs)
    for device in devices[:-1]:
        truth = buffers[device.device]
        yield from (
            error("weights", device.term("weights"), truth[0]),
            error("kv_cache", _cache(device), truth[1]),
            error("compute", device.term("compute"), truth[2]),
        )
        if case["placement"] == "gpu":
            yield error("total", device.total, sum(truth) + OVERHEAD["cuda"])
    host = devices[-1]
    on_host = [buffers[name] for name in ("CPU", "GPU_Host") if name in buffers]
    yield error(
        "weights" if len(devices) == 1 else "host weights", host.term("weights"), sum(b[0] for b in on_host)
    )
    yield error("kv_cache", _cache(host), sum(b[1] for b in on_host))
    yield error(
        "compute" if len(devices) == 1 else "host compute", host.term("compute"), sum(b[2] for b in on_host)
    )


def kind_of(case: Row) -> str:
    """The class of a placement: cpu, gpu, gpu2, or one of the two partial offloads."""
    placement = str(case["placement"])
    if placement.startswith("gpu-n"):
        return placement.rstrip("0123456789")
    return "gpu2" if placement.startswith("gpu2") else placement


def _cache(device: DeviceMemory) -> int:
    return device.term("kv_cache") + device.term("recurrent_state")


def mape(found: Iterable[Error]) -> float:
    """Mean absolute relative error."""
    values = [abs(error.relative) for error in found if error.truth]
    return mean(values) if values else 0.0


def worst(found: Iterable[Error]) -> float:
    """The largest absolute relative error."""
    return max((abs(error.relative) for error in found if error.truth), default=0.0)


def summary(found: list[Error]) -> Row:
    """The figures by which the formulas are judged."""
    by_term: dict[str, list[Error]] = defaultdict(list)
    for error in found:
        by_term[error.term].append(error)
    compute = by_term["compute"]

    def of(*kinds: str) -> float:
        return mape(error for error in compute if error.placement in kinds)

    weights = by_term["weights"] + by_term["host weights"]
    return {
        "total_one_gpu": {"mape": mape(by_term["total"]), "worst": worst(by_term["total"])},
        "kv_exact_share": _share(error.ours == error.truth for error in by_term["kv_cache"]),
        "weights_exact_share": _share(
            abs(error.relative) <= WEIGHTS_TOLERANCE for error in weights if error.truth
        ),
        "compute": {
            "cpu": of("cpu"),
            "gpu": of("gpu"),
            "gpu2": of("gpu2"),
            "partial": of("gpu-ngl", "gpu-ncmoe"),
        },
    }


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return sum(values) / len(values) if values else 0.0


def tables(found: list[Error]) -> Iterator[tuple[str, list[tuple[str, int, float, float]]]]:
    """Tables of count, mean and worst error: by term and placement, and of the totals by class and context."""
    yield "term, placement", _grouped(found, lambda error: f"{error.term}, {error.placement}")
    compute = [error for error in found if error.term in ("compute", "host compute")]
    yield "compute by class", _grouped(compute, lambda error: f"{error.placement}, {error.family}")
    totals = [error for error in found if error.term == "total"]
    yield "total of one GPU by class", _grouped(totals, lambda error: error.family)
    yield "total of one GPU by context", _grouped(totals, lambda error: f"{error.context:>7}")
    yield "compute by model", _grouped(compute, lambda error: f"{error.placement}, {error.model}")


def _grouped(found: list[Error], key: object) -> list[tuple[str, int, float, float]]:
    groups: dict[str, list[Error]] = defaultdict(list)
    for error in found:
        groups[key(error)].append(error)  # type: ignore[operator]
    return [(name, len(group), mape(group), worst(group)) for name, group in sorted(groups.items())]

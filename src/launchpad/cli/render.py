"""Figures as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.catalog.model import License, Quality
    from launchpad.choice.choose import Option
    from launchpad.engines.server import EngineReport
    from launchpad.fit.result import Band, Confirmation, DeviceMemory, Fit
    from launchpad.hardware.machine import Machine


TERMS = {
    "weights": "weights",
    "kv_cache": "KV cache",
    "recurrent_state": "recurrent state",
    "compute": "compute buffer",
    "output": "logits",
    "projector": "vision projector",
    "projector_compute": "projector's scratch memory",
    "repack": "repacked copy",
    "draft_weights": "draft weights",
    "draft_kv_cache": "draft KV cache",
    "draft_recurrent_state": "draft recurrent state",
    "draft_compute": "draft compute buffer",
    "draft_output": "draft logits",
    "lora": "adapters",
    "lora_compute": "adapters' scratch memory",
    "overhead": "engine, driver",
}
"""The terms of a memory sum in words, in the order of showing."""


def gib(count: int | None) -> str:
    """Memory: binary units, as engines and drivers print it."""
    if count is None:
        return "?"
    if abs(count) < 1 << 30:
        return f"{count / (1 << 20):.0f} MiB"
    return f"{count / (1 << 30):.1f} GiB"


def gb(count: int | None) -> str:
    """Files and downloads: decimal units, as disks and networks are sold."""
    if count is None:
        return "?"
    if count < 1_000_000_000:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"


def duration(seconds: float | None) -> str:
    """Seconds in the unit that a person would say."""
    if seconds is None:
        return "?"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def speed(band: Band | None) -> str:
    """Tokens per second with the honest range."""
    if band is None:
        return "?"
    if band.basis == "measured":
        return f"{band.value:.3g} tok/s"
    return (
        f"{band.low:.2g}-{band.high:.2g} tok/s" if band.high < 10 else f"{band.low:.0f}-{band.high:.0f} tok/s"
    )


def tokens(count: int | None) -> str:
    """A context length."""
    return "?" if count is None else f"{count:,}"


def count(number: float) -> str:
    """A number of parameters, as model names have it: 135M, 27.8B, 1.6T."""
    for unit, letter in ((1e12, "T"), (1e9, "B")):
        if number >= 0.9995 * unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number / 1e6:.3g}M"


def score(value: float | None) -> str:
    """A quality score, or that there is none yet."""
    return "not rated" if value is None else f"{value:.0f}"


def rating(value: float | None, quality: Quality | None) -> str:
    """A quality score, marked where it rests on few results."""
    return score(value) + ("~" if quality is not None and value is not None and quality.thin else "")


THIN = "~ rests on few results: it may be several points off, which a score takes into account"


def license_text(terms: License) -> str:
    """The license and whether it has strings attached."""
    name = terms.spdx or terms.name or terms.id
    if name is None:
        return "license unknown"
    return name if terms.kind in ("osi", "permissive") else f"{name} (with conditions)"


def confirmation_text(told: Confirmation) -> str:
    """What the engine itself says that it would take, and how near the fit was."""
    sums = ", ".join(
        f"{check.device}: {gib(sum(check.engine.values()))} in buffers ({check.difference:+.1%})"
        for check in told.devices
    )
    return f"{told.engine} says {sums}"


def placement(fit: Fit) -> str:
    """Where it runs, in a few words."""
    where = fit.placement
    if where.kind == "cpu":
        return "CPU"
    if where.kind == "gpu":
        nodes = len({device.partition("/")[0] for device in where.devices if "/" in device}) + 1
        on = f" on {nodes} nodes" if nodes > 1 else ""
        return "GPU" if len(where.devices) < 2 else f"{len(where.devices)} GPUs{on}"
    if where.kind == "partial":
        return f"GPU {where.gpu_layers}/{where.layers} layers + CPU"
    return "?"


def machine_line(machine: Machine) -> str:
    """The machine in one line; cards of a kind are counted."""
    cards = Counter(f"{card.name} {gib(card.memory_free)} free" for card in machine.accelerators)
    parts = [machine.name, *(text if number == 1 else f"{number}x {text}" for text, number in cards.items())]
    if machine.cpu.cores_physical:
        parts.append(f"{machine.cpu.cores_physical} cores")
    parts.append(f"{gib(machine.memory.available)} memory free")
    if machine.cluster:
        parts.insert(1, f"{len(machine.cluster.nodes)} nodes, the first with")
    return ", ".join(parts).replace("with, ", "with ")


def device_lines(devices: Sequence[DeviceMemory]) -> Iterator[tuple[str, DeviceMemory]]:
    """(name, sum) of each device; neighbors with the same sum are said together: "nvidia:0 to nvidia:7, each"."""
    for _, group in groupby(devices, key=lambda device: (device.terms, device.free, device.reserve)):
        same = list(group)
        name = same[0].device if len(same) == 1 else f"{same[0].device} to {same[-1].device}, each"
        yield name, same[0]


def option_row(label: str, option: Option) -> list[str]:
    """A row of the table of picks."""
    fit = option.fit
    return [
        label,
        option.model.name,
        option.build.quantization,
        rating(option.score, option.model.quality),
        gb(option.build.size) + ("" if option.availability.local is None else " (here)"),
        gib(fit.total) if fit.devices else "?",
        speed(fit.speed.decode),
        tokens(fit.settings.context),
        placement(fit),
        license_text(option.model.license),
    ]


OPTION_HEADERS = ["", "model", "quant", "quality", "file", "memory", "speed", "context", "runs on", "license"]
OPTION_RIGHT = (3, 4, 5, 6, 7)


def placed(did: EngineReport) -> str:
    """Where an engine says that its model is: layers; else its share of accelerators, else its buffers; never a guess."""
    if did.gpu_layers:
        return f"GPU {did.gpu_layers}/{did.layers}" if did.layers else f"GPU {did.gpu_layers}"
    if did.gpu_share:
        return f"GPU {100 * did.gpu_share:.0f} %"
    on_cpu = did.buffers and all(buffers.device == "cpu" for buffers in did.buffers)
    return "CPU" if did.gpu_layers == 0 or did.gpu_share == 0 or on_cpu else "?"

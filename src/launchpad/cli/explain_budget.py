"""An explanation's first part for people: what it is, and the memory sum of every device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from launchpad.cli.render import TERMS, gb, placement, speed
from launchpad.explain.result import Explanation
from launchpad.fit.result import DeviceMemory, Fit, Settings

MIB = 1 << 20
MOST_DEVICE_COLUMNS = 3

_SHORT_TERMS = {"kv_cache": "KV", "recurrent_state": "state", "compute": "compute", "overhead": "engine"}
_BASES = {
    "exact": "exact = counted from the tensors and the shape",
    "formula": "formula = computed by the engine's own rules",
    "calibrated": "calibrated = corrected by earlier launches on this machine",
    "measured": "measured = seen with this engine on this machine",
    "reserve": "reserve = a stated allowance",
}


@dataclass(frozen=True)
class Table:
    """Headers, rows, and which columns are right-aligned."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int]


def summary(found: Explanation) -> list[str]:
    """What it is, where, and how it goes."""
    fit, build = found.fit, found.build
    verdict = {"no": "does not fit", "unknown": "not known"}.get(fit.verdict, fit.verdict)
    how = f", on {placement(fit)}, {speed(fit.speed.decode)}" if fit.runs else ""
    lines = [
        f"{found.model.name} {build.quantization} on {found.machine.name}: {verdict}{how}",
        f"{build.ref} · {gb(build.size)} · {fit.backend} · {found.reason}",
    ]
    return [*lines, *(line for line in (fit.why, fit.way_out) if line)]


def budget(found: Explanation) -> Table | None:
    """The memory sum: a column per device, or a row per device where there are many."""
    devices = found.fit.devices
    if not devices:
        return None
    return _by_term(found) if len(devices) <= MOST_DEVICE_COLUMNS else _by_device(found)


def _by_term(found: Explanation) -> Table:
    devices = found.fit.devices
    names = _names(devices)
    rows = [
        [TERMS.get(name, name), *(_term(device, name, _mib) for device in devices), _basis(devices, name)]
        for name in names
    ]
    rows.append(["sum", *(_mib(device.total) for device in devices), ""])
    if any(device.free is not None for device in devices):
        rows.append(["free now", *(_mib(device.free) for device in devices), ""])
        rows.append(["kept for the system", *(_mib(device.reserve) for device in devices), ""])
        rows.append(["left", *(_mib(device.spare) for device in devices), ""])
    columns = range(1, len(devices) + 1)
    return Table(
        ["memory, MiB", *(device_name(found, d.device) for d in devices), "basis"], rows, tuple(columns)
    )


def _by_device(found: Explanation) -> Table:
    devices = found.fit.devices
    names = _names(devices)
    rows = [
        [
            device_name(found, device.device),
            *(_term(device, name, _gib) for name in names),
            _gib(device.total),
            _gib(None if device.free is None else device.free - device.reserve),
            _gib(device.spare),
        ]
        for device in devices
    ]
    rows.append(["basis", *(_basis(devices, name) for name in names), "", "", ""])
    headers = [_SHORT_TERMS.get(name, TERMS.get(name, name)) for name in names]
    return Table(["memory, GiB", *headers, "sum", "usable", "left"], rows, tuple(range(1, len(names) + 4)))


def budget_remarks(found: Explanation) -> list[str]:
    """The settings behind the sum, and what the marks mean."""
    bases = dict.fromkeys(term.basis for device in found.fit.devices for term in device.terms)
    remarks = [settings_line(found.fit)]
    if bases:
        remarks.append("; ".join(_BASES[basis] for basis in bases))
    return [*remarks, *found.fit.notes] if bases else list(found.fit.notes)


def settings_line(fit: Fit) -> str:
    """The settings that the figures are for."""
    one = fit.settings
    parts = [f"context {one.context:,}", f"KV cache {_kv(one)}"]
    parts.append("1 slot" if one.parallel == 1 else f"{one.parallel} slots")
    parts.append(f"micro-batch {one.ubatch}")
    parts.append(f"flash attention {'on' if one.flash_attention else 'off'}")
    if one.gpu_layers and fit.placement.layers:
        parts.append(f"{min(one.gpu_layers, fit.placement.layers)}/{fit.placement.layers} layers on GPU")
    if one.cpu_moe_layers:
        parts.append(f"experts of {one.cpu_moe_layers} in main memory")
    return "with " + ", ".join(parts)


def _kv(settings: Settings) -> str:
    k, v = settings.kv_type_k, settings.kv_type_v
    return k if k == v else f"{k}/{v}"


def _names(devices: Iterable[DeviceMemory]) -> list[str]:
    """The terms that occur, in the order in which devices list them."""
    present = {term.name for device in devices for term in device.terms}
    return [name for name in TERMS if name in present] + sorted(present - set(TERMS))


def _term(device: DeviceMemory, name: str, shown: Callable[[int], str]) -> str:
    return shown(device.term(name)) if any(term.name == name for term in device.terms) else "-"


def _basis(devices: Iterable[DeviceMemory], name: str) -> str:
    return "/".join(dict.fromkeys(t.basis for device in devices for t in device.terms if t.name == name))


def _mib(size: int | None) -> str:
    """Mebibytes; small sizes with a decimal, so that nothing that is there looks like nothing."""
    if size is None:
        return "?"
    value = size / MIB
    return f"{value:.1f}" if size and abs(value) < 10 else f"{value:,.0f}"


def _gib(size: int | None) -> str:
    if size is None:
        return "?"
    value = size / (MIB << 10)
    return f"{value:.2f}" if size and abs(value) < 1 else f"{value:.1f}"


def device_name(found: Explanation, device: str) -> str:
    """What people call it; numbered where there are several of the same name."""
    accelerators = found.machine.accelerators
    mine = next((item for item in accelerators if device == f"{item.vendor}:{item.index}"), None)
    if mine is None:
        return "main memory" if device == "cpu" else device
    alike = sum(item.name == mine.name for item in accelerators) > 1
    name = mine.name.removeprefix("NVIDIA ").removeprefix("GeForce ")
    return f"{name} #{mine.index}" if alike else name

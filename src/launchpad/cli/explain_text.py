"""An explanation as tables and remarks for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from launchpad.cli.render import duration, gb, gib, placement, speed
from launchpad.explain.result import Change, Explanation, Rung, TokenCost
from launchpad.fit.result import DeviceMemory, Fit, Settings

MIB = 1 << 20
MOST_DEVICE_COLUMNS = 3

_TERMS = {
    "weights": "weights",
    "kv_cache": "KV cache",
    "recurrent_state": "recurrent state",
    "compute": "compute buffer",
    "output": "logits",
    "projector": "vision projector",
    "repack": "repacked copy",
    "overhead": "engine, driver",
}
_SHORT_TERMS = {"kv_cache": "KV", "recurrent_state": "state", "compute": "compute", "overhead": "engine"}
_BASES = {
    "exact": "exact = counted from the tensors and the shape",
    "formula": "formula = computed by the engine's own rules",
    "measured": "measured = seen with this engine on this machine",
    "reserve": "reserve = a stated allowance",
}
_PLACES = {"cpu": "CPU", "gpu": "GPU", "partial": "GPU+CPU"}
_SPENT = {
    "weights": "reading weights",
    "kv_cache": "reading the KV cache",
    "recurrent_state": "recurrent state",
    "kernels": "overhead of layers",
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
    return [*lines, fit.why] if fit.why else lines


# -- memory -----------------------------------------------------------------------------------------------------------


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
        [_TERMS.get(name, name), *(_term(device, name, _mib) for device in devices), _basis(devices, name)]
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
    headers = [_SHORT_TERMS.get(name, _TERMS.get(name, name)) for name in names]
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
    return [name for name in _TERMS if name in present] + sorted(present - set(_TERMS))


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


# -- time -------------------------------------------------------------------------------------------------------------


def token_time(found: Explanation) -> Table | None:
    """Where the time of a token goes, early in a conversation and with a full context."""
    costs = found.token
    if not costs:
        return None
    headers = ["time of a token", "where"]
    for cost in costs:
        headers += [f"at {cost.depth:,}", "share"]
    rows = [
        [_SPENT[what], where, *_shares(found, costs, where, what)]
        for where in _places(found, costs[0])
        for what in _SPENT
        if any(_spent(found, cost, where, what) for cost in costs)
    ]
    sums: list[str] = []
    speeds: list[str] = []
    for cost in costs:
        sums += [_ms(cost.seconds), ""]
        speeds += [speed(cost.speed), ""]
    rows += [["sum", "", *sums], ["speed", "", *speeds]]
    return Table(headers, rows, tuple(range(2, 2 + 2 * len(costs))))


def token_remarks(found: Explanation) -> list[str]:
    """What is read for a token, how long the prompt takes, and what a measurement said."""
    fit, remarks = found.fit, []
    for cost in found.token[:1]:
        remarks.append(
            f"each token reads {gib(round(cost.weights_read))} of weights, and {gib(round(cost.kv_read))} of KV cache "
            f"for {cost.depth:,} tokens before it"
        )
    if fit.runs and fit.speed.prefill:
        remarks.append(
            f"a prompt is read at {speed(fit.speed.prefill)}; first token of an answer to 512 after "
            f"{duration(fit.speed.first_token)}"
        )
    if fit.runs and not fit.speed.decode:
        remarks.append("the speed is not known: the memory bandwidth of a device in use is not")
    elif fit.runs and not found.token:
        remarks.append("where the time goes is not known: this engine has laws of speed of its own")
    return remarks


def _shares(found: Explanation, costs: Sequence[TokenCost], where: str, what: str) -> list[str]:
    cells: list[str] = []
    for cost in costs:
        spent = _spent(found, cost, where, what)
        part = spent / cost.seconds
        cells += [_ms(spent), "<1%" if 0 < part < 0.005 else f"{part:.0%}"]
    return cells


def _places(found: Explanation, cost: TokenCost) -> list[str]:
    return list(dict.fromkeys(_place(found, time.device) for time in cost.times))


def _place(found: Explanation, device: str) -> str:
    """The device's name without its number: GPUs of one kind work one after the other, and their times add."""
    return device_name(found, device).partition(" #")[0] if device != "cpu" else "CPU"


def _spent(found: Explanation, cost: TokenCost, where: str, what: str) -> float:
    return sum(float(getattr(time, what)) for time in cost.times if _place(found, time.device) == where)


def _ms(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


# -- contexts ---------------------------------------------------------------------------------------------------------


def ladder(found: Explanation) -> Table | None:
    """One row per context, and for each type of KV cache memory, speed and place."""
    if not found.ladder:
        return None
    types = list(dict.fromkeys(rung.kv_type for rung in found.ladder))
    headers = ["context"]
    for kv_type in types:
        headers += [f"{kv_type} GiB", "tok/s", "on"]
    contexts = list(dict.fromkeys(rung.context for rung in found.ladder))
    by_place = {(rung.context, rung.kv_type): rung for rung in found.ladder}
    rows = [
        [f"{context:,}", *(cell for t in types for cell in _rung(by_place.get((context, t))))]
        for context in contexts
    ]
    right = [0, *(1 + 3 * i + j for i in range(len(types)) for j in (0, 1))]
    return Table(headers, rows, right)


def _rung(rung: Rung | None) -> list[str]:
    if rung is None:
        return ["", "", ""]
    value = rung.decode.value if rung.decode else None
    rate = "-" if value is None else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"
    return [f"{rung.needs / (MIB << 10):.1f}", rate, _where(rung) + (" *" if rung.largest else "")]


def _where(rung: Rung) -> str:
    if rung.verdict == "no":
        return "no"
    return _PLACES.get(rung.placement.kind, "?")


def ladder_remarks(found: Explanation) -> list[str]:
    """What the table says in words."""
    if not found.ladder:
        return []
    remarks = ["tok/s once the context is full"]
    if any(rung.largest for rung in found.ladder):
        remarks[0] += "; * marks the largest context that runs with this KV cache"
    wholly = [rung for rung in found.ladder if rung.placement.kind == "gpu" and rung.verdict != "no"]
    partly = [
        rung for rung in found.ladder if rung.placement.kind in ("partial", "cpu") and rung.verdict != "no"
    ]
    if wholly and partly:
        most = max(rung.context for rung in wholly)
        kv_type = next(rung.kv_type for rung in wholly if rung.context == most)
        remarks.append(f"wholly on the GPU: up to {most:,} tokens, with a KV cache in {kv_type}")
    return remarks


# -- remedies ---------------------------------------------------------------------------------------------------------

_GOALS = {"run": "to make it fit", "gpu": "to have it wholly on the GPU"}


def remedies(found: Explanation) -> Table | None:
    """Each change by itself: what it saves and what comes of it; the cheapest that is enough is marked."""
    remedy = found.remedies
    if remedy is None:
        return _next_up(found)
    best = remedy.cheapest
    rows = [["=>" if change is best else "", *_change(found, change)] for change in remedy.changes]
    return Table(["", _GOALS[remedy.goal], "saves", "then"], rows, (2,))


def remedy_remarks(found: Explanation) -> list[str]:
    """The answer in one sentence, and what the sum above has saved already."""
    remedy = found.remedies
    if remedy is None:
        return []
    best = remedy.cheapest
    answer = f"cheapest that is enough: {best.text}" if best else "no single change tried here is enough"
    if not remedy.lacks:
        return [answer]
    saved = " and ".join(f"{change.text} (saves {gib(change.saves)})" for change in remedy.already)
    missing = f"missing: {gib(remedy.lacks)}" + (f", even with {saved}" if saved else "")
    return [missing, answer]


def _next_up(found: Explanation) -> Table | None:
    if not found.next_up:
        return None
    rows = [[change.text, _more(change), _outcome(found, change)] for change in found.next_up]
    return Table(["next larger", "file", "here"], rows, (1,))


def _more(change: Change) -> str:
    return f"+{gb(-change.saves)}" if change.saves else ""


def _change(found: Explanation, change: Change) -> list[str]:
    return [change.text, "" if change.saves is None else gib(change.saves), _outcome(found, change)]


def _outcome(found: Explanation, change: Change) -> str:
    """What comes of a change; the context where it is another than that of the explained fit."""
    fit = change.fit
    if fit is None:
        return f"lacks {gib(change.lacks)}" if change.lacks else "is not enough"
    parts = [fit.verdict, _PLACES.get(fit.placement.kind, "?")]
    if fit.settings.context != found.fit.settings.context:
        parts.append(f"{fit.settings.context:,} tokens")
    if fit.speed.decode:
        parts.append(speed(fit.speed.decode))
    return ", ".join(parts)

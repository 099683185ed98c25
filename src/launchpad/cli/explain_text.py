"""An explanation's tables for people: where a token's time goes, which contexts fit, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.cli.explain_budget import Table, device_name
from launchpad.cli.render import duration, gb, gib, speed
from launchpad.explain.result import Change, Explanation, Rung, TokenCost

GIB = 1 << 30

_PLACES = {"cpu": "CPU", "gpu": "GPU", "partial": "GPU+CPU"}
_SPENT = {
    "weights": "reading weights",
    "kv_cache": "reading the KV cache",
    "recurrent_state": "recurrent state",
    "kernels": "overhead of layers",
}


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
    if fit.speed.decode and fit.speed.decode.basis in ("measured", "calibrated"):
        remarks.append("times and speeds are corrected by what was measured on this machine")
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


def ladder(found: Explanation) -> Table | None:
    """One row per context, and for each type of KV cache memory, speed and place."""
    if not found.ladder:
        return None
    types = list(dict.fromkeys(rung.kv_type for rung in found.ladder))
    headers = ["context"]
    for kv_type in types:
        headers += [kv_type, "tok/s", "on"]
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
    return [
        f"{rung.needs / GIB:.{1 if rung.needs >= GIB else 2}f}",
        rate,
        _where(rung) + (" *" if rung.largest else ""),
    ]


def _where(rung: Rung) -> str:
    if rung.verdict == "no":
        return "no"
    return {**_PLACES, "partial": "both"}.get(rung.placement.kind, "?")


def ladder_remarks(found: Explanation) -> list[str]:
    """What the table says in words."""
    if not found.ladder:
        return []
    words = ["GiB over all devices with a KV cache of that type", "tok/s once the context is full"]
    if any(rung.largest for rung in found.ladder):
        words.append("* = the largest context that runs")
    if any(rung.placement.kind == "partial" for rung in found.ladder):
        words.append("both = GPU and CPU")
    remarks = ["; ".join(words)]
    wholly = [rung for rung in found.ladder if rung.placement.kind == "gpu" and rung.verdict != "no"]
    partly = [
        rung for rung in found.ladder if rung.placement.kind in ("partial", "cpu") and rung.verdict != "no"
    ]
    if wholly and partly:
        most = max(rung.context for rung in wholly)
        kv_type = next(rung.kv_type for rung in wholly if rung.context == most)
        remarks.append(f"wholly on the GPU: up to {most:,} tokens, with a KV cache in {kv_type}")
    return remarks


_GOALS = {"run": "to make it fit", "gpu": "to be wholly on the GPU"}


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
    best, lossless = remedy.cheapest, remedy.lossless
    answer = f"cheapest that is enough: {best.text}" if best else "no single change tried here is enough"
    if best and best.kind == "build":
        answer += f" ({_quality_cost(best)})"
    if best and lossless and lossless is not best:
        answer += f"; with the model as it is: {lossless.text}"
    if not remedy.lacks:
        return [answer]
    known = [f"{change.text} (saves {gib(change.saves)})" for change in remedy.already]
    if remedy.shared:
        known.insert(0, "layers on the GPU")
    missing = f"missing: {gib(remedy.lacks)}" + (" of main memory" if remedy.shared else "")
    if known:
        missing += f", even with {', '.join(known)}"
    return [missing, answer]


def _quality_cost(change: Change) -> str:
    if change.quality_cost is None:
        return "what it costs in quality is not measured"
    return f"costs {change.quality_cost * 100:.2g} % of the quality"


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
    """What comes of a change; the context where it is smaller than that of the explained fit."""
    fit = change.fit
    if fit is None:
        return f"lacks {gib(change.lacks)}" if change.lacks else "is not enough"
    parts = [fit.verdict, _PLACES.get(fit.placement.kind, "?")]
    if change.kind != "context" and fit.settings.context < found.fit.settings.context:
        parts.append(f"{fit.settings.context:,} tokens")
    if fit.speed.decode:
        parts.append(speed(fit.speed.decode))
    return ", ".join(parts)

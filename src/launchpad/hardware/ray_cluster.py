"""A live Ray cluster as a machine: what its dashboard says of nodes, GPUs and memory, checked and bounded.

The names, totals and use of the GPUs come from each node's agent; where it reads none (no driver library there), Ray
still counts them and may know their type. Memory of such a card is taken from the table of devices where that leaves
one size, and stays unknown otherwise. GPUs that other work of Ray holds are not counted, the fullest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from launchpad.errors import LaunchError, UsageError
from launchpad.hardware.cluster import MOST_NODES, clustered
from launchpad.hardware.devices import look_up
from launchpad.hardware.machine import Accelerator, Cpu, Machine, Memory, Vendor, facts_about
from launchpad.hardware.ray_dashboard import Dashboard
from launchpad.hardware.reserve import IDLE_CARD, MIB
from launchpad.hardware.resolve import Pick, pick
from launchpad.sanitize import clean

T = TypeVar("T")
Bytes = Annotated[float, Meta(ge=0, le=2**50)]
Megabytes = Annotated[float, Meta(ge=0, le=2**30)]
_ALIVE = "/api/v0/nodes?limit=1000&filter_keys=state&filter_predicates=%3D&filter_values=ALIVE"
_MOST_GPUS = 64  # of one node
_TYPE = "accelerator_type:"
_VENDORS: tuple[tuple[str, Vendor], ...] = (
    ("amd", "amd"),
    ("radeon", "amd"),
    ("instinct", "amd"),
    ("intel", "intel"),
)


class _Row(Struct):
    node_id: str
    node_ip: str
    state: str
    is_head_node: bool = False
    resources_total: dict[str, Bytes] = {}


class _Gpu(Struct):
    name: str
    memory_used: Megabytes = 0
    memory_total: Megabytes = 0


class _Raylet(Struct, rename="camel"):
    node_id: str = ""


class _Summary(Struct):
    raylet: _Raylet = msgspec.field(default_factory=_Raylet)
    mem: list[Bytes] = []
    gpus: list[_Gpu] | None = None


class _Inner(Struct):
    result: list[_Row]


class _Nodes(Struct):
    result: _Inner


class _Summaries(Struct):
    summary: list[_Summary]


class _Load(Struct, rename="camel"):
    usage_by_node: dict[str, dict[str, list[Bytes]]] | None = None


class _Report(Struct, rename="camel"):
    load_metrics_report: _Load | None = None


class _Status(Struct, rename="camel"):
    cluster_status: _Report | None = None


class _Version(Struct):
    ray_version: str


def read_cluster(at: Dashboard, freed: Mapping[str, int] | None = None) -> Machine:
    """The cluster behind the dashboard, its node with the most GPUs first. Raises `LaunchpadError`.

    `freed` GPUs count as if nobody held them, by `gpus_of(dashboard, node's address)`.
    """
    version = clean(_read(at, "/api/version", _Version, whole=True).ray_version)[:40]
    rows = _read(at, _ALIVE, _Nodes).result.result
    alive = [row for row in rows if row.state == "ALIVE"]
    if not 1 <= len(alive) <= MOST_NODES:
        raise UsageError(
            f"The Ray cluster at {at.url} has {len(alive)} nodes.", why=f"It can have 1 to {MOST_NODES} here."
        )
    seen = {one.raylet.node_id: one for one in _read(at, "/nodes?view=summary", _Summaries).summary}
    used = _used(_read(at, "/api/cluster_status", _Status))
    for row in alive:
        if back := (freed or {}).get(gpus_of(at.url, row.node_ip)):
            used = {**used, row.node_id: max(0.0, used.get(row.node_id, 0) - back)}
    said = f"Ray {version} at {at.url}"
    warnings = list(_aloud(at))
    found = [_machine(row, seen.get(row.node_id), used.get(row.node_id, 0), said, warnings) for row in alive]
    order = sorted(
        range(len(alive)), key=lambda n: (-_weight(found[n]), not alive[n].is_head_node, alive[n].node_ip)
    )
    machine = clustered(
        f"Ray cluster at {at.url}",
        [found[n] for n in order],
        addresses=_distinct(clean(alive[n].node_ip)[:60] for n in order),
        said=said,
    )
    assert machine.cluster is not None
    return replace(machine, cluster=replace(machine.cluster, live=at.url), warnings=tuple(warnings))


def gpus_of(dashboard: str, node: str) -> str:
    """How the GPUs of a node are named among what can be freed."""
    return f"gpus of {dashboard}/{node}"


def _read(at: Dashboard, path: str, shape: type[T], *, whole: bool = False) -> T:
    """The answer's `data` (or the `whole` answer) in its shape; anything else is not Ray's."""
    document = at.get(path)
    try:
        return msgspec.convert(document if whole else document["data"], shape)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise at.wrong(f"{path} has another shape ({error})") from error


def _used(status: _Status) -> Mapping[str, float]:
    """The GPUs that Ray has given away, by node."""
    report = status.cluster_status and status.cluster_status.load_metrics_report
    by_node = (report and report.usage_by_node) or {}
    return {node: amounts["GPU"][0] for node, amounts in by_node.items() if amounts.get("GPU")}


def _aloud(at: Dashboard) -> Iterable[str]:
    if at.public:
        yield f"{at.url} is reached over a public network: what is said to it can be read, and by consent only."
    elif not at.loopback:
        yield f"{at.url} is asked without encryption: keep this cluster inside a private network."
    if _open(at):
        yield f"{at.url} is open without a token: whoever reaches it runs programs on every node."


def _open(at: Dashboard) -> bool:
    """Whether the cluster asks for no token. One that cannot say (older than tokens) is open."""
    try:
        mode = at.get("/api/authentication_mode")["authentication_mode"]
    except (LaunchError, KeyError, TypeError):
        return True
    return bool(mode == "disabled")


def _distinct(addresses: Iterable[str]) -> list[str | None]:
    """Each address once; a second node behind the same one has none of its own."""
    found: list[str | None] = []
    for one in addresses:
        found.append(None if one in found else one)
    return found


def _weight(machine: Machine) -> float:
    return sum(card.memory_free or 1 for card in machine.accelerators)


# -- one node ---------------------------------------------------------------------------------------------------


def _machine(row: _Row, seen: _Summary | None, used: float, said: str, warnings: list[str]) -> Machine:
    where = clean(row.node_ip)[:60]
    memory = _memory(row, seen)
    cores = row.resources_total.get("CPU") or None
    cards, evidence = _cards(row, seen, used, where, said, warnings)
    facts = [*facts_about("memory", memory, said), *facts_about("cpu", Cpu(cores_available=cores), said)]
    for number, card in enumerate(cards):
        facts += facts_about(f"accelerators.{number}", card, said, evidence)
    return Machine(
        name=where,
        os="linux",
        cpu=Cpu(cores_available=cores),
        memory=memory,
        accelerators=cards,
        simulated=True,
        facts=tuple(facts),
    )


def _memory(row: _Row, seen: _Summary | None) -> Memory:
    """The node's own figures; without them what Ray hands out of it."""
    if seen and len(seen.mem) >= 2:
        return Memory(total=int(seen.mem[0]), available=int(min(seen.mem[0], seen.mem[1])))
    given = int(row.resources_total.get("memory", 0)) or None
    return Memory(total=given, available=given)


def _cards(
    row: _Row, seen: _Summary | None, used: float, where: str, said: str, warnings: list[str]
) -> tuple[tuple[Accelerator, ...], dict[str, str]]:
    """The GPUs that Ray could give now, and the evidence of what Ray does not tell itself."""
    counted = int(min(row.resources_total.get("GPU", 0), _MOST_GPUS))
    free = max(0, counted - int(-(-used // 1)))
    if free < counted:
        warnings.append(
            f"{where}: {counted - free} of {counted} GPUs are held by other work of this cluster."
        )
    read = sorted((seen and seen.gpus) or [], key=lambda gpu: gpu.memory_used)[:free]
    if read:
        return tuple(_known(number, gpu) for number, gpu in enumerate(read)), _TABLE
    kind = next((name[len(_TYPE) :] for name in sorted(row.resources_total) if name.startswith(_TYPE)), None)
    card, sure = _typed(clean(kind)[:60] if kind else None)
    if free and not sure:
        warnings.append(
            f"{where}: Ray counts {free} GPUs and knows neither their memory nor how much is free. Install"
            " nvidia-ml-py beside Ray there, or describe the cluster in a file with --on cluster.toml."
        )
    elif free:
        warnings.append(
            f"{where}: the memory of {free} x {card.name} is that of the table; what is free is assumed."
        )
    evidence = {**_TABLE, "memory_total": "device table", "memory_free": "assumed: an idle card"}
    return tuple(replace(card, index=number) for number in range(free)), evidence


_TABLE = dict.fromkeys(("apis", "arch", "bandwidth", "fp32_flops"), "device table")


def _known(index: int, gpu: _Gpu) -> Accelerator:
    name = clean(gpu.name)[:100]
    vendor: Vendor = next((vendor for word, vendor in _VENDORS if word in name.lower()), "nvidia")
    total = int(gpu.memory_total * MIB) or None
    free = None if total is None else max(0, total - int(gpu.memory_used * MIB))
    card = Accelerator(index=index, vendor=vendor, name=name, memory_total=total, memory_free=free)
    found = look_up(vendor, name, total)
    if found is None:
        return replace(card, apis=("cuda",) if vendor == "nvidia" else ())
    one = found.device
    return replace(card, apis=one.apis, arch=one.arch, bandwidth=one.bandwidth, fp32_flops=one.fp32_flops)


def _typed(kind: str | None) -> tuple[Accelerator, bool]:
    """The card of a type that Ray knows ("H100"), and whether the table tells its memory."""
    found: Pick | None = None
    with suppress(UsageError):  # none of the table, or sold in several sizes
        found = pick(kind.replace("-", " "), None) if kind else None
    if found is None or found.device.unified:
        return Accelerator(index=0, vendor="other", name=kind or "GPU of unknown kind"), False
    one = found.device
    return Accelerator(
        index=0,
        vendor=one.vendor,
        name=one.name,
        apis=one.apis,
        arch=one.arch,
        memory_total=found.size,
        memory_free=max(0, found.size - IDLE_CARD),
        bandwidth=one.bandwidth,
        fp32_flops=one.fp32_flops,
    ), True

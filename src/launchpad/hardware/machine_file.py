"""A machine described in a TOML file, for `--on machine.toml`.

    name = "workstation"            # all fields are optional but memory.total
    os = "linux"                    # linux, darwin, windows
    disk_free = "500GB"             # where models go; decimal
    download_rate = "12MB/s"

    [cpu]                           # model, architecture, cores_physical, cores_performance, cores_logical,
    cores_physical = 8              # cores_available, isa = ["avx2"], bandwidth = "51.2GB/s" (the peak)

    [memory]                        # total, available, limit, swap_free; "64GB" is 64 GiB, as memory is sold
    total = "64GB"

    [[accelerators]]
    device = "RTX 3090"             # a device of the table: the other fields are filled from it
    count = 2
    memory_free = "20GB"            # any field of an accelerator can be set, for each of the `count`

A file with `[[nodes]]` or `[[hosts]]` describes several machines as one, one with `ray` names a live cluster:
launchpad.hardware.cluster. Without `device`, an accelerator needs `name`, `vendor` and `memory_total`. What the file leaves out is assumed or
unknown as for a description in words. Sizes are texts with a unit, or whole numbers of bytes.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from msgspec.structs import replace

from launchpad.errors import UsageError
from launchpad.hardware import values
from launchpad.hardware.assumed import Given, accelerator_of, complete, idle
from launchpad.hardware.cluster import MOST_NODES, clustered
from launchpad.hardware.machine import Accelerator, Api, Cpu, Fact, Machine, Memory, Vendor, facts_about
from launchpad.hardware.resolve import Pick, is_chip, pick

_LARGEST_FILE = 2**20

_TOP: dict[str, values.Reader] = {
    "name": values.text,
    "os": values.one_of("linux", "darwin", "windows"),
    "disk_free": values.disk,
    "download_rate": values.rate,
}
_TABLES = ("cpu", "memory", "accelerators")
_CPU: dict[str, values.Reader] = {
    "model": values.text,
    "architecture": values.text,
    "cores_physical": values.whole,
    "cores_performance": values.whole,
    "cores_logical": values.whole,
    "cores_available": values.number,
    "isa": values.texts(values.text),
    "bandwidth": values.rate,
}
_MEMORY: dict[str, values.Reader] = dict.fromkeys(("total", "available", "limit", "swap_free"), values.memory)
_ACCELERATOR: dict[str, values.Reader] = {
    "device": values.text,
    "count": values.count,
    "name": values.text,
    "vendor": values.one_of(*get_args(Vendor)),
    "apis": values.texts(values.one_of(*get_args(Api))),
    "arch": values.text,
    "memory_total": values.memory,
    "memory_free": values.memory,
    "bandwidth": values.rate,
    "fp32_flops": values.number,
    "unified": values.flag,
    "driver": values.text,
    "display": values.flag,
    "pci": values.text,
}
_CLUSTER: dict[str, values.Reader] = {"name": values.text, "interconnect": values.rate}
_NODE: dict[str, values.Reader] = {"machine": values.text, "count": values.count, "address": values.text}
_HOST: dict[str, values.Reader] = {"address": values.address, "gpus": values.text, "memory": values.memory}
_RAY: dict[str, values.Reader] = {**_CLUSTER, "ray": values.text}
_NEEDED = ("name", "vendor", "memory_total")


def read_machine(path: Path) -> Machine:
    """The machine that the file describes. Raises `UsageError` that names the key."""
    return parse_machine(_load(path), path)


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"{path} is too large for a machine's description.", why="More than 1 MiB.")
        return tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read.", why=error.strerror or str(error), hint="Check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no valid TOML.", why=str(error).splitlines()[0]) from error


def parse_machine(document: dict[str, Any], path: Path) -> Machine:
    """The machine in a parsed file; `path` is for messages and evidence."""
    for key, parse in (("nodes", _parse_cluster), ("hosts", _parse_hosts), ("ray", _live)):
        if key in document:
            return parse(document, path)
    reader = _Reader(path)
    top = reader.read("", document, _TOP, others=_TABLES)
    cpu = reader.read("cpu", document.get("cpu", {}), _CPU)
    memory = reader.read("memory", document.get("memory", {}), _MEMORY)
    entries = document.get("accelerators", [])
    if not isinstance(entries, list):
        raise reader.error("accelerators", "must be written as [[accelerators]]")
    rows = [reader.read(f"accelerators.{i}", row, _ACCELERATOR) for i, row in enumerate(entries)]
    machine = _base(reader, top, cpu, memory, rows)
    return _overridden(machine, path, top, cpu, memory)


def _parse_cluster(document: dict[str, Any], path: Path) -> Machine:
    reader = _Reader(path)
    top = reader.read("", document, _CLUSTER, others=("nodes",))
    entries = document["nodes"]
    if not isinstance(entries, list) or not entries:
        raise reader.error("nodes", "must be written as [[nodes]]")
    machines: list[Machine] = []
    addresses: list[str | None] = []
    for number, entry in enumerate(entries):
        where = f"nodes.{number}"
        row = reader.read(where, entry, _NODE, others=(*_TOP, *_TABLES))
        count, address = row.get("count", 1), row.get("address")
        if count > 1 and address:
            raise reader.error(f"{where}.count", "must be 1 where a node has an address")
        if address and address in addresses:
            raise reader.error(f"{where}.address", "is that of another node")
        machines += [_node(reader, where, entry, row.get("machine"))] * count
        addresses += [address] * count
    if len(machines) > MOST_NODES:
        raise reader.error("nodes", f"are more than {MOST_NODES}")
    return clustered(
        top.get("name", path.stem), machines, addresses=addresses, interconnect=top.get("interconnect")
    )


def _parse_hosts(document: dict[str, Any], path: Path) -> Machine:
    """Hosts that are there, each by its address: for the commands of vLLM's own multi-node mode."""
    from launchpad.hardware.simulate import simulate

    reader = _Reader(path)
    top = reader.read("", document, _CLUSTER, others=("hosts",))
    entries = document["hosts"]
    if not isinstance(entries, list) or not entries:
        raise reader.error("hosts", "must be written as [[hosts]]")
    if len(entries) > MOST_NODES:
        raise reader.error("hosts", f"are more than {MOST_NODES}")
    machines: dict[str, Machine] = {}
    for number, entry in enumerate(entries):
        row = reader.read(f"hosts.{number}", entry, _HOST)
        for key in ("address", "gpus"):
            if key not in row:
                raise reader.error(f"hosts.{number}.{key}", "is missing")
        if row["address"] in machines:
            raise reader.error(f"hosts.{number}.address", "is that of another host")
        machine = simulate(row["gpus"])
        if machine.cluster or not machine.accelerators:
            raise reader.error(
                f"hosts.{number}.gpus", 'must name the GPUs of one host, such as "8x H100 80GB"'
            )
        if "memory" in row:
            machine = simulate(f"{row['gpus']} + {row['memory'] / 2**30:g}GB")
        machines[row["address"]] = machine
    return clustered(
        top.get("name", path.stem),
        list(machines.values()),
        addresses=tuple(machines),
        interconnect=top.get("interconnect"),
        said=str(path),
    )


def _live(document: dict[str, Any], path: Path) -> Machine:
    """A live Ray cluster, with what Ray does not know of it."""
    from launchpad.hardware.ray_cluster import read_cluster
    from launchpad.hardware.ray_dashboard import dashboard, is_ray

    reader = _Reader(path)
    row = reader.read("", document, _RAY)
    if not is_ray(row["ray"]):
        raise reader.error("ray", 'must be "ray" or "ray://HEAD"')
    machine = read_cluster(dashboard(row["ray"]))
    assert machine.cluster is not None
    cluster = replace(machine.cluster, interconnect=row.get("interconnect"))
    return replace(machine, name=row.get("name", machine.name), cluster=cluster)


def _node(reader: _Reader, where: str, entry: dict[str, Any], words: str | None) -> Machine:
    """The machine of one node: in words, or in the tables of a machine's own file."""
    tables = {key: value for key, value in entry.items() if key not in _NODE}
    if words is None:
        return parse_machine(tables, reader.path)
    if tables:
        raise reader.error(f"{where}.{next(iter(tables))}", "cannot stand beside `machine`")
    from launchpad.hardware.simulate import simulate

    machine = simulate(words)
    if machine.cluster:
        raise reader.error(f"{where}.machine", "must be a single machine")
    return machine


def _base(
    reader: _Reader,
    top: dict[str, Any],
    cpu: dict[str, Any],
    memory: dict[str, Any],
    rows: list[dict[str, Any]],
) -> Machine:
    """The machine with its accelerators, and assumptions where the file is silent."""
    total = memory.get("total")
    unified = [row["memory_total"] for row in rows if row.get("unified") and "memory_total" in row]
    if total is None and not rows:
        raise reader.error("memory.total", "is missing: without a GPU it decides everything")
    given = Given(
        name=top.get("name", reader.path.stem),
        picks=tuple(_pick(row, total) for row in rows if "device" in row for _ in range(row.get("count", 1))),
        memory=total if total is not None else max(unified, default=None),
        cores=cpu.get("cores_physical"),
        cpu_bandwidth=cpu.get("bandwidth"),
    )
    base = complete(given)
    accelerators, facts = _accelerators(reader, rows, base.memory)
    kept = tuple(fact for fact in base.facts if not fact.subject.startswith("accelerators."))
    return replace(base, accelerators=accelerators, facts=(*kept, *facts))


def _pick(row: dict[str, Any], total: int | None) -> Pick:
    """The device of a row. A chip's variant follows from the machine's memory, of which it may get a part only."""
    size = None if total is not None and is_chip(row["device"]) else row.get("memory_total")
    return pick(row["device"], size, total)


def _accelerators(
    reader: _Reader, rows: list[dict[str, Any]], memory: Memory
) -> tuple[tuple[Accelerator, ...], list[Fact]]:
    found: list[Accelerator] = []
    facts: list[Fact] = []
    for number, row in enumerate(rows):
        count = row.get("count", 1)
        if len(found) + count > values.MOST_DEVICES:
            raise reader.error(
                f"accelerators.{number}.count", f"makes more than {values.MOST_DEVICES} accelerators"
            )
        for _ in range(count):
            accelerator, sources = _accelerator(reader, number, row, memory, found)
            facts += facts_about(f"accelerators.{len(found)}", accelerator, str(reader.path), sources)
            found.append(accelerator)
    return tuple(found), facts


def _accelerator(
    reader: _Reader, number: int, row: dict[str, Any], memory: Memory, before: Iterable[Accelerator]
) -> tuple[Accelerator, dict[str, str]]:
    """One accelerator of a row, and the evidence of the fields that the file does not give."""
    fields = {key: value for key, value in row.items() if key not in ("device", "count")}
    if "device" in row:
        device = _pick(row, memory.total)
        base, sources = accelerator_of(device, _index(device.device.vendor, before), memory)
    else:
        missing = [key for key in _NEEDED if key not in row]
        if missing:
            raise reader.error(
                f"accelerators.{number}.{missing[0]}", "is missing; or name a device of the table"
            )
        base, sources = idle(_plain(row, _index(row["vendor"], before)), memory)
    accelerator = replace(base, **fields)
    free, most = accelerator.memory_free, accelerator.memory_total
    if free is not None and most is not None and free > most:
        raise reader.error(f"accelerators.{number}.memory_free", "is more than memory_total")
    return accelerator, {key: said for key, said in sources.items() if key not in fields}


def _plain(row: dict[str, Any], index: int) -> Accelerator:
    return Accelerator(
        index=index,
        vendor=row["vendor"],
        name=row["name"],
        memory_total=row["memory_total"],
        unified=row.get("unified", False),
    )


def _index(vendor: str, before: Iterable[Accelerator]) -> int:
    return sum(each.vendor == vendor for each in before)


def _overridden(
    machine: Machine, path: Path, top: dict[str, Any], cpu: dict[str, Any], memory: dict[str, Any]
) -> Machine:
    """`machine` with everything that the file says itself, and that as its evidence."""
    if "available" not in memory and "limit" in memory:
        memory = {**memory, "available": min(machine.memory.available or 0, memory["limit"])}
    if memory.get("available", 0) > (memory.get("total") or machine.memory.total or 0):
        raise _Reader(path).error("memory.available", "is more than memory.total")
    subjects = {*top, *(f"cpu.{key}" for key in cpu), *(f"memory.{key}" for key in memory)}
    kept = tuple(fact for fact in machine.facts if fact.subject not in subjects)
    said = str(path)
    told: tuple[Fact, ...] = tuple(
        Fact(subject=key, value=str(value), evidence=said) for key, value in top.items() if key != "name"
    )
    told += facts_about("cpu", Cpu(**cpu), said) + facts_about("memory", Memory(**memory), said)
    return replace(
        machine,
        **top,
        cpu=replace(machine.cpu, **cpu),
        memory=replace(machine.memory, **memory),
        facts=(*told, *kept),
    )


class _Reader:
    """Reads tables strictly; its errors name the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(
        self, where: str, table: Any, schema: dict[str, values.Reader], *, others: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The values of `table`; keys in `others` are left to the caller."""
        if not isinstance(table, dict):
            raise self.error(where, "must be a table")
        values = {}
        for key, value in table.items():
            if key in others:
                continue
            if key not in schema:
                raise self._unknown(f"{where}.{key}".strip("."), key, (*schema, *others))
            try:
                values[key] = schema[key](value)
            except ValueError as error:
                raise self.error(f"{where}.{key}".strip("."), f"must be {error}") from error
        return values

    def error(self, key: str, problem: str) -> UsageError:
        """An error about one key."""
        return UsageError(
            f"{self.path.name}: {key} {problem}.", hint="See the fields in the reference of --on."
        )

    def _unknown(self, path: str, key: str, known: Iterable[str]) -> UsageError:
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        known = ", ".join(known)
        return UsageError(
            f"{self.path.name}: there is no key {path!r}.",
            why=f"Did you mean {close[0]!r}?" if close else None,
            hint=f"Keys here: {known}.",
        )

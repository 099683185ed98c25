"""`launchpad hardware`: what is known about the machine, with the evidence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option, on_option, simulated
from launchpad.cli.render import gb, gib

if TYPE_CHECKING:
    from launchpad.cli.output import Output
    from launchpad.hardware.machine import Accelerator, Cpu, Fact, Machine, Memory


@click.command()
@on_option
@click.option("--evidence", is_flag=True, help="Show where each fact comes from.")
@json_option
@click.pass_obj
def hardware(app: App, on: str | None, evidence: bool) -> None:
    """Show what is known about this machine, or about a simulated one (--on). Unknown is shown as unknown.

    \b
    launchpad hardware
    launchpad hardware --evidence
    launchpad hardware --on "M4 Max 64GB" --json
    """
    from launchpad.survey import detect_machine

    with app.output.status("looking at this machine"):
        machine = simulated(on) or detect_machine(app.host)
    if app.output.json_mode:
        app.output.data(machine)
        return
    _show(app.output, machine)
    if evidence:
        app.output.line()
        app.output.table(
            ["fact", "value", "evidence"], [[f.subject, _readable(f), f.evidence] for f in machine.facts]
        )
    for warning in () if on else machine.warnings:  # --on has said its own already
        app.output.warn(warning)


def _show(out: Output, machine: Machine) -> None:
    rows = [["machine", machine.name + _origin(machine)]]
    rows.append(["system", machine.os or "unknown"])
    rows.append(["cpu", _cpu(machine.cpu)])
    rows.append(["memory", _memory(machine.memory)])
    rows += [[f"gpu {a.index}", _accelerator(a)] for a in machine.accelerators]
    if not machine.accelerators:
        rows.append(["gpu", "none found"])
    rows.append(
        [
            "disk",
            f"{gb(machine.disk_free)} free where models go" if machine.disk_free is not None else "unknown",
        ]
    )
    for node in machine.cluster.nodes if machine.cluster else ():
        cards = Counter(_accelerator(card) for card in node.accelerators)
        each = [text if number == 1 else f"{number}x {text}" for text, number in cards.items()]
        rows.append(["node", "; ".join([node.name, *each, f"memory {_memory(node.memory)}"])])
    for label, text in rows:
        out.field(label, text, column=9)


def _origin(machine: Machine) -> str:
    """What kind of machine it is, if it is not this one."""
    live = machine.cluster is not None and machine.cluster.live is not None
    return " (live)" if live else " (simulated)" if machine.simulated else ""


def _readable(fact: Fact) -> str:
    """The value as it was read, and large numbers of bytes in the unit of daily use beside it."""
    if not fact.value.isdigit() or int(fact.value) < 1 << 20:
        return fact.value
    if fact.subject.endswith("bandwidth"):
        return f"{fact.value} ({int(fact.value) / 1e9:.0f} GB/s)"
    show = gb if fact.subject == "disk_free" else gib
    return f"{fact.value} ({show(int(fact.value))})"


def _cpu(cpu: Cpu) -> str:
    parts = [cpu.model or "unknown model"]
    if cpu.cores_physical:
        parts.append(f"{cpu.cores_physical} cores")
    if cpu.isa:
        parts.append(" ".join(cpu.isa))
    if cpu.bandwidth:
        how = "measured" if cpu.bandwidth_measured else "from tables"
        parts.append(f"memory {cpu.bandwidth / 1e9:.0f} GB/s ({how})")
    else:
        parts.append("memory bandwidth unknown")
    return ", ".join(parts)


def _memory(memory: Memory) -> str:
    limit = f", container limit {gib(memory.limit)}" if memory.limit is not None else ""
    return f"{gib(memory.available)} available of {gib(memory.total)}{limit}"


def _accelerator(gpu: Accelerator) -> str:
    parts = [gpu.name, f"{gib(gpu.memory_free)} free of {gib(gpu.memory_total)}"]
    if gpu.unified:
        parts.append("unified with main memory")
    if gpu.arch:
        parts.append(gpu.arch)
    if gpu.bandwidth:
        parts.append(f"{gpu.bandwidth / 1e9:.0f} GB/s")
    if gpu.apis:
        parts.append("/".join(gpu.apis))
    return ", ".join(parts)

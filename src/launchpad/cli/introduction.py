"""What bare `launchpad` says to a newcomer: the machine in three lines, the pick, and one question."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from launchpad.cli.notices import tell
from launchpad.cli.question import ask_consent
from launchpad.cli.render import gb, gib, speed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from launchpad.cli.app import App
    from launchpad.hardware.machine import Machine
    from launchpad.plan import Plan


def introduce(app: App, plan: Plan) -> None:
    """Tell; where nothing is to be pulled, whose consent is a question of its own, ask whether to start."""
    for line in machine_lines(plan.machine):
        app.output.note(line, "cyan")
    tell(app.output, plan)
    app.output.note(pick_line(plan), "bold")
    if plan.pull is None:
        ask_consent("It is on this machine. Start it and chat?", default=True)


def machine_lines(machine: Machine) -> Iterator[str]:
    """Processor, memory, graphics."""
    cores = f", {machine.cpu.cores_physical} cores" if machine.cpu.cores_physical else ""
    yield f"This machine: {machine.cpu.model or machine.name}{cores}."
    disk = f"; {gb(machine.disk_free)} free on the disk for models" if machine.disk_free is not None else ""
    yield f"Memory: {gib(machine.memory.available)} of {gib(machine.memory.total)} free{disk}."
    cards = Counter(
        f"{card.name} with {gib(card.memory_free)} free{', shared with main memory' if card.unified else ''}"
        for card in machine.accelerators
    )
    named = "; ".join(text if number == 1 else f"{number}x {text}" for text, number in cards.items())
    yield f"Graphics: {named or 'no GPU found, so models run on the processor'}."


def pick_line(plan: Plan) -> str:
    """The pick with its speed, why it is the pick, and where the others are."""
    option = plan.choice.pick
    name = plan.start.model_name if option is None else f"{option.model.name} {option.build.quantization}"
    why = f": {option.reason}" if option else ""
    pace = f" ({speed(plan.start.fit.speed.decode)})" if plan.start.fit.speed.decode else ""
    return f"The pick: {name}{pace}{why}. `launchpad recommend` shows the others."

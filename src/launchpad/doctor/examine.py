"""All checks, each on its own: one that fails is a line like the others."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from launchpad import __version__
from launchpad.doctor import hardware, network, software
from launchpad.doctor.floors import floors
from launchpad.doctor.model import Check, Diagnosis

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.host import Host


def examine(host: Host, config: Config, *, offline: bool = False) -> Diagnosis:
    """Look at everything. Changes nothing; connects only to ask sources for a sign of life, and not at all `offline`."""
    from launchpad.survey import detect_machine

    machine = detect_machine(host, measure_bandwidth=False)
    groups: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("gpu", lambda: hardware.gpus(machine)),
        ("memory", lambda: hardware.memory(machine)),
        ("disk", lambda: hardware.disk(machine)),
        ("engines", lambda: software.engines(host, machine)),
        ("libraries", software.libraries),
        ("folders", software.folders),
        ("sources", lambda: network.sources(host, config, offline=offline)),
        ("proxies", network.settings),
        ("ports", lambda: network.ports(config)),
        ("plugins", lambda: software.plugins(host)),
        ("processes", software.processes),
    ]
    checks = [check for name, group in groups for check in _safe(name, group)]
    checks += [Check(name="hardware", state="warn", evidence=line) for line in machine.warnings]
    return Diagnosis(
        launchpad=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        floors_date=floors().date,
        checks=tuple(checks),
    )


def _safe(name: str, group: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from group()
    except Exception as error:
        evidence = f"could not be checked: {type(error).__name__}: {error}"
        yield Check(name=name, state="warn", evidence=evidence, fix="Please report this line.")

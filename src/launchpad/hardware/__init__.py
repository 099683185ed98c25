"""What the machine is. The data types are imported when they are first used.

The deeds keep their modules, whose names they share: `launchpad.hardware.detect.detect`,
`launchpad.hardware.simulate.simulate`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.hardware.machine import Accelerator as Accelerator
    from launchpad.hardware.machine import Cluster as Cluster
    from launchpad.hardware.machine import Cpu as Cpu
    from launchpad.hardware.machine import Fact as Fact
    from launchpad.hardware.machine import Machine as Machine
    from launchpad.hardware.machine import Memory as Memory
    from launchpad.hardware.machine import Node as Node
    from launchpad.hardware.machine import ProbeResult as ProbeResult

_HOMES = {
    "Accelerator": "machine",
    "Cluster": "machine",
    "Cpu": "machine",
    "Fact": "machine",
    "Machine": "machine",
    "Memory": "machine",
    "Node": "machine",
    "ProbeResult": "machine",
}

__all__ = ["Accelerator", "Cluster", "Cpu", "Fact", "Machine", "Memory", "Node", "ProbeResult"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"launchpad.hardware.{_HOMES[name]}"), name)

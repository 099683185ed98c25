"""The built-in hardware probes: processor, memory, and one for each maker of GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import HardwareProbe, hookimpl


@hookimpl
def launchpad_probes() -> Sequence[HardwareProbe]:
    """The probes that make sense on this operating system, none of which has looked yet."""
    import sys

    from launchpad.plugins.probes.cpu import CpuProbe
    from launchpad.plugins.probes.memory import MemoryProbe
    from launchpad.plugins.probes.nvidia import NvidiaProbe

    common: list[HardwareProbe] = [CpuProbe(), MemoryProbe()]
    if sys.platform == "darwin":
        from launchpad.plugins.probes.apple import AppleProbe

        return [*common, AppleProbe()]
    if sys.platform == "win32":
        from launchpad.plugins.probes.windows import WindowsGpuProbe

        return [*common, NvidiaProbe(), WindowsGpuProbe()]
    from launchpad.plugins.probes.amd import AmdProbe
    from launchpad.plugins.probes.intel import IntelProbe

    return [*common, NvidiaProbe(), AmdProbe(), IntelProbe()]

"""Windows: the processor and the GPUs that are not NVIDIA's, from the registry."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from launchpad.plugins import Accelerator, Api, Cpu, Fact, ProbeResult, Vendor, facts_about
from launchpad.plugins.probes.memory import usable

_PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
_DISPLAYS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
# Numbers of IsProcessorFeaturePresent (winnt.h).
_FEATURES = {"avx2": 40, "avx512f": 41, "neon": 19, "dotprod": 43}
_VENDORS: dict[str, tuple[Vendor, tuple[Api, ...]]] = {
    "1002": ("amd", ("vulkan",)),
    "8086": ("intel", ("vulkan",)),
}
_INTEGRATED = 4 * 2**30  # a GPU in a processor reports what its firmware set aside, usually less than this
# AMD's names of GPUs in processors, whose firmware may set aside more: "AMD Radeon 780M Graphics" with 8 GiB.
_IN_PROCESSOR = re.compile(
    r"radeon ?(\(tm\))? (graphics|(rx )?vega (3|6|8|10|11)\b|[678]\d0m|80[456]0s)", re.IGNORECASE
)

Values = dict[str, Any]


class WindowsGpuProbe(Struct, frozen=True):
    """Reads the display adapters' registry keys. What is free on them is unknown to it."""

    read: Callable[[], list[Values]] | None = None
    name: str = "windows-gpu"

    def probe(self) -> ProbeResult:
        """AMD's and Intel's GPUs."""
        accelerators: list[Accelerator] = []
        facts: list[Fact] = []
        for values in (self.read or _display_adapters)():
            found = adapter(values, sum(a.vendor == _maker(values) for a in accelerators))
            if found is not None:
                facts += facts_about(f"accelerators.{len(accelerators)}", found, "registry")
                accelerators.append(found)
        return ProbeResult(accelerators=tuple(accelerators), facts=tuple(facts))


def cpu() -> ProbeResult:
    """The processor as psutil and the registry describe it."""
    import psutil

    physical, logical = psutil.cpu_count(logical=False), psutil.cpu_count()
    process = psutil.Process()
    allowed = len(process.cpu_affinity() or ()) if hasattr(process, "cpu_affinity") else 0
    processor = Cpu(
        model=str(_values(_PROCESSOR).get("ProcessorNameString") or "").strip() or None,
        architecture=platform.machine() or None,
        cores_physical=physical,
        cores_performance=None,
        cores_logical=logical,
        cores_available=float(allowed) if allowed else logical,
        isa=tuple(name for name, feature in _FEATURES.items() if _has(feature)),
    )
    sources = {"model": "registry", "architecture": "platform.machine", "isa": "IsProcessorFeaturePresent"}
    return ProbeResult(cpu=processor, facts=facts_about("cpu", processor, "psutil", sources))


def adapter(values: Values, index: int) -> Accelerator | None:
    """A display adapter's registry values as an accelerator; None for other makers and for virtual adapters."""
    vendor = _maker(values)
    if vendor is None:
        return None
    own = _size(values.get("HardwareInformation.qwMemorySize"))
    name = str(values.get("DriverDesc") or f"{vendor} GPU")
    large = own is not None and own >= _INTEGRATED
    unified = not large or _IN_PROCESSOR.search(name) is not None
    total, free = _shared(own if large else None) if unified else (own, None)
    return Accelerator(
        index=index,
        vendor=vendor,
        name=name,
        apis=next(apis for maker, apis in _VENDORS.values() if maker == vendor),
        memory_total=total,
        memory_free=free,
        unified=unified,
        driver=str(values["DriverVersion"]) if "DriverVersion" in values else None,
    )


def _size(value: object) -> int | None:
    """Bytes: a number, or what some drivers write instead, its four or eight bytes."""
    size = int.from_bytes(value, "little") if isinstance(value, bytes) and len(value) in (4, 8) else value
    return size if isinstance(size, int) and size > 0 else None


def _shared(own: int | None) -> tuple[int | None, int | None]:
    """(total, free) for a GPU in a processor: Windows shares half of the main memory with it.

    What its firmware set aside as its `own` comes on top, and how much of that is free nobody says.
    """
    main, available = usable()
    half = main // 2
    return (half, min(available, half)) if own is None else (own + half, None)


def _maker(values: Values) -> Vendor | None:
    match = re.search(r"ven_([0-9a-f]{4})", str(values.get("MatchingDeviceId") or "").lower())
    return _VENDORS[match[1]][0] if match and match[1] in _VENDORS else None


def _display_adapters() -> list[Values]:
    return [_values(rf"{_DISPLAYS}\{name}") for name in _subkeys(_DISPLAYS) if name.isdecimal()]


# -- the registry -----------------------------------------------------------------------------------------------


def _values(key: str) -> Values:
    """All values of a key under HKEY_LOCAL_MACHINE; none when it is absent or this is not Windows."""
    if sys.platform != "win32":
        return {}
    import winreg

    found: Values = {}
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
            for i in range(winreg.QueryInfoKey(handle)[1]):
                name, value, _ = winreg.EnumValue(handle, i)
                found[name] = value
    except OSError:
        return found
    return found


def _subkeys(key: str) -> Iterator[str]:
    if sys.platform != "win32":
        return
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
            yield from (winreg.EnumKey(handle, i) for i in range(winreg.QueryInfoKey(handle)[0]))
    except OSError:
        return


def _has(feature: int) -> bool:
    if sys.platform != "win32":
        return False
    import ctypes

    return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(feature))

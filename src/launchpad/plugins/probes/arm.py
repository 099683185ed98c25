"""Names of Arm cores, which have numbers where other processors have names.

Linux gives each core's implementer and part (MIDR_EL1). The numbers and names are those of the Linux kernel
(arch/arm64/include/asm/cputype.h) and of util-linux (sys-utils/lscpu-arm.c).
"""

from __future__ import annotations

from collections.abc import Iterable

# Implementer -> part -> name. Within an implementer the cores that a chip mixes stand strongest first.
_CORES: dict[int, dict[int, str]] = {
    0x41: {  # Arm
        0xD85: "Cortex-X925",
        0xD82: "Cortex-X4",
        0xD4E: "Cortex-X3",
        0xD48: "Cortex-X2",
        0xD44: "Cortex-X1",
        0xD4C: "Cortex-X1C",
        0xD84: "Neoverse-V3",
        0xD83: "Neoverse-V3AE",
        0xD4F: "Neoverse-V2",
        0xD40: "Neoverse-V1",
        0xD8E: "Neoverse-N3",
        0xD49: "Neoverse-N2",
        0xD0C: "Neoverse-N1",
        0xD87: "Cortex-A725",
        0xD81: "Cortex-A720",
        0xD4D: "Cortex-A715",
        0xD47: "Cortex-A710",
        0xD4B: "Cortex-A78C",
        0xD42: "Cortex-A78AE",
        0xD41: "Cortex-A78",
        0xD0D: "Cortex-A77",
        0xD0E: "Cortex-A76AE",
        0xD0B: "Cortex-A76",
        0xD0A: "Cortex-A75",
        0xD09: "Cortex-A73",
        0xD08: "Cortex-A72",
        0xD07: "Cortex-A57",
        0xD80: "Cortex-A520",
        0xD46: "Cortex-A510",
        0xD05: "Cortex-A55",
        0xD03: "Cortex-A53",
    },
    0x46: {0x001: "A64FX"},  # Fujitsu
    0x48: {0xD01: "Kunpeng-920"},  # HiSilicon
    0x4E: {0x010: "Olympus", 0x004: "Carmel"},  # NVIDIA
    0x51: {0x001: "Oryon"},  # Qualcomm
    0x61: {  # Apple, whose two kinds of cores are named here by their chip; an Ultra is two of Max
        0x039: "Apple M2 Max",
        0x038: "Apple M2 Max",
        0x035: "Apple M2 Pro",
        0x034: "Apple M2 Pro",
        0x033: "Apple M2",
        0x032: "Apple M2",
        0x029: "Apple M1 Max",
        0x028: "Apple M1 Max",
        0x025: "Apple M1 Pro",
        0x024: "Apple M1 Pro",
        0x023: "Apple M1",
        0x022: "Apple M1",
    },
    0x6D: {0xD49: "Cobalt 100"},  # Microsoft
    0xC0: {0xAC4: "Ampere-1a", 0xAC3: "Ampere-1"},  # Ampere Computing
}


def core_names(cores: Iterable[tuple[int, int]]) -> str:
    """The known kinds among (implementer, part), strongest first: "Cortex-X925 + Cortex-A725"."""
    present = set(cores)
    known = (
        name
        for implementer, parts in _CORES.items()
        for part, name in parts.items()
        if (implementer, part) in present
    )
    return " + ".join(dict.fromkeys(known))

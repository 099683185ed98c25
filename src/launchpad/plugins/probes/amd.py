"""AMD GPUs on Linux, from what the amdgpu driver writes under /sys: no tool of ROCm has to be installed."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from launchpad.plugins import Accelerator, Api, Fact, ProbeResult, facts_about
from launchpad.plugins.probes.drm import DrmCard, cards, pci_name
from launchpad.plugins.probes.files import ROOT, number, text, whole
from launchpad.plugins.probes.memory import usable
from launchpad.plugins.probes.visible import visible

_PCI_VENDOR = 0x1002
# Targets that exist only inside a processor, whose memory is the machine's own.
_INTEGRATED = frozenset(
    [
        "gfx902",
        "gfx909",
        "gfx90c",
        "gfx1013",
        "gfx1033",
        "gfx1035",
        "gfx1036",
        "gfx1103",
        "gfx1150",
        "gfx1151",
        "gfx1152",
        "gfx1153",
    ]
)
_VARIABLES = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
_MIB = 2**20
_SMALL = 4 * 1024 * _MIB


class Sizes(Struct, frozen=True, kw_only=True):
    """Memory in bytes that a process on the GPU can get, and which files say so."""

    total: int | None
    free: int | None
    evidence: str


class AmdProbe(Struct, frozen=True):
    """Reads /sys/class/drm for the cards and /sys/class/kfd for what ROCm can compute on."""

    root: Path = ROOT
    name: str = "amd"

    def probe(self) -> ProbeResult:
        """Every AMD GPU, discrete or in the processor, that ROCm's environment variables do not hide."""
        targets = gfx_targets(self.root)
        found = [
            _accelerator(self.root, card, i, targets) for i, card in enumerate(cards(self.root, _PCI_VENDOR))
        ]
        kept, hidden = list(range(len(found))), 0
        for variable in _VARIABLES:
            kept, newly = visible([(i, None) for i in kept], os.environ.get(variable))
            hidden += newly
        facts: list[Fact] = []
        for place, i in enumerate(kept):
            accelerator, sources = found[i]
            facts += facts_about(f"accelerators.{place}", accelerator, "/sys/class/drm", sources)
        if hidden:
            facts.append(Fact(subject="amd.hidden", value=str(hidden), evidence=" or ".join(_VARIABLES)))
        return ProbeResult(accelerators=tuple(found[i][0] for i in kept), facts=tuple(facts))


def _accelerator(
    root: Path, card: DrmCard, index: int, targets: dict[int, str]
) -> tuple[Accelerator, dict[str, str]]:
    arch = None if card.render is None else targets.get(card.render)
    name, named_by = _name(root, card)
    unified = is_integrated(arch, name, card.folder)
    sizes = _unified_sizes(root, card.folder) if unified else _card_sizes(card.folder)
    apis: tuple[Api, ...] = () if card.render is None else (("rocm", "vulkan") if arch else ("vulkan",))
    accelerator = Accelerator(
        index=index,
        vendor="amd",
        name=name,
        apis=apis,
        arch=arch,
        memory_total=sizes.total,
        memory_free=sizes.free,
        unified=unified,
        driver=card.driver,
        display=card.display,
        pci=card.pci,
    )
    sources = dict.fromkeys(("memory_total", "memory_free"), f"{card.folder}/{sizes.evidence}")
    sources |= {"name": named_by, "arch": "gfx_target_version in /sys/class/kfd", "unified": "the gfx target"}
    return accelerator, sources


# -- memory -----------------------------------------------------------------------------------------------------


def is_integrated(arch: str | None, name: str, folder: Path) -> bool:
    """Whether the GPU shares the machine's memory: by its target, else by how little it has of its own."""
    if arch is not None:
        return arch in _INTEGRATED or "MI300A" in name
    own, shared = number(folder / "mem_info_vram_total"), number(folder / "mem_info_gtt_total")
    return own is not None and shared is not None and own < min(_SMALL, shared)


def _card_sizes(folder: Path) -> Sizes:
    total, used = number(folder / "mem_info_vram_total"), number(folder / "mem_info_vram_used")
    return Sizes(total=total, free=_left(total, used), evidence="mem_info_vram_*")


def _unified_sizes(root: Path, folder: Path) -> Sizes:
    """What was carved out of the main memory for the GPU, plus what the driver lets it borrow (GTT).

    The borrowed part is main memory, so no more of it is free than the machine has available.
    """
    own = _card_sizes(folder)
    most, used = number(folder / "mem_info_gtt_total"), number(folder / "mem_info_gtt_used")
    borrowed = _left(most, used)
    _, available = usable(root)
    total = None if own.total is None or most is None else own.total + most
    free = None if own.free is None or borrowed is None else own.free + min(borrowed, available)
    return Sizes(total=total, free=free, evidence="mem_info_vram_* and mem_info_gtt_*")


def _left(total: int | None, used: int | None) -> int | None:
    return None if total is None or used is None else max(0, total - used)


# -- names ------------------------------------------------------------------------------------------------------


def _name(root: Path, card: DrmCard) -> tuple[str, str]:
    """The product's name and who says so."""
    known = parse_amdgpu_ids(text(root / "usr/share/libdrm/amdgpu.ids") or "")
    if name := known.get((card.device, card.revision)):
        return name, "/usr/share/libdrm/amdgpu.ids"
    if name := text(card.folder / "product_name"):
        return name, f"{card.folder}/product_name"
    if name := pci_name(root, _PCI_VENDOR, card.device):
        return name, "pci.ids"
    return f"AMD GPU {_PCI_VENDOR:04x}:{card.device:04x}", "PCI id"


def parse_amdgpu_ids(ids: str) -> dict[tuple[int, int], str]:
    """(device, revision) -> name, from the text of libdrm's amdgpu.ids ("744C,\tC8,\tAMD Radeon RX 7900 XTX")."""
    names = {}
    for line in ids.splitlines():
        fields = [field.strip() for field in line.split(",", 2)]
        if len(fields) == 3 and not line.startswith("#"):
            device, revision = (whole(f"0x{field}") for field in fields[:2])
            if device is not None and revision is not None:
                names[device, revision] = fields[2]
    return names


# -- compute targets --------------------------------------------------------------------------------------------


def gfx_targets(root: Path = ROOT) -> dict[int, str]:
    """Render minor -> gfx target of each GPU that the compute driver (KFD) offers."""
    targets = {}
    for node in root.glob("sys/class/kfd/kfd/topology/nodes/[0-9]*/properties"):
        properties = parse_properties(text(node) or "")
        minor, version = properties.get("drm_render_minor", 0), properties.get("gfx_target_version", 0)
        if minor > 0 and (target := gfx_target(version)):
            targets[minor] = target
    return targets


def parse_properties(properties: str) -> dict[str, int]:
    """The lines "name value" of a KFD node."""
    pairs = (line.split() for line in properties.splitlines())
    numbers = ((pair[0], whole(pair[1])) for pair in pairs if len(pair) == 2)
    return {name: value for name, value in numbers if value is not None}


def gfx_target(version: int) -> str | None:
    """110501 -> gfx1151, 90010 -> gfx90a: two decimal digits each for minor and stepping, written in hexadecimal."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}" if 6 <= major < 100 and minor < 16 and step < 16 else None

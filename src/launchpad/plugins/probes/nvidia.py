"""NVIDIA GPUs, as the driver's management library (NVML) reports them.

No card is a plain answer. A card whose driver or library cannot be reached is a warning, because the alternative
is a model that runs on the CPU without anyone knowing why.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from launchpad.plugins import Accelerator, Fact, ProbeResult, facts_about
from launchpad.plugins.probes.files import ROOT, number, text
from launchpad.plugins.probes.memory import usable
from launchpad.plugins.probes.visible import visible

_PCI_VENDOR = 0x10DE
_VARIABLE = "CUDA_VISIBLE_DEVICES"


class Card(Struct, frozen=True, kw_only=True):
    """One device as NVML lists it, with what CUDA_VISIBLE_DEVICES may call it and where its memory figures are from."""

    accelerator: Accelerator
    uuid: str | None
    memory_evidence: str


class NvidiaProbe(Struct, frozen=True):
    """Asks NVML; `load` gives the bindings or None where the driver's library is not installed."""

    root: Path = ROOT
    load: Callable[[], Any] | None = None
    name: str = "nvidia"

    def probe(self) -> ProbeResult:
        """Every NVIDIA GPU that CUDA would let this process use."""
        allowed = os.environ.get(_VARIABLE)
        nvml = (self.load or load_nvml)()
        if nvml is None:
            jetson = _jetson(self.root)
            return _result([jetson], allowed) if jetson else ProbeResult(warnings=_without_library(self.root))
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            return _without_driver(self.root, error, allowed)
        try:
            return _result(list(_cards(nvml, self.root)), allowed)
        finally:
            _ask(nvml, nvml.nvmlShutdown)


def load_nvml() -> Any:
    """The pynvml module if the driver's library is there, else None: without a driver nothing is imported."""
    if sys.platform != "win32":
        try:
            ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return None
    import pynvml

    return pynvml


# -- what NVML says ---------------------------------------------------------------------------------------------


def _cards(nvml: Any, root: Path) -> Iterator[Card]:
    driver = _ask(nvml, nvml.nvmlSystemGetDriverVersion)
    for index in range(_ask(nvml, nvml.nvmlDeviceGetCount) or 0):
        handle = _ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index)
        if handle is None:
            continue
        card = _card(nvml, handle, index, root, driver)
        yield from _instances(nvml, handle, card, root) or [card]


def _card(nvml: Any, handle: Any, index: int, root: Path, driver: str | None) -> Card:
    name = _text(_ask(nvml, nvml.nvmlDeviceGetName, handle)) or "NVIDIA GPU"
    total, free, evidence = _memory(nvml, handle, root)
    capability = _ask(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    display = _ask(nvml, nvml.nvmlDeviceGetDisplayActive, handle)
    pci = _ask(nvml, nvml.nvmlDeviceGetPciInfo, handle)
    return Card(
        accelerator=Accelerator(
            index=index,
            vendor="nvidia",
            name=name,
            apis=("cuda", "vulkan"),
            arch=None if capability is None else "{}.{}".format(*capability),
            memory_total=total,
            memory_free=free,
            unified=evidence != "NVML" and total is not None,
            driver=_text(driver),
            display=None if display is None else bool(display),
            pci=None if pci is None else _bus(_text(pci.busId)),
        ),
        uuid=_text(_ask(nvml, nvml.nvmlDeviceGetUUID, handle)),
        memory_evidence=evidence,
    )


def _memory(nvml: Any, handle: Any, root: Path) -> tuple[int | None, int | None, str]:
    """(total, free, evidence). A chip that has no memory of its own (GB10, Jetson) does not answer: it uses the
    machine's.
    """
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError_NotSupported:
        total, free = usable(root)
        return total, free, "main memory, because NVML knows no memory of this GPU"
    except nvml.NVMLError:
        return None, None, "NVML"
    return int(memory.total), int(memory.free), "NVML"


def _instances(nvml: Any, handle: Any, card: Card, root: Path) -> list[Card]:
    """The MIG instances that a partitioned card is used through; none when it is whole."""
    mode = _ask(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if mode is None or mode[0] != 1:
        return []
    found = []
    for slot in range(_ask(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _ask(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, slot)
        if instance is None:
            continue
        total, free, evidence = _memory(nvml, instance, root)
        name = _text(_ask(nvml, nvml.nvmlDeviceGetName, instance)) or f"{card.accelerator.name} MIG {slot}"
        part = replace(card.accelerator, name=name, memory_total=total, memory_free=free, pci=None)
        uuid = _text(_ask(nvml, nvml.nvmlDeviceGetUUID, instance))
        found.append(Card(accelerator=part, uuid=uuid, memory_evidence=evidence))
    return found


def _ask(nvml: Any, question: Callable[..., Any], *arguments: Any) -> Any:
    """The answer, or None for what this driver or device does not tell."""
    try:
        return question(*arguments)
    except nvml.NVMLError:
        return None


def _text(value: Any) -> str | None:
    """NVML's text: old bindings give bytes."""
    if isinstance(value, bytes):
        value = value.split(b"\0")[0].decode("utf-8", "replace")
    return str(value).strip() or None if value is not None else None


def _bus(written: str | None) -> str | None:
    """A PCI address as Linux writes it: NVML's domain has eight digits ("00000000:01:00.0")."""
    domain, _, rest = (written or "").partition(":")
    return f"{domain[-4:]}:{rest}".lower() if rest else None


def _result(cards: list[Card], allowed: str | None) -> ProbeResult:
    kept, hidden = visible([(card, card.uuid) for card in cards], allowed)
    numbered = [_numbered(card, i, kept) for i, card in enumerate(kept)]
    facts: list[Fact] = []
    for i, card in enumerate(numbered):
        sources = dict.fromkeys(("memory_total", "memory_free", "unified"), card.memory_evidence)
        facts += facts_about(f"accelerators.{i}", card.accelerator, "NVML", sources)
    if hidden:
        facts.append(Fact(subject="nvidia.hidden", value=str(hidden), evidence=f"{_VARIABLE}={allowed}"))
    return ProbeResult(accelerators=tuple(card.accelerator for card in numbered), facts=tuple(facts))


def _numbered(card: Card, position: int, cards: list[Card]) -> Card:
    """`card` with a number of its own where instances of one GPU would share theirs."""
    if not any(" MIG " in each.accelerator.name for each in cards):
        return card
    return replace(card, accelerator=replace(card.accelerator, index=position))


# -- without NVML -----------------------------------------------------------------------------------------------


def _jetson(root: Path) -> Card | None:
    """A Jetson board, whose older system software has no NVML; it names itself in the device tree."""
    model = text(root / "proc/device-tree/model") or ""
    if "Jetson" not in model:
        return None
    total, free = usable(root)
    accelerator = Accelerator(
        index=0,
        vendor="nvidia",
        name=model.removeprefix("NVIDIA "),
        apis=("cuda", "vulkan"),
        memory_total=total,
        memory_free=free,
        unified=True,
    )
    return Card(
        accelerator=accelerator, uuid=None, memory_evidence="main memory, which a Jetson's GPU shares"
    )


def _without_driver(root: Path, error: Exception, allowed: str | None) -> ProbeResult:
    """The library is there but does not start: worth a warning where there is a GPU that it should have shown."""
    jetson = _jetson(root)
    if jetson:
        return _result([jetson], allowed)
    if not (_driver_version(root) or _has_pci_card(root)):
        return ProbeResult()
    warning = f"An NVIDIA GPU is present but not used: its driver answers '{error}'. A restart often helps."
    return ProbeResult(warnings=(warning,))


def _without_library(root: Path) -> tuple[str, ...]:
    """One warning when there is an NVIDIA GPU that no library can reach, with what to do about it."""
    version = _driver_version(root)
    if version:
        return (
            f"An NVIDIA GPU is present but not used: its driver {version} is loaded, its library "
            "(libnvidia-ml.so.1) is not here. In a container: start it with --gpus all.",
        )
    if _has_pci_card(root):
        return (
            "An NVIDIA GPU is present but not used: NVIDIA's driver is not loaded. Install it and restart.",
        )
    return ()


def _driver_version(root: Path) -> str | None:
    for word in (text(root / "proc/driver/nvidia/version") or "").split():
        if word.count(".") and word.replace(".", "").isdecimal():
            return word
    return None


def _has_pci_card(root: Path) -> bool:
    devices = root.glob("sys/bus/pci/devices/*")
    return any(number(d / "vendor") == _PCI_VENDOR and (number(d / "class") or 0) >> 16 == 3 for d in devices)

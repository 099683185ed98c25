"""The engine as referee over what the probes found."""

from __future__ import annotations

from launchpad.hardware.machine import Accelerator, Machine
from launchpad.hardware.referee import referee
from launchpad.plugins.spec import EngineDevice

GIB = 1 << 30


def gpu(**fields):
    return Accelerator(
        **{"index": 0, "vendor": "intel", "name": "Intel Arc B580", "apis": ("vulkan",), **fields}
    )


def device(**fields):
    known = {"name": "Vulkan0", "api": "vulkan", "description": "Intel(R) Arc(tm) B580 Graphics (BMG G21)"}
    return EngineDevice(**{**known, "memory_total": 12 * GIB, "memory_free": 11 * GIB, **fields})


def test_unknown_memory_comes_from_the_engine_with_its_evidence():
    found = referee(Machine(name="m", accelerators=(gpu(),)), "llamacpp", [device()])
    assert [(a.memory_total, a.memory_free) for a in found.accelerators] == [(12 * GIB, 11 * GIB)]
    assert {f.evidence for f in found.facts} == {"device list of llamacpp"}


def test_what_a_probe_knows_is_not_overruled():
    known = gpu(memory_total=12 * GIB, memory_free=3 * GIB)
    found = referee(Machine(name="m", accelerators=(known,)), "llamacpp", [device()])
    assert found.accelerators == (known,)


def test_a_device_that_only_the_engine_sees_is_added():
    soft = device(description="llvmpipe (LLVM 15.0.6, 256 bits)")
    found = referee(
        Machine(name="m", accelerators=(gpu(vendor="nvidia", name="NVIDIA T4"),)), "llamacpp", [soft]
    )
    assert [(a.vendor, a.name, a.index) for a in found.accelerators] == [
        ("nvidia", "NVIDIA T4", 0),
        ("other", "llvmpipe (LLVM 15.0.6, 256 bits)", 0),
    ]


def test_two_equal_cards_are_matched_one_to_one():
    cards = tuple(
        gpu(index=i, vendor="nvidia", name="NVIDIA GeForce RTX 3090", memory_free=i + 1) for i in range(2)
    )
    listed = [device(name=f"CUDA{i}", api="cuda", description="NVIDIA GeForce RTX 3090") for i in range(2)]
    found = referee(Machine(name="m", accelerators=cards), "llamacpp", listed)
    assert len(found.accelerators) == 2
    assert [a.memory_free for a in found.accelerators] == [1, 2]
    assert all("cuda" in a.apis for a in found.accelerators)


def test_the_cpu_in_the_list_is_not_an_accelerator():
    found = referee(Machine(name="m"), "llamacpp", [EngineDevice(name="CPU", api=None, description="a CPU")])
    assert found.accelerators == ()

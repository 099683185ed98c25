"""sysctl's text is captured on Macs where a test says so; all of system_profiler's is written in its format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.apple import cpu_from, parse_displays, parse_sysctl, unified_gpu

GIB = 2**30
MIB = 2**20
# Written.
M4_MAX = """\
machdep.cpu.brand_string: Apple M4 Max
hw.physicalcpu: 16
hw.logicalcpu: 16
hw.perflevel0.physicalcpu: 12
hw.memsize: 68719476736
hw.optional.neon: 1
hw.optional.arm.FEAT_DotProd: 1
hw.optional.arm.FEAT_I8MM: 1
iogpu.wired_limit_mb: 0
"""
DISPLAYS = {
    "SPDisplaysDataType": [
        {
            "_name": "Apple M4 Max",
            "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
            "spdisplays_ndrvs": [{"_name": "Color LCD"}],
            "spdisplays_vendor": "sppci_vendor_Apple",
            "sppci_bus": "spdisplays_builtin",
            "sppci_cores": "40",
            "sppci_device_type": "spdisplays_gpu",
            "sppci_model": "Apple M4 Max",
        }
    ]
}


def test_the_processor():
    result = cpu_from(parse_sysctl(M4_MAX))
    cpu = result.cpu
    assert cpu is not None
    assert (cpu.model, cpu.cores_physical, cpu.cores_performance) == ("Apple M4 Max", 16, 12)
    assert cpu.isa == ("neon", "dotprod", "i8mm")


# Captured sysctl -> model, cores, performance cores, instruction sets, whatever the excerpt holds of them.
CAPTURED = [
    ("macos-10.14-skylake", "Intel(R) Core(TM) i7-6700K CPU @ 4.00GHz", None, None, ()),
    ("macos-11-m1", "Apple processor", None, None, ("neon",)),
    ("macos-12-m1-pro", "Apple M1 Pro", 8, 6, ("neon", "dotprod")),
    ("macos-12-m2", "Apple M2", 8, 4, ("neon", "dotprod", "i8mm")),
    ("macos-15-m3-max", "Apple M3 Max", 14, 10, ("neon", "dotprod", "i8mm")),
    ("macos-15-m4-max", "Apple M4 Max", 16, 12, ("neon", "dotprod", "i8mm")),
]


@pytest.mark.parametrize(("machine", "model", "physical", "performance", "isa"), CAPTURED)
def test_captured_sysctl(captured, machine, model, physical, performance, isa):
    cpu = cpu_from(parse_sysctl(captured(f"sysctl/{machine}.txt"))).cpu
    assert cpu is not None
    assert (cpu.model, cpu.isa) == (model, isa)
    assert (cpu.cores_physical, cpu.cores_performance) == (physical, performance)
    assert cpu.cores_logical == physical


def test_captured_sizes(captured):
    values = [parse_sysctl(captured(f"sysctl/macos-15-{chip}-max.txt")) for chip in ("m3", "m4")]
    assert [int(v["hw.memsize"]) // GIB for v in values] == [36, 64]


def test_the_gpu_gets_metals_usual_share():
    gpu = parse_displays(json.dumps(DISPLAYS))
    result = unified_gpu(parse_sysctl(M4_MAX), gpu, 64 * GIB, 60 * GIB)
    (found,) = result.accelerators
    assert (found.name, found.vendor, found.unified) == ("Apple M4 Max (40-core GPU)", "apple", True)
    assert found.memory_total == 64 * GIB * 72 // 100
    assert found.memory_free == found.memory_total
    assert found.display is True
    assert found.apis == ("metal",)
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert "usual share" in evidence["accelerators.0.memory_total"]


def test_other_programs_take_from_the_same_memory():
    gpu = parse_displays(json.dumps(DISPLAYS))
    (found,) = unified_gpu({}, gpu, 16 * GIB, 5 * GIB).accelerators
    assert (found.memory_total, found.memory_free) == (16 * GIB * 2 // 3, 5 * GIB)


def test_a_raised_limit_is_believed():
    values = parse_sysctl(M4_MAX.replace("wired_limit_mb: 0", "wired_limit_mb: 59392"))
    (found,) = unified_gpu(values, parse_displays(json.dumps(DISPLAYS)), 64 * GIB, 60 * GIB).accelerators
    assert found.memory_total == 59392 * MIB


def test_a_mac_without_apple_silicon_has_no_accelerator():
    intel = {
        "SPDisplaysDataType": [{"_name": "AMD Radeon Pro 5500M", "spdisplays_vendor": "sppci_vendor_amd"}]
    }
    gpu = parse_displays(json.dumps(intel))
    assert gpu is None
    assert unified_gpu({}, gpu, GIB, GIB).accelerators == ()


def test_a_gpu_without_a_number_of_cores_keeps_its_plain_name():
    entry = {"spdisplays_vendor": "sppci_vendor_Apple", "sppci_model": "Apple M1", "sppci_cores": "?"}
    gpu = parse_displays(json.dumps({"SPDisplaysDataType": [entry]}))
    assert gpu is not None
    assert (gpu.name, gpu.display) == ("Apple M1", False)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"SPDisplaysDataType": 5}', '{"SPDisplaysDataType": [5]}', "[" * 9999]
)
def test_an_answer_in_another_shape_is_no_gpu(text: str):
    assert parse_displays(text) is None


@given(st.text())
def test_no_text_breaks_the_parsers(text: str):
    cpu_from(parse_sysctl(text))
    parse_displays(text)

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import launchpad
from launchpad.hardware.devices import table

SCRIPT = Path(__file__).parents[2] / "tools" / "build_devices.py"
FACTS: dict[str, Any] = {
    "devices": [
        {
            "id": "GB10 (DGX Spark)", "vendor": "nvidia", "unified_memory": True, "memory_gib": [128.0],
            "bandwidth_gbps": 273.0, "fp32_tflops": 31.0, "arch": "12.1", "apis": ["cuda", "vulkan"],
        },
        {
            "id": "Radeon 780M", "vendor": "amd", "unified_memory": True, "memory_gib": None,
            "bandwidth_gbps": 89.6, "fp32_tflops": None, "arch": "gfx1103", "apis": ["rocm", "vulkan"],
        },
    ]
}  # fmt: skip


def test_rows(tmp_path: Path):
    source, target = tmp_path / "facts.json", tmp_path / "devices.json"
    source.write_text(json.dumps(FACTS))
    subprocess.run([sys.executable, SCRIPT, source, target], check=True)
    document = json.loads(target.read_text())
    spark, radeon = (dict(zip(document["columns"], row, strict=True)) for row in document["devices"])
    assert (spark["name"], spark["aliases"], spark["bandwidth"]) == ("GB10", ["DGX Spark"], 273 * 10**9)
    assert (radeon["memory_gib"], radeon["bandwidth"], radeon["fp32_flops"]) == ([], 89_600_000_000, None)


def test_the_packaged_table_is_what_the_script_writes():
    packaged = Path(launchpad.__file__).parent / "hardware" / "data" / "devices.json"
    columns = json.loads(packaged.read_text(encoding="utf-8"))["columns"]
    assert columns == [
        "name",
        "aliases",
        "vendor",
        "unified",
        "memory_gib",
        "bandwidth",
        "fp32_flops",
        "arch",
        "apis",
    ]
    assert len(table()) > 250


def test_usage():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "INPUT OUTPUT" in done.stderr

"""Build the packaged table of devices from a hardware.json of measured and published facts.

    python tools/build_devices.py INPUT OUTPUT

INPUT holds `devices`: objects with id, vendor, unified_memory, memory_gib, bandwidth_gbps, fp32_tflops, arch, apis.
OUTPUT is what `launchpad.hardware.devices` reads: the same facts as rows, one a line, in bytes/s and FLOP/s.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("name", "aliases", "vendor", "unified", "memory_gib", "bandwidth", "fp32_flops", "arch", "apis")

# What people call a chip when they do not use its maker's name for it.
NICKNAMES = {"Ryzen AI Max+ 395": ["Strix Halo"], "Ryzen AI 9 HX 370": ["Strix Point"]}


def row(device: dict[str, Any]) -> list[Any]:
    """One device as a row of `COLUMNS`. What stands in parentheses after the name becomes an alias."""
    match = re.fullmatch(r"(.+?)(?: \((.+)\))?", device["id"])
    assert match is not None
    name, alias = match.groups()
    return [
        name,
        [alias] * bool(alias) + NICKNAMES.get(name, []),
        device["vendor"],
        bool(device["unified_memory"]),
        device["memory_gib"] or [],
        _scaled(device["bandwidth_gbps"], 1e9),
        _scaled(device["fp32_tflops"], 1e12),
        device["arch"],
        device["apis"],
    ]


def _scaled(value: float | None, factor: float) -> int | None:
    return None if value is None else round(value * factor)


def table(facts: dict[str, Any]) -> str:
    """The whole file: JSON with one device a line, so that a change shows as one changed line."""
    rows = ",\n".join("  " + json.dumps(row(device), ensure_ascii=False) for device in facts["devices"])
    return f'{{\n "schema_version": 1,\n "columns": {json.dumps(COLUMNS)},\n "devices": [\n{rows}\n ]\n}}\n'


def main(arguments: list[str]) -> int:
    """Read INPUT, write OUTPUT."""
    if len(arguments) != 2:
        print("usage: build_devices.py INPUT OUTPUT", file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    target.write_text(table(json.loads(source.read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

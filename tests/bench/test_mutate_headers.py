"""The program that damages headers by the million, with a few hundred of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gguf_bytes import gguf

SCRIPT = Path(__file__).parents[2] / "bench" / "fit" / "mutate_headers.py"


def test_damaged_headers_end_in_a_layout_or_a_refusal(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(gguf())
    command = [sys.executable, SCRIPT, "--count", "800", "--honest", tmp_path / "m.gguf"]
    ran = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(ran.stdout)
    assert report["other_exceptions"] == []
    assert report["ends"]["layout"] > 10
    assert report["ends"]["refused"] > 100
    assert report["slowest_seconds"] < 1
    assert report["peak_bytes"] < 100 << 20

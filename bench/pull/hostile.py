"""What programs make of a hostile or broken server: launchpad beside huggingface_hub, aria2, curl and wget.

    python bench/pull/hostile.py

Each program fetches a file of 8 MB from the same simulated hub on loopback, and is run again (twice at most) when it
fails. WRONG: it reports success, and what lies there is not the file. `apt-get install aria2 curl wget`.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from throughput import HUB, LAUNCHPAD

from launchpad.testing.hub import Fault, SimulatedHub

COMMIT = "0" * 39 + "1"
CONTENT = random.Random(1).randbytes(8_000_000)
OTHER = random.Random(2).randbytes(8_000_000)
HALF = 4_000_000
EXIT_CODE = """
import os, sys
sys.excepthook = lambda kind, error, trace: os._exit(getattr(error, "exit_code", 1))
"""
TRIES, SECONDS = 3, 60
CUT = Fault(cut_after=HALF)

FAULTS: dict[str, tuple[Fault, ...]] = {
    "one flipped byte, right size": (Fault(flip_at=5_000_000, times=None),),
    "cut in half each time, from the first byte": (Fault(cut_after=HALF, times=None, ignore_range=True),),
    "the announced length is half": (
        Fault(content=CONTENT[:HALF], headers={"X-Linked-Size": str(len(CONTENT))}, times=None),
    ),
    "cut, then other content": (CUT, Fault(content=OTHER, times=None)),
    "cut, then a 206 with the wrong Content-Range": (
        CUT,
        Fault(ranges_only=True, headers={"Content-Range": "bytes 100-7999999/8000000"}, times=None),
    ),
    "cut, then 200: the range is ignored": (CUT, Fault(ignore_range=True, times=None)),
    "cut ten times, honest otherwise": (Fault(cut_after=700_000, times=10),),
}


def commands(url: str, folder: Path) -> dict[str, list[str]]:
    out, sha256 = str(folder / "out.bin"), hashlib.sha256(CONTENT).hexdigest()
    python = [sys.executable, "-c"]
    return {
        "huggingface_hub": [*python, HUB],
        "aria2 --checksum": [
            "aria2c", "-q", "-c", "-d", str(folder), "-o", "out.bin", f"--checksum=sha-256={sha256}", url,
        ],
        "curl -C -": ["curl", "-sf", "-C", "-", "-o", out, url],
        "wget -c": ["wget", "-q", "-c", "--tries=5", "-O", out, url],
        "launchpad": [*python, EXIT_CODE + LAUNCHPAD, url, str(len(CONTENT)), sha256],
    }  # fmt: skip


def outcome(name: str, faults: tuple[Fault, ...]) -> str:
    with SimulatedHub() as hub, tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        hub.add_model("org/big", {"big.gguf": CONTENT}, revision=COMMIT)
        hub.misbehave("big.gguf", *faults)
        url = f"{hub.endpoint}/org/big/resolve/{COMMIT}/big.gguf"
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.endpoint,
            "HF_HUB_CACHE": str(folder / "hub"),
            "LAUNCHPAD_HOME": str(folder / "own"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        code = 0
        for _ in range(TRIES):
            try:
                done = subprocess.run(
                    commands(url, folder)[name],
                    env=environment,
                    capture_output=True,
                    timeout=SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return f"no end in {SECONDS} s"
            if (code := done.returncode) == 0:
                break
        found = [*folder.glob("out.bin"), *folder.glob("hub/*/blobs/*")]
        right = [path for path in found if path.suffix != ".incomplete" and path.read_bytes() == CONTENT]
        sent = hub.bytes_sent("big.gguf") / len(CONTENT)
        if code:
            return f"refused, code {code}"
        return f"ok, {sent:.1f} x the bytes" if right else "**WRONG**"


def main() -> None:
    names = [name for name, command in commands("", Path("x")).items() if shutil.which(command[0])]
    print("| fault |", " | ".join(names), "|")
    print("| --- |", " | ".join("---" for _ in names), "|")
    for fault, how in FAULTS.items():
        print(f"| {fault} |", " | ".join(outcome(name, how) for name in names), "|", flush=True)


if __name__ == "__main__":
    main()

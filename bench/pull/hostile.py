"""What programs make of a hostile or broken server: launchpad beside huggingface_hub, aria2, curl and wget.

    python bench/pull/hostile.py [WORDS OF A FAULT]

Each program fetches a file of 8 MB from the same simulated hub on loopback, and is run again (twice at most) when it
fails. WRONG: it reports success, and what lies there is not the file. `apt-get install aria2 curl wget`. The row of the
full disk mounts a small one in a namespace of its own, so it needs root and Linux.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from throughput import HUB, LAUNCHPAD

from launchpad.testing.hub import Fault, SimulatedHub

COMMIT = "0" * 39 + "1"
CONTENT = random.Random(1).randbytes(8_000_000)
LONG = random.Random(3).randbytes(40_000_000)  # what lies in sockets does not count beside it
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


class Scene(NamedTuple):
    """A hub that serves `content`, and an empty folder to fetch it into."""

    hub: SimulatedHub
    folder: Path
    content: bytes

    def command(self, name: str) -> list[str]:
        url = f"{self.hub.endpoint}/org/big/resolve/{COMMIT}/big.gguf"
        return commands(url, self.folder, self.content)[name]

    def start(self, name: str, *prefix: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HUB_CACHE": str(self.folder / "hub"),
            "LAUNCHPAD_HOME": str(self.folder / "own"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*prefix, *self.command(name)], env=environment, stdout=quiet, stderr=quiet)

    def run(self, name: str) -> int | None:
        """The exit code; None when there is no end."""
        return end_of(self.start(name))

    def sent(self) -> int:
        return self.hub.bytes_sent("big.gguf")

    def right(self) -> list[Path]:
        found = [*self.folder.glob("out.bin"), *self.folder.glob("hub/*/blobs/*")]
        return [path for path in found if path.suffix != ".incomplete" and path.read_bytes() == self.content]

    def left_over(self) -> int:
        """Bytes of files that are not the one that was asked for; small notes aside."""
        right = self.right()
        others = (path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())
        sizes = [path.stat().st_blocks * 512 for path in others if path not in right]
        return sum(size for size in sizes if size > 1 << 16)


def end_of(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


@contextmanager
def scene(content: bytes, *faults: Fault) -> Iterator[Scene]:
    with SimulatedHub() as hub, tempfile.TemporaryDirectory() as folder:
        hub.add_model("org/big", {"big.gguf": content}, revision=COMMIT)
        hub.misbehave("big.gguf", *faults)
        yield Scene(hub, Path(folder), content)


def commands(url: str, folder: Path, content: bytes) -> dict[str, list[str]]:
    out, sha256 = str(folder / "out.bin"), hashlib.sha256(content).hexdigest()
    python = [sys.executable, "-c"]
    return {
        "huggingface_hub": [*python, HUB],
        "aria2 --checksum": [
            "aria2c", "-q", "-c", "--auto-save-interval=1", "-d", str(folder), "-o", "out.bin",
            f"--checksum=sha-256={sha256}", url,
        ],
        "curl -C -": ["curl", "-sf", "-C", "-", "-o", out, url],
        "wget -c": ["wget", "-q", "-c", "--tries=5", "-O", out, url],
        "launchpad": [*python, EXIT_CODE + LAUNCHPAD, url, str(len(content)), sha256],
    }  # fmt: skip


def told(code: int | None, right: bool, more: str) -> str:
    if code is None:
        return f"no end in {SECONDS} s"
    if code:
        return f"refused, code {code}"
    return f"ok, {more}" if right else "**WRONG**"


def faulty(name: str, faults: tuple[Fault, ...]) -> str:
    with scene(CONTENT, *faults) as it:
        code: int | None = 0
        for _ in range(TRIES):
            if not (code := it.run(name)):
                break
        return told(code, bool(it.right()), f"{it.sent() / len(CONTENT):.1f} x the bytes")


def full(name: str) -> str:
    """8 MB into a disk of 5 MB: success is a lie, whatever lies there."""
    with scene(CONTENT) as it:
        script = f'mount -t tmpfs -o size=5m,mode=0755 tmpfs {it.folder} && exec "$@"'
        code = end_of(it.start(name, "unshare", "-m", "sh", "-c", script, "sh"))
        return told(code, False, "") + (", before the first byte" if not it.sent() else "")


def killed(name: str) -> str:
    """kill -9 when two thirds of 40 MB are sent, then once more."""
    with scene(LONG, Fault(rate=20_000_000)) as it:
        process = it.start(name)
        while it.sent() < len(LONG) * 0.66 and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
        code = it.run(name)
        again = it.sent() / len(LONG) - 1
        left = f", {it.left_over() / 1e6:.0f} MB left over" if it.left_over() else ""
        return told(code, bool(it.right()), f"{again:.1%} fetched again{left}")


def two_at_once(name: str) -> str:
    with scene(CONTENT, Fault(rate=8_000_000, times=None)) as it:
        both = [it.start(name), it.start(name)]
        codes = [end_of(process) for process in both]
        sent = f"{it.sent() / len(CONTENT):.1f} x the bytes"
        if codes[0] == codes[1]:
            return told(codes[0], bool(it.right()), sent)
        worst = next(code for code in codes if code != 0)
        return f"one {told(0, bool(it.right()), sent)}; one {told(worst, False, '')}"


def main() -> None:
    wished = " ".join(sys.argv[1:])
    names = [name for name, command in commands("", Path("x"), b"").items() if shutil.which(command[0])]
    print("| fault |", " | ".join(names), "|")
    print("| --- |", " | ".join("---" for _ in names), "|")
    rows: dict[str, Callable[[str], str]] = {
        **{fault: partial(faulty, faults=how) for fault, how in FAULTS.items()},
        "the disk is full (5 of 8 MB)": full,
        "kill -9 at 66 % of 40 MB, run again": killed,
        "two at once": two_at_once,
    }
    for fault, row in rows.items():
        if wished not in fault:
            continue
        print(f"| {fault} |", " | ".join(row(name) for name in names), "|", flush=True)


if __name__ == "__main__":
    main()

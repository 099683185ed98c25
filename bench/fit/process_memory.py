"""What a real load takes of main memory, beside our sum: with and without mapped weights, on the CPU.

    python bench/fit/process_memory.py [--file MODEL.gguf …] [--models MODELS.json NAME …]

MODELS.json is in the format of `tests/fit/data/engine_cases.json`: files of true shape are written, whose weights are zeros.
Each model is loaded by the product's own child process, with its warm-up; one given with --file reads a prompt too (files
of true shape have no tokenizer, without which the engine's server answers nothing).
PSS counts what other processes map too by parts, RSS in full.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from facts import load
from msgspec import structs
from synthetic import CASES, Engine, complete, metadata_of, optional_of

from launchpad.fit.from_gguf import layout_from_gguf
from launchpad.fit.memory import Host, memory
from launchpad.fit.result import Settings
from launchpad.gguf import read_header
from launchpad.plugins.llamacpp import child

MIB = 1 << 20
SECONDS = 180  # until a model is loaded
KEY = "bench"
MODES = tuple((mmap, repack) for mmap in (True, False) for repack in (True, False))


def arguments(settings: Settings) -> dict[str, object]:
    """The engine's arguments for these settings, as the product gives them."""
    return {
        "ctx-size": settings.context,
        "parallel": settings.parallel,
        "kv-unified": settings.kv_unified,
        "flash-attn": "on",
        "ubatch-size": settings.ubatch,
        "mmap": settings.mmap,
        "repack": settings.repack,
        "n-gpu-layers": 0,
        "fit": "off",
        "cache-ram": 0,
        "ctx-checkpoints": 0,
        "threads": 2,
    }


def resident(path: Path, settings: Settings, *, prompt: bool) -> tuple[float, float]:
    """RSS and PSS in MiB of the engine's process after its warm-up, or after a prompt."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        environment = {**os.environ, "LAUNCHPAD_READY_FILE": str(ready)}
        wanted = {"model": str(path), "alias": "m", "api_key": KEY, "arguments": arguments(settings)}
        command = [sys.executable, "-P", child.__file__, "serve"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        ) as engine:
            try:
                assert engine.stdin is not None
                engine.stdin.write(json.dumps(wanted).encode())
                engine.stdin.close()
                _wait(engine, ready)
                if prompt:
                    _prompt(json.loads(ready.read_text())["port"])
                return _held(engine.pid)
            finally:
                engine.kill()


def _wait(engine: subprocess.Popen[bytes], ready: Path) -> None:
    end = time.monotonic() + SECONDS
    while not ready.exists():
        if engine.poll() is not None or time.monotonic() > end:
            raise RuntimeError("it did not load")
        time.sleep(0.05)


def _prompt(port: int) -> None:
    """600 tokens: more than one micro-batch."""
    body = json.dumps({"prompt": [100 + index % 300 for index in range(600)], "n_predict": 4}).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/completion", body, headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        answer.read()


def _held(pid: int) -> tuple[float, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, pss = (re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE) for name in ("Rss", "Pss"))
    assert rss
    assert pss
    return int(rss[1]) / 1024, int(pss[1]) / 1024


def files(options: argparse.Namespace) -> Iterator[Path]:
    """The files as given, then those of true shape, each while it is needed."""
    yield from options.file
    if not options.models:
        return
    models = {model["name"]: model for model in load(options.models)["models"]}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            path = Path(folder) / f"{name}.gguf"
            with Engine() as engine:
                complete(engine, path, metadata_of(models[name]), optional_of(models[name]))
            yield path
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, action="append", default=[])
    parser.add_argument("--models", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print(
        f"{'model':32} {'mmap':>5} {'repack':>6} {'ours':>7} {'RSS':>7} {'PSS':>7} MiB, RSS and PSS beside ours"
    )
    for path in files(options):
        layout = layout_from_gguf(read_header(path))
        for mmap, repack in MODES:
            settings = structs.replace(CASES[0], mmap=mmap, repack=repack)
            (device,) = memory(layout, settings, [], Host(free=None, reserve=0))
            ours = device.total / MIB
            try:
                rss, pss = resident(path, settings, prompt=path in options.file)
            except (OSError, RuntimeError) as error:
                print(f"{path.stem:32} {mmap!s:>5} {repack!s:>6} {error}", flush=True)
                continue
            off = f"{100 * (rss / ours - 1):+.1f} % {100 * (pss / ours - 1):+.1f} %"
            print(
                f"{path.stem:32} {mmap!s:>5} {repack!s:>6} {ours:7.0f} {rss:7.0f} {pss:7.0f} {off}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""S4, S9, exit code 8: hostile repositories, a token and a busy store, by the command line."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from gguf_bytes import gguf
from launchpad.testing.hub import SimulatedHub
from launchpad.testing.processes import engine_processes

ECHO = Path(__file__).parents[2] / "examples" / "plugin_echo.py"
FILE = "tiny-Q4_K_M.gguf"
CANARY = "hf_CANARY0123456789"
EVIL = b"open('/tmp/launchpad-was-here', 'w')"
HEADER = b'{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}'
SAFE = len(HEADER).to_bytes(8, "little") + HEADER + bytes(4)
CONFIG = {
    "architectures": ["Evil"],
    "model_type": "evil",
    "auto_map": {"AutoModel": "evil.Evil"},
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 100,
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", running.index_url)
        monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", str(ECHO))
        monkeypatch.setenv("LAUNCHPAD_PLUGINS_TIMEOUT", "20")
        yield running


def pull(ref: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launchpad", "pull", ref, "--yes", "--backend", "echo", *more]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False
    )


def code_files() -> dict[str, bytes]:
    return {
        "evil.py": EVIL,
        "loader.sh": EVIL,
        "pytorch_model.bin": pickle.dumps(print),
        "model.pkl": pickle.dumps(print),
        "tiny.gguf.exe": b"MZ",
    }


def asked_for_code(hub: SimulatedHub) -> list[str]:
    return [seen.path for seen in hub.requests if seen.path.rpartition("/")[2] in code_files()]


def test_s4_the_weights_come_and_the_code_beside_them_does_not(hub: SimulatedHub, private_home: Path) -> None:
    commit = hub.add_model(
        "org/tiny-GGUF", {FILE: gguf(), "config.json": json.dumps(CONFIG).encode()} | code_files()
    )
    done = pull(f"hf://org/tiny-GGUF@{commit}:Q4_K_M")
    assert done.returncode == 0, done.stderr
    assert asked_for_code(hub) == []
    assert {path.suffix for path in private_home.glob("hub/*/snapshots/**/*") if path.is_file()} == {".gguf"}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"config.json": json.dumps(CONFIG).encode(), "model.safetensors": SAFE}, 7),
        ({"config.json": b"{}", "model.safetensors": pickle.dumps(print)}, 4),
        ({"config.json": b"{}"}, 7),
        ({}, 7),
    ],
    ids=["auto_map", "a pickle under another name", "pickles alone", "no config"],
)
def test_s4_what_is_code_is_refused(
    hub: SimulatedHub, files: dict[str, bytes], code: int, private_home: Path
) -> None:
    commit = hub.add_model("org/evil", files | code_files())
    done = pull(f"hf://org/evil@{commit}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert asked_for_code(hub) == []
    assert not [path for path in private_home.glob("hub/*/snapshots/**/*") if path.name in code_files()]
    if b"auto_map" in files.get(
        "config.json", b""
    ):  # refused before the weights, of which the header alone was read
        assert not [s for s in hub.requests if s.path.endswith(".safetensors") and "range" not in s.headers]


def test_s4_a_file_that_is_two_things(hub: SimulatedHub, private_home: Path) -> None:
    """A shell script and a model in one file: its header, read before the pull, is not a model's."""
    commit = hub.add_model("org/poly-GGUF", {"poly-Q4_K_M.gguf": b"#!/bin/sh\ntouch /tmp/x\n" + gguf()})
    done = pull(f"hf://org/poly-GGUF@{commit}:Q4_K_M")
    assert done.returncode == 4, done.stderr
    assert not list(private_home.glob("hub/*/blobs/*"))
    assert "Traceback" not in done.stderr


def test_a_store_that_stays_busy_is_exit_code_8(hub: SimulatedHub, private_home: Path) -> None:
    content = gguf()
    commit = hub.add_model("org/tiny-GGUF", {FILE: content})
    lock = private_home / "hub/.locks/models--org--tiny-GGUF" / f"{hashlib.sha256(content).hexdigest()}.lock"
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(str(lock)):
        done = pull(f"hf://org/tiny-GGUF@{commit}:Q4_K_M", "--lock-timeout", "0.2")
    assert done.returncode == 8, done.stderr
    assert "Another launchpad is pulling" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
def test_s9_the_token_is_in_no_engine_and_no_file(
    hub: SimulatedHub, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", CANARY)
    commit = hub.add_model("org/tiny-GGUF", {FILE: gguf()}, gated=True)
    ref = f"hf://org/tiny-GGUF@{commit}:Q4_K_M"
    command = [sys.executable, "-m", "launchpad", "--debug", "start", ref, "--backend", "echo", "--yes"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=150, check=False)
    engines = engine_processes(private_home)
    shown = [done.stdout, done.stderr]
    for pid in engines:
        shown += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    subprocess.run([sys.executable, "-m", "launchpad", "stop", "--all"], capture_output=True, check=False)
    shown += [path.read_bytes() for path in private_home.rglob("*") if path.is_file()]
    assert done.returncode == 0, done.stderr
    assert hub.requests[-1].headers["authorization"] == f"Bearer {CANARY}" and len(engines) >= 1
    assert not [text for text in shown if CANARY.encode() in text]

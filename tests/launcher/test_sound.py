"""D16, by the command line: a file that was damaged after its pull reaches no engine, whichever command starts it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gguf_bytes import gguf
from launchpad.testing.hub import SimulatedHub

ECHO = Path(__file__).parents[2] / "examples" / "plugin_echo.py"
FILE = "tiny-Q4_K_M.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", running.index_url)
        monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", str(ECHO))
        monkeypatch.setenv("LAUNCHPAD_PLUGINS_TIMEOUT", "20")
        yield running


@pytest.fixture
def pulled(hub: SimulatedHub, private_home: Path) -> tuple[str, Path]:
    """A model that was pulled, and its blob with one byte flipped since."""
    commit = hub.add_model("org/tiny-GGUF", {FILE: gguf()})
    ref = f"hf://org/tiny-GGUF@{commit}:Q4_K_M"
    assert launchpad("pull", ref, "--yes", "--backend", "echo").returncode == 0
    (blob,) = private_home.glob("hub/*/blobs/*")
    spoil(blob)
    return ref, blob


def launchpad(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launchpad", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False
    )


def spoil(blob: Path) -> None:
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)


def test_start_repairs_it(pulled: tuple[str, Path]) -> None:
    ref, blob = pulled
    done = launchpad(
        "start", ref, "--backend", "echo", "--yes"
    )  # `run` and `chat` begin an engine in the same way
    launchpad("stop", "--all")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, done.stderr


@pytest.mark.parametrize("command", ["start", "serve"])
def test_offline_it_is_refused(pulled: tuple[str, Path], command: str) -> None:
    ref, _ = pulled
    port = ["--port", "0"] if command == "serve" else []
    done = launchpad(command, ref, *port, "--backend", "echo", "--offline")
    assert done.returncode in (3, 4), done.stderr  # 3: what is not right is not on this machine
    assert "Traceback" not in done.stderr


def test_serve_repairs_it(pulled: tuple[str, Path]) -> None:
    ref, blob = pulled
    command = [sys.executable, "-m", "launchpad", "serve", ref, "--backend", "echo", "--yes", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as gateway:
        assert gateway.stderr
        said = ""
        while "ready: " not in said and (line := gateway.stderr.readline()):
            said += line
        gateway.terminate()
        gateway.stderr.read()
    assert "ready: " in said
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, said

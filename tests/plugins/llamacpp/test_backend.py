"""The backend `llamacpp` without a model: can it run here, on what, and if not, why."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.catalog.model import Build, Model
from launchpad.hardware.machine import Accelerator, Cpu, Machine
from launchpad.plugins import Backend
from launchpad.plugins.llamacpp import devices, install, launchpad_backends
from launchpad.plugins.llamacpp.backend import LlamaCpp

HERE = Machine(name="here")
GPU = Accelerator(index=0, vendor="nvidia", name="GPU", apis=("cuda", "vulkan"))


def test_the_hook_returns_a_backend() -> None:
    (backend,) = launchpad_backends()
    assert isinstance(backend, Backend)
    assert backend.name == "llamacpp"
    assert tuple(backend.local()) == ()


def test_ready_here_and_the_engine_is_not_imported() -> None:
    program = (
        "import sys; from launchpad.plugins.llamacpp.backend import LlamaCpp\n"
        "from launchpad.hardware.machine import Machine\n"
        "status = LlamaCpp().status(Machine(name='here'))\n"
        "assert 'xllamacpp' not in sys.modules\n"
        "print(status.state, status.version, [d.name for d in status.devices or ()])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    state, version, names = done.stdout.split(maxsplit=2)
    assert (state, version) == ("ready", importlib.metadata.version("xllamacpp"))
    assert "CPU" in names


def test_devices_are_asked_once_per_boot(monkeypatch: pytest.MonkeyPatch, private_home: Path) -> None:
    first = LlamaCpp().status(HERE)
    monkeypatch.setattr(devices, "CHILD", Path("/nonexistent"))
    assert LlamaCpp().status(HERE) == first
    cache = private_home / "launchpad" / "cache" / "llamacpp-devices.json"
    kept = json.loads(cache.read_text())
    kept["key"][1] = "another boot"
    cache.write_text(json.dumps(kept))
    assert LlamaCpp().status(HERE).state == "unusable"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\0", b'{"key": 1}', b'{"key": 1, "devices": [{"name": 5}]}']
)
def test_a_damaged_cache_is_ignored(private_home: Path, content: bytes) -> None:
    cache = private_home / "launchpad" / "cache" / "llamacpp-devices.json"
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_bytes(content)
    assert LlamaCpp().status(HERE).state == "ready"


def test_an_engine_that_cannot_list_its_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("raise ImportError('libcuda.so.1: cannot open shared object file')")
    monkeypatch.setattr(devices, "CHILD", child)
    status = LlamaCpp().status(HERE)
    assert status.state == "unusable"
    assert "libcuda.so.1" in str(status.why)
    assert "NVIDIA driver" in str(status.hint)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("ImportError: libgomp.so.1: cannot open shared object file: No such file or directory", "apt install libgomp1"),
        ("error while loading shared libraries: libvulkan.so.1: cannot open shared object file", "dnf install vulkan-loader"),
        ("ImportError: libodd-2.so.7: cannot open shared object file", "package of this system that has libodd-2.so.7"),
        ("ImportError: /a/b.so: undefined symbol: x", "launchpad engines install llama.cpp"),
    ],
)  # fmt: skip
def test_what_to_install_for_a_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, hint: str
) -> None:
    child = tmp_path / "child.py"
    child.write_text(f"raise SystemExit({words!r})")
    monkeypatch.setattr(devices, "CHILD", child)
    status = LlamaCpp().status(HERE)
    assert words in str(status.why)
    assert hint in str(status.hint)


def test_an_engine_that_hangs_listing_its_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(devices, "CHILD", child)
    monkeypatch.setattr(devices, "TIMEOUT", 0.3)
    assert "within" in str(LlamaCpp().status(HERE).why)


def test_a_gpu_that_this_build_leaves_idle_is_said() -> None:
    status = LlamaCpp().status(Machine(name="here", accelerators=(GPU,)))
    usable = {device.api for device in status.devices or ()}
    if "cuda" in usable or "vulkan" in usable:
        assert status.why is None
    else:
        assert "build for cuda" in str(status.why)
        assert status.hint == "launchpad engines install llama.cpp --accelerator cuda"


def test_which_build_would_use_the_gpu() -> None:
    machine = Machine(name="here", accelerators=(GPU,))
    assert install.better_api(machine, set()) == "cuda"
    assert install.better_api(machine, {"vulkan"}) is None
    assert install.better_api(HERE, set()) is None
    apple = Machine(
        name="mac", accelerators=(Accelerator(index=0, vendor="apple", name="M", apis=("metal",)),)
    )
    assert install.better_api(apple, set()) is None


@pytest.mark.parametrize(
    ("system", "architecture", "musl", "refused"),
    [
        ("linux", "x86_64", False, False),
        ("linux", "aarch64", False, False),
        ("darwin", "arm64", False, False),
        ("windows", "AMD64", False, False),
        ("windows", "ARM64", False, True),
        ("linux", "riscv64", False, True),
        ("linux", "x86_64", True, True),
        (None, None, False, False),
    ],
)
def test_platforms(system: str | None, architecture: str | None, musl: bool, refused: bool) -> None:
    assert (install.no_wheel(system, architecture, musl) is not None) == refused


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "PACKAGE", "xllamacpp-that-is-not-there")
    status = LlamaCpp().status(HERE)
    assert status.state == "installable"
    assert str(status.hint).endswith("xllamacpp-that-is-not-there")
    windows = Machine(name="tablet", os="windows", cpu=Cpu(architecture="ARM64"))
    assert LlamaCpp().status(windows).state == "unusable"


def test_simulated_machines_use_every_build() -> None:
    machine = Machine(
        name="there", os="linux", cpu=Cpu(architecture="x86_64"), accelerators=(GPU,), simulated=True
    )
    backend = LlamaCpp()
    assert backend.status(machine).state == "ready"
    assert backend.status(machine).devices is None
    assert backend.usable_apis(machine) == backend.capabilities.apis


def test_builds_are_gguf_only() -> None:
    gguf = Build(ref="hf://org/model:Q4_K_M", format="gguf", quantization="Q4_K_M")
    other = Build(ref="hf://org/model", format="safetensors", quantization="BF16")
    model = Model(id="m", name="M", lab="L", lab_id="l", builds=(gguf, other))
    assert tuple(LlamaCpp().builds(model)) == (gguf,)

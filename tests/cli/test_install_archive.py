"""`launchpad engines install --archive`, with a simulated release and (marker `llama_server`) with Debian's real program."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from cli.conftest import Launchpad
from launchpad.testing.processes import engine_processes
from program_releases import release


def test_as_a_command(site: tuple[Path, str], launchpad: Launchpad) -> None:
    root, url = site
    place = f"{url}/a.tar.gz#sha256={release(root / 'a.tar.gz')}"
    command = ("engines", "install", "llama.cpp", "--accelerator", "vulkan", "--archive", place)
    dry = launchpad(*command, "--dry-run")
    assert (dry.code, dry.out) == (0, f"unpack {place}\n")
    assert launchpad(*command, "--json").document["installed"]
    assert "is there:" in launchpad(*command).out
    listed = launchpad("engines", "--json").document
    (used,) = [one for engine in listed["engines"] for one in engine["status"]["programs"] if one["used"]]
    assert used["owner"] == "launchpad engines"
    assert launchpad("engines", "rollback", "llama.cpp").code == 0
    assert launchpad(*command, "--version", "1").code == 5
    assert launchpad("engines", "install", "vllm", "--archive", place).code == 5
    assert launchpad("engines", "install", "llama.cpp", "--archive", "x.tar.gz").code == 2


START = """#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
export VK_DRIVER_FILES="$here/icd/lvp_icd.json"
exec "$here/backends/loader" --library-path "$here/lib:$here/lib/llama" "$here/llama-server.bin" "$@"
"""


@pytest.mark.llama_server
@pytest.mark.timeout(300)
def test_the_real_one_is_installed_asked_and_taken_back(llama_server: Path, smollm2: Path, site: tuple[Path, str], launchpad: Launchpad, monkeypatch: pytest.MonkeyPatch, private_home: Path) -> None:  # fmt: skip
    """Debian's program with its Vulkan device, packed as a release is: program, libraries, links between them."""
    root, url = site
    tree = llama_server.parent / "tree"
    libraries = next(tree.rglob("libllama.so.0")).parent
    system = next(
        path for path in tree.rglob("libggml.so.0") if path.parent.name.endswith("linux-gnu")
    ).parent
    backends = next(path for path in tree.rglob("backends*") if path.is_dir() and "ggml" in path.parts)
    pack = root / "pack"
    (pack / "lib" / "llama").mkdir(parents=True)
    (pack / "icd").mkdir()
    copy = ["cp", "-a", "--reflink=auto"]
    subprocess.run([*copy, str(backends), str(pack / "backends")], check=True)
    for source, target in ((system, pack / "lib"), (libraries, pack / "lib" / "llama"), (system / "llama", pack / "lib" / "llama")):  # fmt: skip
        for library in source.glob("*.so*") if source.is_dir() else ():
            if not (target / library.name).exists() and library.exists():
                subprocess.run([*copy, "-L" if library.readlink().is_absolute() else "-P", str(library), str(target)] if library.is_symlink() else [*copy, str(library), str(target)], check=True)  # fmt: skip
    subprocess.run(
        [*copy, "-L", str(tree / "usr/bin/llama-server"), str(pack / "llama-server.bin")], check=True
    )
    subprocess.run(
        [*copy, "-L", str(tree / "usr/share/vulkan/icd.d/lvp_icd.json"), str(pack / "icd")], check=True
    )
    (pack / "llama-server").write_text(START)
    (pack / "llama-server").chmod(0o755)
    archive = root / "llama-b11669-bin-debian-vulkan.tar"
    with tarfile.open(archive, "w:") as packed:
        packed.add(pack, arcname="./llama-b11669")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setenv("GGML_VK_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("GGML_VK_DISABLE_F16", "1")
    monkeypatch.setenv("MESA_SHADER_CACHE_DIR", str(llama_server.parent / "shaders"))
    place = f"{url}/{archive.name}#sha256={digest}"
    done = launchpad(
        "engines", "install", "llama.cpp", "--accelerator", "vulkan", "--archive", place, timeout=200
    )
    assert done.code == 0, done.err
    ran = launchpad("run", str(smollm2), "What is the capital of France?", "--context", "2048", "--max-tokens", "8", "--temperature", "0", "--require-gpu", timeout=200)  # fmt: skip
    assert ran.code == 0, ran.err
    assert "Paris" in ran.out
    assert "GPU 31/31 layers" in ran.err and "llama-server 0." in ran.err
    assert launchpad("engines", "rollback", "llama.cpp").code == 0
    assert not engine_processes(private_home)

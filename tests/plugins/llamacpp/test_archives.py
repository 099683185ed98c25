"""Installing from a release archive: fetched from loopback, verified, unpacked, proved, beside others, and taken back.

The archives hold a simulated `llama-server` that tells a version, options and devices; the real one is in
tests/cli/test_install_archive.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.events import ignore
from launchpad.hardware.machine import Machine
from launchpad.paths import cache_dir
from launchpad.plugins import EngineError, InstallOptions, PullError, UsageError
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.find import managed_folders
from program_releases import VULKAN, release

HERE = Machine(name="here")


def install(place: str, sha256: str, accelerator: str = "vulkan") -> str:
    backend = LlamaCpp()
    options = InstallOptions(accelerator=accelerator, archive=f"{place}#sha256={sha256}")  # type: ignore[arg-type]
    return backend.install(backend.installation(HERE, options), ignore)


def nothing_is_left(home: Path) -> None:
    assert managed_folders() == []
    engines = home / "launchpad" / "data" / "engines"
    assert not engines.exists() or not list(engines.iterdir())
    assert not [path for path in (cache_dir() / "archives").glob("*") if not path.name.endswith(".lock")]


def test_two_lie_side_by_side_the_last_is_used_and_taken_back(site: tuple[Path, str]) -> None:
    root, url = site
    first, second = release(root / "a.tar.gz"), release(root / "b.tar.gz", build=12000)
    assert install(f"{url}/a.tar.gz", first) == "llama.cpp b11669 (llama-server 0.7.0)"
    assert install(str(root / "b.tar.gz"), second) == "llama.cpp b12000 (llama-server 0.7.0)"
    backend = LlamaCpp()
    status = backend.status(HERE)
    assert (status.state, status.version) == ("ready", "b12000")
    assert [device.name for device in status.devices] == ["Vulkan0"]
    options = InstallOptions(accelerator="vulkan", archive=f"{url}/a.tar.gz#sha256={first}")
    assert backend.installation(HERE, options).done
    assert backend.rollback() == f"llama.cpp-archive-{second[:12]}-vulkan"
    assert LlamaCpp().status(HERE).version == "b11669"
    assert not [path for path in (cache_dir() / "archives").iterdir() if path.suffix != ".lock"]
    assert backend.rollback() == f"llama.cpp-archive-{first[:12]}-vulkan"
    assert LlamaCpp().status(HERE).version != "b11669"


@pytest.mark.parametrize("local", [False, True])
def test_other_bytes_than_were_promised_are_never_unpacked(
    site: tuple[Path, str], private_home: Path, local: bool
) -> None:
    root, url = site
    release(root / "a.tar.gz")
    place = str(root / "a.tar.gz") if local else f"{url}/a.tar.gz"
    with pytest.raises(EngineError, match="was not installed") as caught:
        install(place, "0" * 64)
    assert "0" * 64 in str(caught.value.why)
    nothing_is_left(private_home)


@pytest.mark.parametrize(
    ("changes", "accelerator", "told"),
    [
        ({"build": 8145}, "vulkan", "CVE-2026-27940"),
        ({"build": 0}, "vulkan", "does not tell its build"),
        ({"devices": ""}, "vulkan", "sees no device of vulkan"),
        ({"devices": VULKAN}, "cuda", "sees no device of cuda: Vulkan0"),
        ({"mode": 0o644}, "vulkan", "no llama-server that can be run"),
        ({"name": "build/bin/other"}, "vulkan", "It holds build"),
        ({"name": "../../llama-server"}, "vulkan", "'../../llama-server'"),
    ],
)
def test_what_is_not_usable_leaves_nothing(site: tuple[Path, str], private_home: Path, changes: dict, accelerator: str, told: str) -> None:  # fmt: skip
    root, url = site
    digest = release(root / "a.tar.gz", **changes)
    with pytest.raises(EngineError) as caught:
        install(f"{url}/a.tar.gz", digest, accelerator)
    assert told in f"{caught.value.what} {caught.value.why}"
    nothing_is_left(private_home)
    assert not list(private_home.rglob("llama-server"))


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        ("x.tar.gz", UsageError),
        ("./gone.tar.gz#sha256=" + "0" * 64, UsageError),
        ("x.tar.gz#sha256=zz", UsageError),
        ("http://127.0.0.1:9/x.tar.gz#sha256=" + "0" * 64, PullError),
    ],
)
def test_what_cannot_be_verified_or_had_is_told_before_anything(archive: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        LlamaCpp().installation(HERE, InstallOptions(archive=archive))

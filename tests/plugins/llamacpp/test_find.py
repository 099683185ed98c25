"""Programs on this machine: simulated ones, that say what a `llama-server` of some build says."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.hardware.machine import Machine
from launchpad.plugins import ConfigError
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.find import find
from launchpad.plugins.llamacpp.probe import read_devices

HERE = Machine(name="here")
Say = Callable[..., Path]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """A program on the PATH that answers the three questions, and counts how often it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(
        build: str = "11669",
        devices: str = "  Vulkan0: A GPU (8000 MiB, 7000 MiB free)",
        name: str = "llama-server",
    ) -> Path:
        path = folder / name
        path.write_text(
            f'#!/bin/sh\necho "$*" >>"{tmp_path}/asked"\n[ "$1" = serve ] && shift\ncase $1 in\n'
            f'--version) echo "version: 0.7.0 (build {build}, commit x)" >&2;;\n'
            '--help) printf -- "-m, --model FNAME\\n--host HOST\\n--port PORT\\n--list-devices\\n  see --no-such\\n";;\n'
            f'--list-devices) printf "Available devices:\\n{devices}\\n";;\nesac\n'
        )
        path.chmod(0o755)
        return path

    return make


def asked(tmp_path: Path) -> int:
    return len((tmp_path / "asked").read_text().splitlines())


def test_a_server_on_the_path_with_what_it_says_of_itself(say: Say) -> None:
    path = say()
    _, server = find(HERE).programs
    assert server.argv == (str(path),)
    assert (server.version, server.build) == ("0.7.0", 11669)
    assert server.options == {"-m", "--model", "--host", "--port", "--list-devices"}
    (device,) = server.devices
    assert (device.name, device.api, device.description) == ("Vulkan0", "vulkan", "A GPU")
    assert (device.memory_total, device.memory_free) == (8000 << 20, 7000 << 20)


def test_the_one_executable(say: Say) -> None:
    path = say(name="llama")
    assert find(HERE).programs[-1].argv == (str(path), "serve")


def test_it_is_asked_once(say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = say(devices="  (none)")
    find(HERE)
    once = asked(tmp_path)
    find(HERE)
    assert asked(tmp_path) == once
    monkeypatch.setenv("GGML_VK_VISIBLE_DEVICES", "1")  # what it sees is another thing now
    find(HERE)
    assert asked(tmp_path) == 2 * once
    path.touch()
    find(HERE)
    assert asked(tmp_path) == 3 * once


def test_it_is_used_where_it_sees_a_gpu_and_its_build_reaches_the_fit(say: Say) -> None:
    say(build="9000")
    backend = LlamaCpp()
    status = backend.status(HERE)
    assert (status.state, status.version) == ("ready", "b9000")
    assert "which the embedded build leaves idle" in str(status.why)
    assert status.hint is None
    assert backend.usable_apis(HERE) == ("vulkan",)
    assert backend.engine_build(HERE) == 9000


def test_one_with_a_hole_is_refused(say: Say) -> None:
    path = say(build="8145")
    found = find(HERE)
    assert len(found.programs) == 1
    assert found.refused[0].place == str(path)
    assert "CVE-2026-27940" in found.refused[0].why
    assert LlamaCpp().engine_build(HERE) != 8145


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "no program"])
def test_what_is_no_server_is_refused(say: Say, text: str) -> None:
    say().write_text(text)
    found = find(HERE)
    assert len(found.programs) == 1
    assert found.refused


def test_the_setting_names_one(say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = say(devices="  (none)")
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", str(path))
    (only,) = find(HERE).programs
    assert only.argv == (str(path),)
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", "embedded")
    (only,) = find(HERE).programs
    assert only.kind == "wheel"
    say(build="8000")
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", str(path))
    with pytest.raises(ConfigError, match="not used"):
        find(HERE)
    monkeypatch.setenv("LAUNCHPAD_LLAMACPP_PROGRAM", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="cannot be used"):
        find(HERE)
    assert LlamaCpp().status(HERE).state == "unusable"


def test_what_launchpad_installed_is_found(say: Say, private_home: Path) -> None:
    server = say(name="elsewhere")
    folder = private_home / "launchpad" / "data" / "engines" / "llama.cpp-b11669-vulkan"
    folder.mkdir(parents=True)
    (folder / "launchpad.json").write_text(json.dumps({"argv": [str(server)]}))
    assert find(HERE).programs[-1].argv == (str(server),)
    (folder / "launchpad.json").write_text('{"argv": 5}')
    assert len(find(HERE).programs) == 1


def test_rows_that_are_no_devices() -> None:
    assert read_devices("Available devices:\n  (none)\n") == ()
    assert (
        read_devices("load_backend: loaded CPU\nAvailable devices:\n  CUDA0: X (1 MiB, 0 MiB free)\n")[0].api
        == "cuda"
    )

"""Each check says what it saw: on machines and folders made for the test, with real processes and ports."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from msgspec.structs import replace

from launchpad.config import Config
from launchpad.config.sections import ServeConfig
from launchpad.doctor import hardware, network, software
from launchpad.doctor.examine import examine
from launchpad.doctor.floors import floors, is_below
from launchpad.engines import registry
from launchpad.engines.identity import identify
from launchpad.hardware.machine import Accelerator, Machine, Memory
from launchpad.plugins.host import Host
from launchpad.plugins.spec import BackendStatus
from launchpad.serve import state

GIB = 1 << 30


def states(checks):
    return {check.name: check.state for check in checks}


def test_a_healthy_machine():
    gpu = Accelerator(
        index=0, vendor="nvidia", name="RTX", memory_total=24 * GIB, memory_free=20 * GIB, driver="580"
    )
    machine = Machine(
        name="m", accelerators=(gpu,), memory=Memory(total=64 * GIB, available=32 * GIB), disk_free=10**12
    )
    found = [*hardware.gpus(machine), *hardware.memory(machine), *hardware.disk(machine)]
    assert states(found)["gpu 0"] == "ok"
    assert states(found)["memory"] == states(found)["disk"] == "ok"
    assert "20.0 GiB free of 24.0 GiB, driver 580" in found[0].evidence


def test_a_machine_that_is_short_of_everything():
    machine = Machine(name="m", memory=Memory(total=8 * GIB, available=GIB), disk_free=10**9)
    found = [*hardware.memory(machine), *hardware.disk(machine)]
    assert states(found)["memory"] == states(found)["disk"] == "warn"
    assert all(check.fix for check in found if check.state == "warn")


def test_a_card_that_no_driver_shows(tmp_path, monkeypatch):
    for number, (kind, maker) in enumerate(
        [("0x030000", "0x10de"), ("0x020000", "0x8086"), ("0x038000", "0x1002")]
    ):
        device = tmp_path / f"0000:0{number}:00.0"
        device.mkdir()
        (device / "class").write_text(kind + "\n")
        (device / "vendor").write_text(maker + "\n")
    if sys.platform == "linux":
        assert sorted(hardware.on_the_bus(tmp_path)) == ["amd", "nvidia"]
    monkeypatch.setattr(hardware, "on_the_bus", lambda: ["nvidia"])
    failed = [check for check in hardware.gpus(Machine(name="m")) if check.state == "fail"]
    assert "no driver shows it" in failed[0].evidence
    assert "nvidia-driver" in str(failed[0].fix)


@pytest.mark.parametrize(
    ("version", "floor", "below"),
    [
        ("0.17.0", "0.17.1", True),
        ("0.17.1", "0.17.1", False),
        ("0.18.0rc2", "0.18.0", False),
        ("0.9.9", "0.18.0", True),
        ("2026.10.11549", "8146", False),
        ("b8000", "8146", True),
        ("unknown", "1.0", None),
    ],
)
def test_floor_versions(version, floor, below):
    assert is_below(version, floor) is below


def test_the_list_of_floors_is_dated_and_names_reasons():
    assert len(floors().date) == 10
    assert {"ollama", "llama.cpp", "vllm", "jinja2", "filelock"} <= {floor.name for floor in floors().floor}
    assert all(floor.why.startswith("CVE-") for floor in floors().floor)


def test_an_engine_below_the_floor_fails_with_the_reason():
    check = next(software._floor("vllm", "0.13.0"))
    assert check.state == "fail"
    assert "0.13.0, older than 0.18.0: CVE-" in check.evidence


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_folders_that_others_can_change(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    assert software._folder("x", folder).state == "ok"
    folder.chmod(0o777)
    check = software._folder("x", folder)
    assert check.state == "fail"
    assert check.fix == f"chmod o-w {folder}"
    assert "not there yet" in software._folder("x", tmp_path / "a" / "b").evidence


def test_who_has_the_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = Config(serve=ServeConfig(port=server.getsockname()[1]))
        taken = next(network.ports(config))
    assert taken.state == "warn"
    assert f"(pid {os.getpid()})" in taken.evidence
    free = next(network.ports(config))
    assert free.state == "ok"


def test_the_port_is_ours_where_a_gateway_says_so_and_not_for_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "_owner", lambda port: "python3 (pid 7): python3 /src/launchpad/other.py")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = Config(serve=ServeConfig(port=port))
        assert next(network.ports(config)).state == "warn"
        state.write(f"http://127.0.0.1:{port}", port, tmp_path / "key", ())
        ours = next(network.ports(config))
    assert (ours.state, ours.fix) == ("ok", None)


def test_variables_are_named_and_their_values_are_not(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:canary@proxy:3128")
    check = next(network.settings())
    assert "HTTPS_PROXY" in check.evidence
    assert "canary" not in check.evidence


def test_offline_asks_nobody():
    checks = list(network.sources(Host.of(), Config(), offline=True))
    assert [check.state for check in checks] == ["note"]


def test_a_source_that_nobody_can_ask_is_not_said_to_answer():
    host = Host.load(Config(), third_party=False)
    asked = [
        source
        for source in host.sources()
        if not set(source.schemes) & {"hf", "modelscope", "ollama", "pypi"}
    ]

    class Some:
        def sources(self):
            return asked

    told = {check.name: check.evidence for check in network.sources(Some(), Config(), offline=False)}
    assert told == {
        "source docker:// oci://": "not asked: every reference names its own host",
        "source http:// https://": "not asked: every address names its own host",
        "source file://": "on this machine",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_dead_owner_left_is_found(monkeypatch):
    import subprocess

    with subprocess.Popen(["sleep", "60"], env={**os.environ, "LAUNCHPAD_ENGINE_TOKEN": "t0"}) as left:
        gone = identify(os.getpid())
        assert gone is not None
        dead = replace(gone, started="1")
        engine = identify(left.pid)
        registry.write(
            registry.Record(
                token="t0", host=registry.host(), backend="b", model="m", launcher=dead, engine=engine
            )
        )
        check = next(software.processes())
        left.kill()
    assert (check.name, check.state, check.fix) == ("orphaned processes", "fail", "launchpad stop t0")


def test_a_check_that_breaks_is_a_line_like_the_others(monkeypatch):
    def breaks(machine):
        raise RuntimeError("no such thing")

    monkeypatch.setattr(hardware, "disk", breaks)
    found = examine(Host.of(), Config(), offline=True)
    assert [c.evidence for c in found.checks if c.name == "disk"] == [
        "could not be checked: RuntimeError: no such thing"
    ]
    assert not found.healthy  # a host without plugins has no engine
    assert "none can run here" in " ".join(c.evidence for c in found.checks)


def test_where_no_engine_runs_the_fix_is_that_of_the_one_that_is_here(monkeypatch):
    lacks = BackendStatus(state="unusable", why="libgomp.so.1 is missing.", hint="Install libgomp1.")
    absent = BackendStatus(state="installable", why="It is not installed.", hint="Install it.")
    host = Host(Config(), third_party=False)
    for backend in host.backends():
        monkeypatch.setattr(
            type(backend), "status", lambda self, machine: lacks if self.name == "llamacpp" else absent
        )
    *_, last = software.engines(host, Machine(name="here"))
    assert (last.state, last.fix) == ("fail", "Install libgomp1.")

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

import launchpad.testing
from launchpad.testing import Fault, SimulatedHub, fake_engine_command, run_cli, simulate

ECHO = Path(__file__).parents[2] / "examples" / "plugin_echo.py"


def test_all_names_of_the_kit_can_be_had() -> None:
    for name in launchpad.testing.__all__:
        assert getattr(launchpad.testing, name)


def test_a_plugin_beside_the_command_line(tmp_path: Path) -> None:
    done = run_cli("plugins", "--json", plugins=[ECHO], home=tmp_path)
    assert done.code == 0, done.stderr
    assert "plugin_echo" in json.dumps(done.document)
    assert "plugin_echo" not in run_cli("plugins", "--json", home=tmp_path).stdout


def test_it_sees_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHPAD_RUN_CONTEXT", "4097")
    done = run_cli("config", "--json")
    assert done.code == 0, done.stderr
    assert "4097" not in done.stdout
    assert "4097" in run_cli("config", "--json", environment={"LAUNCHPAD_RUN_CONTEXT": "4097"}).stdout


def test_a_refusal_is_an_exit_code_and_three_lines() -> None:
    done = run_cli("fit", "no-such-model", "--on", "cpu 16GB")
    assert done.code != 0
    assert done.stdout == ""
    assert {line[:6] for line in done.stderr.splitlines()} >= {"error:", "  why:", "  do: "}
    with pytest.raises(ValueError, match="Expecting value"):
        _ = done.document


def test_the_fake_engine_is_a_process(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    environment = {**os.environ, "LAUNCHPAD_READY_FILE": str(ready)}
    command = fake_engine_command("--exit-at-load", "7")
    assert (
        subprocess.run(
            command, input='{"api_key": "x"}', text=True, env=environment, capture_output=True, timeout=150
        ).returncode
        == 7
    )


def test_machines_and_servers() -> None:
    assert simulate("RTX 4090").accelerators
    with SimulatedHub() as hub:
        hub.misbehave("/x", Fault(status=503))
        assert hub.endpoint.startswith("http://127.0.0.1:")

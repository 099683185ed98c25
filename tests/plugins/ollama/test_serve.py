"""A server that does not run is started: a stand-in for the program `ollama`, which plays a recorded server.

The real program does the same in test_real_server.py, where there is one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from launchpad.cli.render import placed
from launchpad.engines.listing import engines
from launchpad.errors import EngineMissing, LaunchError
from launchpad.events import ignore
from launchpad.plugins.ollama import serve
from launchpad.plugins.ollama.backend import Ollama
from launchpad.testing.processes import engine_processes, eventually
from launchpad.testing.replay import Replay
from ollama_traffic import says
from plugins.ollama.test_launch import LOAD, SHOW, TAGS, VERSION, model, ps, start

PROGRAM = f"""#!{sys.executable}
import json, os, sys, threading
sys.path[:0] = {sys.path!r}
from pathlib import Path
from launchpad.testing.replay import Replay
here = Path(__file__).parent
if sys.argv[1:] == ["--version"]:
    sys.exit(print("ollama version is 0.33.0-rc2"))
assert sys.argv[1:] == ["serve"]
told = {{name: value for name, value in os.environ.items() if name.startswith("OLLAMA_")}}
(here / "told.json").write_text(json.dumps(told))
port = int(told["OLLAMA_HOST"].rpartition(":")[2])
with Replay(json.loads((here / "traffic.json").read_text()), port=port):
    threading.Event().wait()
"""


@pytest.fixture
def nobody() -> str:
    """An address where no server runs."""
    with Replay([]) as replay:
        return f"127.0.0.1:{replay.port}"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "ollama"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    path.chmod(0o755)
    monkeypatch.setattr(serve, "find_binary", lambda: str(path))
    return path


def plays(program: Path, *traffic: Mapping[str, Any]) -> None:
    (program.parent / "traffic.json").write_text(json.dumps(traffic))


def test_a_missing_server_is_started_with_the_plans_settings_and_ends_with_us(
    nobody: str, program: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plays(program, VERSION, *TAGS, *SHOW, *LOAD, ps(), ps(model("smol:latest", 2048)))
    monkeypatch.setenv("OLLAMA_MODELS", "/somebody/s/store")
    running = Ollama({"OLLAMA_HOST": nobody}).launch(start(context=2048), ignore)
    try:
        told = json.loads((program.parent / "told.json").read_text())
        host = told.pop("OLLAMA_HOST")
        assert host != nobody
        assert running.server.endpoint == f"http://{host}/v1"
        assert told == {
            "OLLAMA_CONTEXT_LENGTH": "2048",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_MODELS": "/somebody/s/store",
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_NUM_PARALLEL": "1",
        }
        (view,) = engines()
        assert view.report is not None
        assert (view.backend, view.report.context, placed(view.report)) == ("ollama", 2048, "CPU")
        assert view.pid == running.server.pid
    finally:
        running.stop()
    assert not running.alive()
    eventually(lambda: not engine_processes(private_home))


def test_a_program_that_turns_out_too_old_is_ended_again(
    nobody: str, program: Path, private_home: Path
) -> None:
    plays(program, says("/api/version", {"version": "0.12.5"}, method="GET"))
    with pytest.raises(LaunchError, match="too old") as caught:
        Ollama({"OLLAMA_HOST": nobody}).launch(start(), ignore)
    assert "https://ollama.com/download" in (caught.value.hint or "")
    eventually(lambda: not engine_processes(private_home))


def test_without_a_program_the_official_way_to_install_it_is_told(
    nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "find_binary", lambda: None)
    with pytest.raises(EngineMissing) as caught:
        Ollama({"OLLAMA_HOST": nobody}).launch(start(), ignore)
    assert "https://ollama.com" in (caught.value.hint or "")

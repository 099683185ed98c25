"""llamafile's documented command line, taken by a simulated one: started, keyed, private, ended, and refused where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import launchpad_llamafile
import pytest
from launchpad_llamafile.backend import Llamafile

from launchpad.plugins import Machine
from launchpad.testing import BackendContract, PluginContract, run_cli, write_gguf

pytestmark = pytest.mark.usefixtures("launchpad_home")
HERE = Machine(name="here")

SIMULATED = f"""
# A simulated llamafile: like the real one a program that only a shell starts. It keeps what it was told, and answers.
echo "$@" > "$(dirname "$0")/told"
while [ "$1" != --port ]; do shift; done
SIMULATED_ENGINE_KEY="$LLAMA_API_KEY" exec {sys.executable} -m launchpad.testing.fake_engine --port "$2"
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "llamafile"
    path.write_text(SIMULATED)
    path.chmod(0o755)
    monkeypatch.setenv("LLAMAFILE", str(path))
    return path


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_llamafile


class TestBackend(BackendContract):
    @pytest.fixture(autouse=True)
    def _use(self, tmp_path: Path) -> None:
        self._path = write_gguf(tmp_path / "model.gguf")

    def backend(self) -> Llamafile:
        return Llamafile()

    def model_file(self) -> Path:
        return self._path


def test_it_is_told_the_plan_and_no_key_on_its_command_line(program: Path) -> None:
    model = write_gguf(program.with_name("m.gguf"))
    done = run_cli("run", str(model), "--backend", "llamafile", "--context", "1024", "good morning")
    assert (done.code, done.stdout.strip()) == (0, "The answer is: good morning"), done.stderr
    told = program.with_name("told").read_text()
    assert told.startswith(f"--server --model {model} --host 127.0.0.1 --port ")
    assert "--ctx-size 1024 --n-gpu-layers 0 --parallel 1 --jinja" in told and "key" not in told


def test_where_it_is_missing_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLAMAFILE", str(tmp_path / "absent"))
    status = Llamafile().status(HERE)
    assert status.state == "unusable"
    assert "absent" in str(status.why) and "LLAMAFILE" in str(status.hint)


def test_it_is_found_on_the_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMAFILE")
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert Llamafile().status(HERE).place == str(program)

"""`launchpad plugins …`: installed by a real pip into an environment of its own, checked, switched off, lost, restored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import launchpad as package
from gguf_bytes import gguf
from launchpad.scaffold import write
from launchpad.testing import SimulatedHub
from plugin_installs import put_beside

BREAKS_ALL = "import os\nos._exit(66)\n"


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, str]:
    """The environment in which a plugin `tiny` is installed."""
    write("probe", "tiny", tmp_path)
    put_beside(tmp_path / "launchpad-tiny", tmp_path / "site")
    return {"PYTHONPATH": str(tmp_path / "site")}


def test_check_runs_the_kit_on_an_installed_plugin(launchpad, tiny):
    ran = launchpad("plugins", "check", "tiny", "--json", env=tiny)
    assert ran.code == 0, ran.err
    assert ran.document["kind"] == "plugin-check"
    rules = {(one["subject"], one["rule"]) for one in ran.document["rules"]}
    assert ("probe tiny", "every fact has its evidence") in rules
    assert ("plugin", "its hooks can be asked again") in rules
    assert {one["outcome"] for one in ran.document["rules"]} == {"ok"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (BREAKS_ALL, "its process ended with 66"),
        ("import ctypes\nctypes.CDLL(None).abort()\n", "its process ended with -6"),
        ("raise SystemExit(0)\n", "SystemExit"),
    ],
    ids=["leaves at once", "aborts in C", "exits"],
)
def test_check_survives_what_it_checks(launchpad, tiny, tmp_path, source, why):
    (tmp_path / "launchpad-tiny" / "src" / "launchpad_tiny" / "__init__.py").write_text(source)
    ran = launchpad("plugins", "check", "tiny", "--json", env=tiny)
    assert ran.code == 1
    assert ran.document["passed"] is False
    assert why in ran.document["rules"][-1]["why"]


LEAVES_A_CHILD = """
import os, pathlib, time
if not (child := os.fork()):
    time.sleep(50)
    os._exit(0)
pathlib.Path(os.environ["CHILD"]).write_text(str(child))
"""


def test_check_waits_for_no_child_of_what_it_checks(launchpad, tiny, tmp_path):
    """A child that a plugin leaves holds every stream of its parent."""
    with (tmp_path / "launchpad-tiny" / "src" / "launchpad_tiny" / "__init__.py").open("a") as module:
        module.write(LEAVES_A_CHILD)
    child = tmp_path / "child"
    ran = launchpad("plugins", "check", "tiny", "--json", env={**tiny, "CHILD": str(child)})
    os.kill(int(child.read_text()), signal.SIGKILL)  # it was there still
    assert ran.document["passed"] is True


def test_check_takes_a_model_that_is_here_by_its_name(launchpad):
    echo = {"LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).parents[2] / "examples" / "plugin_echo.py")}
    with SimulatedHub() as hub:
        commit = hub.add_model("org/tiny-GGUF", {"tiny-Q4_K_M.gguf": gguf()})
        ref = f"hf://org/tiny-GGUF@{commit}:Q4_K_M"
        ran = launchpad("pull", ref, "--yes", "--backend", "echo", env={**echo, "HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    ran = launchpad("plugins", "check", "plugin_echo", "--model", "org/tiny-GGUF", "--json", env=echo)
    outcomes = {one["rule"]: one["outcome"] for one in ran.document["rules"]}
    assert outcomes["its engine answers in the openai format"] == "ok"
    assert (
        "is not on this machine" in launchpad("plugins", "check", "plugin_echo", "--model", "x", env=echo).err
    )


def test_check_of_a_plugin_that_is_not_there(launchpad):
    ran = launchpad("plugins", "check", "nothing")
    assert ran.code == 2
    assert "There is no plugin 'nothing'" in ran.err


def test_a_plugin_that_ends_every_command_is_switched_off_without_being_imported(launchpad, tiny, tmp_path):
    (tmp_path / "launchpad-tiny" / "src" / "launchpad_tiny" / "__init__.py").write_text(BREAKS_ALL)
    assert launchpad("hardware", env=tiny).code == 66  # what one process cannot contain
    ran = launchpad("plugins", "disable", "tiny", "--json", env=tiny)
    assert (ran.code, ran.document["done"]) == (0, "disabled")
    assert launchpad("hardware", env=tiny).code == 0
    assert launchpad("plugins", "enable", "tiny", env=tiny).code == 0
    assert launchpad("hardware", env=tiny).code == 66


def test_a_mistyped_name(launchpad, tiny):
    ran = launchpad("plugins", "disable", "tinny", env=tiny)
    assert ran.code == 2
    assert "Did you mean tiny?" in ran.err


def test_freeze_prints_requirements(launchpad, tiny):
    ran = launchpad("plugins", "freeze", env=tiny)
    assert "launchpad-tiny==0.1.0" in ran.out.splitlines()
    assert launchpad("plugins", "freeze", "--json", env=tiny).document["kind"] == "plugins-frozen"


def wheel(folder: Path) -> Path:
    """A wheel of a plugin, as a build would make it."""
    path = folder / "launchpad_small-1.0-py3-none-any.whl"
    info = "launchpad_small-1.0.dist-info"
    files = {
        "launchpad_small.py": "from launchpad.plugins import hookimpl\n\n@hookimpl\ndef launchpad_probes():\n    return []\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: launchpad-small\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[launchpad.v1]\nsmall = launchpad_small\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))
    return path


@pytest.fixture
def own_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment with a pip, in which this launchpad can be imported."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    lines = [str(Path(package.__file__).parents[1]), sysconfig.get_path("purelib")]
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "launchpad.pth").write_text("\n".join(lines))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    return tmp_path / "venv" / "bin" / "python"


def test_installed_lost_restored_and_uninstalled_by_pip(own_python, tmp_path):
    def run(*arguments):
        command = [own_python, "-m", "launchpad", "plugins", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=150, cwd=tmp_path)

    done = run("install", str(wheel(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert "launchpad-small 1.0" in run().stdout
    # An upgrade that makes the environment anew, as `uv tool upgrade` may.
    subprocess.run([own_python, "-m", "pip", "uninstall", "-qy", "launchpad-small"], check=True)
    lost = run()
    assert "launchpad-small 1.0" not in lost.stdout
    assert "plugins restore" in lost.stderr
    done = run("restore")
    assert done.returncode == 0, done.stderr
    assert "launchpad-small 1.0" in run().stdout
    assert run("uninstall", "small").returncode == 0
    gone = run()
    assert "small" not in gone.stdout + gone.stderr

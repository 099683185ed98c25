"""Plugins survive an upgrade of launchpad under the real pip, pipx and uv: launchpad from its wheel, a contributed plugin beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import launchpad
from plugin_installs import ROOT, wheels_of

THIS = launchpad.__version__
NEXT = f"{THIS}.post1"

pytestmark = pytest.mark.network


def tried(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    done = tried(*command)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


def release(wheel: Path, folder: Path, version: str, needs: tuple[str, str] = ("", "")) -> None:
    """The distribution of `wheel` as another release of it: its version, and what it needs of launchpad."""
    old = wheel.name.split("-")[1]
    changes = {
        f"Version: {old}\n": f"Version: {version}\n",
        f'= "{old}"': f'= "{version}"',
        needs[0]: needs[1],
    }
    with (
        zipfile.ZipFile(wheel) as archive,
        zipfile.ZipFile(folder / wheel.name.replace(old, version), "w") as made,
    ):
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("dist-info/RECORD"):  # without hashes, which are not asked for
                rows = data.decode().replace(f"-{old}.", f"-{version}.").splitlines()
                data = "".join(f"{row.rsplit(',', 2)[0]},,\n" for row in rows).encode()
            elif name.endswith(("dist-info/METADATA", "launchpad/__init__.py")):
                for before, after in changes.items():
                    data = data.replace(before.encode(), after.encode()) if before else data
            made.writestr(name.replace(f"-{old}.", f"-{version}."), data)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """launchpad in this version and a next one; launchpad-jan 0.1.0, for this launchpad alone, and 0.1.1."""
    folder, built = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("built")
    own = wheels_of(built, ROOT / "plugins_contrib" / "launchpad-jan")
    (jan,) = built.glob("launchpad_jan-*")
    for version in (THIS, NEXT):
        release(own, folder, version)
    release(jan, folder, "0.1.0", ("launchpad-models<0.2,", f"launchpad-models<{NEXT},"))
    release(jan, folder, "0.1.1")
    return folder


class Pip:
    """A virtual environment that is made anew, as for another Python."""

    def __init__(self, folder: Path, setenv: pytest.MonkeyPatch) -> None:
        self.program = folder / "venv" / "bin" / "launchpad"
        self._venv = folder / "venv"

    def install(self, wheel: Path) -> None:
        ran(sys.executable, "-m", "venv", "--clear", self._venv)
        ran(self._venv / "bin" / "pip", "install", "-q", wheel)


class Tool:
    """pipx or uv, from the index, in an environment of its own."""

    name: str

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        ran(sys.executable, "-m", "venv", folder / "tool")
        ran(folder / "tool" / "bin" / "pip", "install", "-q", self.name)
        (folder / "path").mkdir()
        self.path = folder / "path" / self.name
        self.path.symlink_to(folder / "tool" / "bin" / self.name)
        patch.setenv("PATH", f"{self.path.parent}{os.pathsep}{os.environ['PATH']}")
        for variable in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR"):
            patch.setenv(variable, str(folder / variable))
        patch.setenv("PIPX_DEFAULT_BACKEND", "pip")
        self.program = folder / self.programs / "launchpad"


class Pipx(Tool):
    """`pipx reinstall` keeps what was injected; `uninstall` and `install` do not."""

    name, programs = "pipx", "PIPX_BIN_DIR"

    def install(self, wheel: Path) -> None:
        tried(self.path, "uninstall", "launchpad-models")
        ran(self.path, "install", wheel)


class Uv(Tool):
    """`uv tool install` takes away what it is not told of."""

    name, programs = "uv", "UV_TOOL_BIN_DIR"

    def install(self, wheel: Path) -> None:
        ran(self.path, "tool", "install", "--force", "--python", sys.executable, wheel)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("owner", [Pip, Pipx, Uv])
def test_plugins_survive_an_upgrade(
    owner: type[Pip | Pipx | Uv], tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"{os.environ.get('PIP_FIND_LINKS', '')} {wheels}")
    monkeypatch.setenv("PIP_CACHE_DIR", str(wheels / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    here = owner(tmp_path, monkeypatch)

    def upgrade(version: str) -> None:
        here.install(wheels / f"launchpad_models-{version}-py3-none-any.whl")
        assert ran(here.program, "--version").stdout == f"launchpad {version}\n"

    def works(version: str) -> bool:
        listed = json.loads(ran(here.program, "plugins", "--json").stdout)
        found = [(one["version"], one["state"]) for one in listed["plugins"] if one["name"] == "jan"]
        return found == [(version, "ready")] and ran(here.program, "plugins", "check", "jan").returncode == 0

    upgrade(THIS)
    ran(here.program, "plugins", "install", "launchpad-jan==0.1.0")
    assert works("0.1.0")
    frozen = tmp_path / "plugins.txt"
    frozen.write_text(ran(here.program, "plugins", "freeze").stdout)
    assert frozen.read_text() == "launchpad-jan==0.1.0\n"

    upgrade(NEXT)
    lost = ran(here.program, "plugins")
    assert "jan" not in lost.stdout and "launchpad plugins restore" in lost.stderr
    refused = tried(
        here.program, "plugins", "restore", frozen
    )  # exactly that version, which needs an older launchpad
    assert refused.returncode != 0 and "Nothing was recorded" in refused.stderr
    ran(here.program, "plugins", "restore")
    assert works("0.1.1")  # the newest for this launchpad, which nothing has put back
    assert ran(here.program, "--version").stdout == f"launchpad {NEXT}\n"

    ran(here.program, "plugins", "uninstall", "jan")
    gone = ran(here.program, "plugins")
    assert "jan" not in gone.stdout + gone.stderr

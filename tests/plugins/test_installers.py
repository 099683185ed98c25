"""Which command adds a plugin, by who owns the environment. The layouts of pipx and uv are simulated here; none is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import LaunchpadError, UsageError
from launchpad.plugins.installers import Environment, check_requirements, environment

RECEIPT = """
[tool]
requirements = [
    { name = "launchpad-models", extras = ["all"], specifier = ">=0.1" },
    { name = "launchpad-jan" },
    { name = "launchpad-tiny", directory = "/src/launchpad-tiny" },
]
"""


def test_uv_is_told_everything_that_its_tool_was_installed_with(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text(RECEIPT)
    found = environment(tmp_path)
    own = ["uv", "tool", "install", "launchpad-models[all]>=0.1"]
    tiny = ["--with", "launchpad-tiny @ file:///src/launchpad-tiny"]
    assert found.install(["launchpad-x"]) == [*own, "--with", "launchpad-jan", *tiny, "--with", "launchpad-x"]
    assert found.uninstall(["Launchpad_Jan"]) == [*own, *tiny]


def test_a_receipt_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text("[tool]\nrequirements = 3\n")
    with pytest.raises(LaunchpadError, match="cannot be read"):
        environment(tmp_path)


def test_pipx_injects_into_the_environment_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-launchpad"
    folder.mkdir()
    (folder / "pipx_metadata.json").write_text("{}")
    found = environment(folder)
    assert found.install(["launchpad-x"]) == ["pipx", "inject", "my-launchpad", "launchpad-x"]
    assert found.uninstall(["launchpad-x"]) == ["pipx", "uninject", "my-launchpad", "launchpad-x"]


def test_pip_and_uv_are_told_which_python() -> None:
    pip, uv = Environment(tool="pip", python="/p"), Environment(tool="uv", python="/p")
    assert pip.install(["x"]) == ["/p", "-m", "pip", "install", "--quiet", "x"]
    assert pip.uninstall(["x"]) == ["/p", "-m", "pip", "uninstall", "--quiet", "--yes", "x"]
    assert uv.install(["x"]) == ["uv", "pip", "install", "--quiet", "--python", "/p", "x"]


@pytest.mark.parametrize("word", ["--index-url=http://evil", "-e", "", " "])
def test_nothing_that_an_installer_takes_for_an_option(word: str) -> None:
    with pytest.raises(UsageError):
        check_requirements([word])

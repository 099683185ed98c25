"""Which command adds a plugin, by who owns the environment. The layouts of pipx and uv are simulated here; none is run:
that is done in tests/cli/test_plugins_upgrade.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad import __version__
from launchpad.errors import LaunchpadError, UsageError
from launchpad.plugins.installers import Environment, check_requirements, environment

NOT_OLDER = f"launchpad-models>={__version__}"
RECEIPT = """
[tool]
requirements = [
    { name = "launchpad-models", extras = ["all"], specifier = ">=0.0.1,<9" },
    { name = "launchpad-jan" },
    { name = "launchpad-tiny", directory = "/src/launchpad-tiny" },
]
"""


def test_uv_is_told_everything_that_its_tool_was_installed_with(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text(RECEIPT)
    found = environment(tmp_path)
    own = ["uv", "tool", "install", f"launchpad-models[all]>={__version__},<9"]
    tiny = ["--with", "launchpad-tiny @ file:///src/launchpad-tiny"]
    assert found.install(["launchpad-x"]) == [*own, "--with", "launchpad-jan", *tiny, "--with", "launchpad-x"]
    assert found.uninstall(["Launchpad_Jan"]) == [*own, *tiny]


def test_a_uv_tool_that_was_installed_from_a_place_is_installed_from_there_again(tmp_path: Path) -> None:
    row = '{ name = "launchpad-models", path = "/x/launchpad_models-0.1.0-py3-none-any.whl" }'
    (tmp_path / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{row}]\n")
    own = "launchpad-models @ file:///x/launchpad_models-0.1.0-py3-none-any.whl"
    assert environment(tmp_path).install(["x"]) == ["uv", "tool", "install", own, "--with", "x"]


def test_a_receipt_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "uv-receipt.toml").write_text("[tool]\nrequirements = 3\n")
    with pytest.raises(LaunchpadError, match="cannot be read"):
        environment(tmp_path)


def test_pipx_injects_into_the_environment_of_that_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-launchpad"
    folder.mkdir()
    (folder / "pipx_metadata.json").write_text("{}")
    found = environment(folder)
    assert found.install(["launchpad-x"]) == [
        "pipx",
        "inject",
        "--pip-args",
        NOT_OLDER,
        "my-launchpad",
        "launchpad-x",
    ]
    assert found.uninstall(["launchpad-x"]) == ["pipx", "uninject", "my-launchpad", "launchpad-x"]


def test_pip_and_uv_are_told_which_python() -> None:
    pip, uv = Environment(tool="pip", python="/p"), Environment(tool="uv", python="/p")
    assert pip.install(["x"]) == ["/p", "-m", "pip", "install", "--quiet", NOT_OLDER, "x"]
    assert pip.uninstall(["x"]) == ["/p", "-m", "pip", "uninstall", "--quiet", "--yes", "x"]
    assert uv.install(["x"]) == ["uv", "pip", "install", "--quiet", "--python", "/p", NOT_OLDER, "x"]


@pytest.mark.parametrize("word", ["--index-url=http://evil", "-e", "", " "])
def test_nothing_that_an_installer_takes_for_an_option(word: str) -> None:
    with pytest.raises(UsageError):
        check_requirements([word])

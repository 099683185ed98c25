"""The distributions of `plugins_contrib/`: whole, honest in their READMEs, and listed as what they are."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from launchpad.plugins.host import Host

ROOT = Path(__file__).parents[1]
FOLDERS = sorted((ROOT / "plugins_contrib").glob("*/pyproject.toml"))
PAGE = (ROOT / "docs" / "how-to" / "use-more-engines.md").read_text("utf-8")
ROWS = {
    row[0]: row
    for row in re.findall(r"^\| `([\w-]+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
}

each = pytest.mark.parametrize("project", FOLDERS, ids=lambda path: path.parent.name)


def table(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(project.read_text("utf-8"))["project"]
    return found


def readme(project: Path) -> str:
    return " ".join(project.with_name("README.md").read_text("utf-8").split())


def test_the_page_lists_what_is_there_and_nothing_else() -> None:
    assert list(ROWS) == [project.parent.name for project in FOLDERS]


@each
def test_it_is_a_distribution(project: Path) -> None:
    about = table(project)
    assert about["name"] == project.parent.name
    assert about["license"] == "Apache-2.0" and about["readme"] == "README.md"
    assert any(one.startswith("launchpad-models>=") for one in about["dependencies"])
    assert list(project.parent.glob("tests/test_*.py"))
    assert list(project.parent.glob("src/*/py.typed"))


@each
def test_its_tests_need_no_setting_of_launchpads_own(project: Path) -> None:
    """Without a table of its own pytest goes up to launchpad's, whose options the kit does not bring."""
    options = tomllib.loads(project.read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"] == ["error"]


@each
def test_its_readme_says_what_was_run_and_the_page_says_the_same(project: Path) -> None:
    _, _, run, version, date = ROWS[project.parent.name]
    text = readme(project)
    assert "**Run for real**" in text
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", date) and date in text
    assert version == "none" or version in text
    assert run


@each
def test_a_simulated_engine_is_called_simulated(project: Path) -> None:
    """Whatever speaks for an engine in the tests and is none says so in the README."""
    tests = "".join(path.read_text("utf-8") for path in project.parent.glob("tests/*.py"))
    if "imulated" in tests:
        assert "imulated" in readme(project)


@each
def test_launchpad_takes_all_that_it_offers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its engine need not be installed for that: nothing heavy is imported before it is used."""
    monkeypatch.syspath_prepend(str(project.parent / "src"))
    ((_, module),) = table(project)["entry-points"]["launchpad.v1"].items()
    before = set(sys.modules)
    host = Host.of(plugin=importlib.import_module(module))
    host.load_all()
    assert host.failures == ()
    brought = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert brought.isdisjoint({"mistralrs", "openvino_genai", "mlx", "mlx_lm", "opentelemetry", "sglang"})

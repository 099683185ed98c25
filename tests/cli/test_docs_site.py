"""The pages of the site: each is in the navigation, and each link between them leads somewhere. `mkdocs build` is in .ci/run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import launchpad

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
TUTORIAL = (ROOT / "docs/tutorial/first-steps.md").read_text("utf-8")


def _leaves(nav):
    for item in nav:
        if isinstance(item, str):
            yield item
        else:
            for below in item.values():
                yield from _leaves(below)


def test_every_page_is_in_the_navigation_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert sorted(f"docs/{page}" for page in _leaves(nav)) == PAGES


@pytest.mark.parametrize("page", [*PAGES, "README.md"])
def test_links_and_pictures_are_there(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if target.startswith("src/"):  # what is installed is judged; the source need not be beside it
            assert (Path(launchpad.__file__).parents[1] / target.removeprefix("src/")).exists(), target
        elif "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_tutorials_prompt_file_has_no_problem(launchpad, tmp_path):
    (tmp_path / "capital.prompt.yml").write_text(re.findall(r"```yaml\n(.*?)```", TUTORIAL, re.DOTALL)[0])
    ran = launchpad("lint", "capital.prompt.yml", "--json")
    assert (ran.code, ran.document["problems"]) == (0, [])


@pytest.mark.parametrize(
    "line", re.findall(r"^launchpad ((?:recommend|fit|explain) .*--on .*)$", TUTORIAL, re.MULTILINE)
)
def test_the_tutorials_looks_at_other_machines_work(launchpad, line):
    import shlex

    assert launchpad(*shlex.split(line)).code == 0

"""The record in the how-to is one that launchpad reads, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from launchpad.catalog import own
from launchpad.catalog.age import STALE_DAYS
from launchpad.catalog.refresh import FRESH

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "keep-the-catalog-fresh.md").read_text("utf-8")


def test_the_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "record.toml"
    path.write_text(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
    model = own.read(path, {})
    assert (model.id, model.license.id, model.builds[0].scheme) == ("your-model", "apache-2.0", "hf")


def test_the_figures_are_those_of_the_code() -> None:
    assert f"From {STALE_DAYS} days on" in PAGE
    assert f"within {FRESH.total_seconds() / 3600:.0f} hours" in PAGE

"""The record of installed plugins: what an upgrade loses is known, and named as it was installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from launchpad.config import Config
from launchpad.errors import ConfigError
from launchpad.plugins import record
from launchpad.plugins.host import Host
from launchpad.scaffold import write
from plugin_installs import put_beside


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a plugin `tiny` is installed."""
    write("probe", "tiny", tmp_path)
    put_beside(tmp_path / "launchpad-tiny", tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def test_what_an_upgrade_loses_is_missed_and_named(site: Path) -> None:
    record.remember()
    assert record.missing() == ()
    shutil.rmtree(site)
    assert [one.again for one in record.missing()] == ["launchpad-tiny==0.1.0"]
    host = Host.load(Config())
    host.load_all()
    (failure,) = [one for one in host.failures if one.plugin == "launchpad-tiny"]
    assert "plugins restore" in (failure.hint or "")
    record.forget(["Launchpad.Tiny"])
    assert record.missing() == ()


def test_a_folder_is_remembered_as_a_folder(site: Path, tmp_path: Path) -> None:
    folder = str(tmp_path / "launchpad-tiny")
    record.remember([folder])
    record.remember()  # again, as `freeze` does: not forgotten
    (kept,) = [one for one in record.load() if one.distribution == "launchpad-tiny"]
    assert kept.again == folder


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 99, "plugins": []}', '{"version": 1, "plugins": [3]}']
)
def test_a_record_that_is_none_is_an_error_and_no_obstacle(text: str) -> None:
    record.path().parent.mkdir(parents=True, exist_ok=True)
    record.path().write_text(text)
    with pytest.raises(ConfigError):
        record.load()
    assert record.missing() == ()


@pytest.mark.parametrize(
    ("requirement", "project"),
    [
        ("launchpad-jan", "launchpad-jan"),
        ("launchpad-jan>=1,<2", "launchpad-jan"),
        ("/x/launchpad_jan-1.0-py3-none-any.whl", "launchpad_jan"),
        ("launchpad-jan @ file:///x/y", "launchpad-jan"),
        ("https://example.org/x", None),
    ],
)
def test_the_project_of_a_requirement(requirement: str, project: str | None) -> None:
    assert record.project_of(requirement) == project

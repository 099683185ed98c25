"""Plugins are found by metadata; damaged, foreign and doubled ones are named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.config import user_config_path
from launchpad.paths import config_dir
from launchpad.plugins import discovery, spec
from launchpad.plugins.discovery import third_party
from launchpad.plugins.host import Host
from launchpad.plugins.plugin import FailureLog
from launchpad.plugins.presence import any_third_party

Install = Callable[..., Path]
MakeHost = Callable[..., Host]
WritePlugin = Callable[[str, str], Path]

GOOD = "@hookimpl\ndef launchpad_probes(): return [Probe('installed')]"


def test_an_installed_plugin_is_found_without_importing_it(install: Install, make_host: MakeHost) -> None:
    install("nice", GOOD)
    host = make_host()
    (info,) = [plugin for plugin in host.plugins if plugin.origin != "builtin"]
    assert (info.name, info.origin, info.distribution, info.version) == (
        "nice",
        "entry-point",
        "launchpad-nice",
        "1.2",
    )
    assert info.state == "waiting"
    assert "plugin_launchpad_nice" not in sys.modules
    assert "installed" in [probe.name for probe in host.probes()]
    assert "plugin_launchpad_nice" in sys.modules


def test_a_distribution_whose_module_is_gone_is_named(install: Install, make_host: MakeHost) -> None:
    install("gone", None)
    host = make_host()
    host.load_all()
    (failure,) = host.failures
    assert "plugin_launchpad_gone" in failure.message
    assert "uninstall launchpad-gone" in str(failure.hint)


@pytest.mark.parametrize("group", ["launchpad.v0", "launchpad.v2", "launchpad.v10"])
def test_another_version_of_the_contract_is_named(install: Install, make_host: MakeHost, group: str) -> None:
    install("other", GOOD, group=group)
    host = make_host()
    host.load_all()
    (failure,) = host.failures
    assert group in failure.message
    assert "launchpad.v1" in failure.message
    assert "plugin_launchpad_other" not in sys.modules


def test_two_distributions_with_one_plugin_name_are_both_refused(
    install: Install, make_host: MakeHost
) -> None:
    install("same", GOOD, distribution="first-dist")
    install("same", GOOD, distribution="second-dist")
    host = make_host()
    assert [probe.name for probe in host.probes() if not probe.plugin.builtin] == []
    for failure in host.failures:
        assert "first-dist" in failure.message
        assert "second-dist" in failure.message
    assert {plugin.state for plugin in host.plugins if plugin.origin != "builtin"} == {"refused"}


def test_a_distribution_that_is_found_twice_counts_once(
    install: Install, make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install("nice", GOOD)
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    importlib.invalidate_caches()
    assert len([probe for probe in make_host().probes() if probe.name == "installed"]) == 1


def test_a_damaged_distribution_hurts_nobody(install: Install, make_host: MakeHost) -> None:
    install("nice", GOOD)
    info = next(install("bad", GOOD).glob("*.dist-info"))
    (info / "entry_points.txt").write_bytes(b"[launchpad.v1\n\xff\xfe = = =\n")
    (info / "METADATA").unlink()
    assert "installed" in [probe.name for probe in make_host().probes()]


@pytest.mark.parametrize("name", ["Upper", "with space", "ünï", "a" * 65])
def test_a_name_that_cannot_be_typed_is_refused(install: Install, make_host: MakeHost, name: str) -> None:
    install(name, GOOD, distribution="odd-name")
    host = make_host()
    host.load_all()
    assert [plugin for plugin in host.plugins if plugin.origin != "builtin"] == []
    assert "not of the form" in host.failures[0].message


def test_files_in_the_configuration_folder_are_plugins(
    make_host: MakeHost, write_plugin: WritePlugin
) -> None:
    path = write_plugin("mine", GOOD)
    folder = config_dir() / "plugins"
    folder.parent.mkdir(parents=True)
    path.parent.rename(folder)
    (folder / "notes.txt").write_text("not a plugin")
    assert "installed" in [probe.name for probe in make_host(paths=()).probes()]


def test_a_file_named_twice_counts_once(write_plugin: WritePlugin, plugin_folder: Path) -> None:
    path = write_plugin("mine", GOOD)
    failures = FailureLog()
    assert len(third_party((str(path), str(plugin_folder), str(path)), failures)) == 1
    assert failures.entries == ()


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    failures = FailureLog()
    assert third_party((str(tmp_path / "missing.py"),), failures) == []
    assert "no such" in failures.entries[0].message


def test_a_file_plugin_cannot_hide_a_module(make_host: MakeHost, write_plugin: WritePlugin) -> None:
    json = importlib.import_module("json")
    write_plugin("json", GOOD)
    assert "installed" in [probe.name for probe in make_host().probes()]
    assert sys.modules["json"] is json


def test_the_quick_look(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any_third_party()
    monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", "/x.py")
    assert any_third_party()
    monkeypatch.delenv("LAUNCHPAD_PLUGIN_PATH")
    user_config_path().parent.mkdir(parents=True)
    user_config_path().write_text("[plugins]\npaths = ['x.py']\n")
    assert any_third_party()
    user_config_path().unlink()
    install("nice", GOOD)
    assert any_third_party()
    assert discovery.GROUP == spec.GROUP  # spec is not light enough for `--help`

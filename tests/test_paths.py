"""Where launchpad keeps things: as platformdirs says, without loading it where that is slow."""

from __future__ import annotations

import sys

import platformdirs
import pytest

from launchpad import paths
from launchpad.errors import ConfigError

KINDS = ("config", "data", "cache", "state")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, "", "  ", "/somewhere/else"])
def test_it_is_the_place_that_platformdirs_names(monkeypatch, kind, value):
    monkeypatch.delenv("LAUNCHPAD_HOME")
    name = f"XDG_{kind.upper()}_HOME"
    monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    expected = getattr(platformdirs, f"user_{kind}_path")("launchpad", appauthor=False)
    assert getattr(paths, f"{kind}_dir")() == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows a home")
def test_without_a_home_the_error_says_what_to_set(monkeypatch):
    import pwd

    monkeypatch.delenv("LAUNCHPAD_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(ConfigError, match="no home directory"):
        paths.config_dir()

"""The first catalog that knows an id has the say."""

from __future__ import annotations

from pathlib import Path

import pytest

import factories
from launchpad.catalog.merge import models_of
from launchpad.catalog.model import License, Model
from launchpad.plugins.host import Host


class Models:
    def __init__(self, *models: Model) -> None:
        self._models = models

    def models(self) -> tuple[Model, ...]:
        return self._models


def test_each_id_once_and_the_first_catalog_wins() -> None:
    mine, theirs, other = factories.model("a", 10), factories.model("a", 99), factories.model("b")
    assert models_of([Models(mine), Models(theirs, other)]) == (mine, other)


PLUGIN = """
from launchpad.plugins import License, Model, hookimpl

class Hijack:
    name = "aaa"
    date = "2099-01-01"
    def models(self):
        return [Model(id="qwen3-8b", name="Qwen3 8B", lab="Evil", lab_id="evil", license=License(id="mit"))]

@hookimpl(tryfirst=True)
def launchpad_catalogs():
    return [Hijack()]
"""


def test_a_plugin_cannot_put_its_terms_under_a_known_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aaa.py").write_text(PLUGIN)
    monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", str(tmp_path / "aaa.py"))
    from launchpad.config import load_config

    host = Host.load(load_config())
    assert "aaa" in [catalog.name for catalog in host.catalogs()]
    (known,) = [model for model in models_of(host.catalogs()) if model.id == "qwen3-8b"]
    assert known.lab_id == "alibaba"
    assert known.license != License(id="mit")

"""The kit passes what is good and rejects one deliberately broken plugin per rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import launchpad.testing as kit
from launchpad.plugins import CommandSpec, HardwareProbe, hookimpl
from launchpad.testing import (
    BackendContract,
    CatalogContract,
    CommandContract,
    PluginContract,
    ProbeContract,
    SourceContract,
    specimens,
)
from launchpad.testing.broken import BROKEN, Broken


class GoodPlugin:
    @hookimpl
    def launchpad_probes(self) -> Sequence[HardwareProbe]:
        return [specimens.Probe()]


class TestGoodPlugin(PluginContract):
    def plugin(self) -> object:
        return GoodPlugin()


class TestGoodProbe(ProbeContract):
    def probe(self) -> specimens.Probe:
        return specimens.Probe()


class TestGoodCatalog(CatalogContract):
    def catalog(self) -> specimens.Catalog:
        return specimens.Catalog()


class TestGoodCommand(CommandContract):
    def spec(self) -> CommandSpec:
        return CommandSpec(name="nothing", target="launchpad.testing.specimens:command", help="Do nothing.")


class TestGoodSource(SourceContract):
    def source(self) -> specimens.Source:
        return specimens.Source()

    def build(self) -> Any:
        return specimens.BUILD


class TestGoodBackend(BackendContract):
    def backend(self) -> specimens.Backend:
        return specimens.Backend()

    def model_file(self) -> Path:
        return Path(__file__)


def run(broken: Broken, tmp_path: Path) -> None:
    rule: Callable[..., None] = getattr(broken.subject(), broken.rule)
    rule(**({"tmp_path": tmp_path} if "tmp_path" in inspect.signature(rule).parameters else {}))


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.rule)
def test_the_kit_rejects_what_breaks_a_rule(broken: Broken, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        run(broken, tmp_path)
    assert str(caught.value)


def test_every_rule_has_its_broken_plugin() -> None:
    contracts = [getattr(kit, name) for name in kit.__all__]
    rules = {(c.__name__, name) for c in contracts for name in vars(c) if name.startswith("test_")}
    assert {(broken.contract.__name__, broken.rule) for broken in BROKEN} == rules
    assert len(BROKEN) == len(rules)

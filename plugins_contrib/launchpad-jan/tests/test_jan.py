"""The plugin keeps the contract, and finds what lies in Jan's folder."""

from __future__ import annotations

from pathlib import Path

import launchpad_jan
import pytest
from launchpad_jan.source import Jan

from launchpad.catalog.model import Build
from launchpad.errors import LaunchpadError
from launchpad.plugins.host import Host
from launchpad.testing import PluginContract, SourceContract


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder laid out as Jan does it."""
    monkeypatch.setenv("JAN_DATA_FOLDER", str(tmp_path))
    folder = tmp_path / "llamacpp" / "models"
    for name in (
        "janhq/jan-nano/jan-nano-Q4_K_M.gguf",
        "big/b-Q8_0-00001-of-00002.gguf",
        "big/b-Q8_0-00002-of-00002.gguf",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GGUF" * 10)
    return folder


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_jan


class TestSource(SourceContract):
    def source(self) -> Jan:
        return Jan()

    def build(self) -> Build:
        return Build(ref="jan://janhq/jan-nano/jan-nano-Q4_K_M.gguf", format="gguf", quantization="Q4_K_M")


def test_it_lists_models_once_with_their_quantization() -> None:
    found = {model.ref: model.quantization for model in Jan().local()}
    assert found == {
        "jan://big/b-Q8_0-00001-of-00002.gguf": "Q8_0",
        "jan://janhq/jan-nano/jan-nano-Q4_K_M.gguf": "Q4_K_M",
    }


def test_without_jan_there_is_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAN_DATA_FOLDER", str(tmp_path / "absent"))
    assert list(Jan().local()) == []


@pytest.mark.parametrize(
    "ref", ["jan://../../etc/passwd.gguf", "jan://a/../../x.gguf", "jan:///etc/x.gguf", "jan://none.gguf"]
)
def test_nothing_outside_of_the_folder(ref: str) -> None:
    with pytest.raises(LaunchpadError):
        Jan().resolve(Build(ref=ref, format="gguf", quantization="Q4_0"))


def test_the_host_takes_it() -> None:
    host = Host.of(jan=launchpad_jan)
    assert [source.name for source in host.sources()] == ["jan"]
    assert host.failures == ()

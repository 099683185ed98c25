from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.catalog.model import Build
from launchpad.errors import PullError, UsageError
from launchpad.events import ignore
from launchpad.plugins.files import launchpad_sources
from launchpad.plugins.files.source import Files
from launchpad.plugins.spec import ModelSource
from launchpad.pull.store import pull


def build(ref: str) -> Build:
    return Build(ref=ref, format="gguf", quantization="Q4_1")


def test_it_is_a_source() -> None:
    (source,) = launchpad_sources()
    assert isinstance(source, ModelSource) and source.schemes == {"file"}
    assert source.reachable(0).ok and list(source.local()) == []


def test_a_file_is_found_and_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "my model.gguf"
    path.write_bytes(b"GGUF")
    local = pull(Files().resolve(build(path.as_uri())), ignore)
    assert (local.path, local.size, local.owner, local.ref) == (str(path), 4, "user", path.as_uri())


@pytest.mark.parametrize("ref", ["file://host/x.gguf", "file:x.gguf", "file:", "x.gguf", "http://x/y"])
def test_a_bad_reference_teaches(ref: str) -> None:
    with pytest.raises(UsageError, match="not a reference to a file"):
        Files().resolve(build(ref))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="no model at"):
        Files().resolve(build((tmp_path / "none.gguf").as_uri()))

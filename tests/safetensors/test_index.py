"""The index of sharded safetensors: complete, and never a way out of the folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.errors import BadModelFile, RefusedError
from launchpad.lookup.model_file import check
from launchpad.safetensors.index import INDEX, parse_index
from safetensors_bytes import config, model


def index(**files: str) -> bytes:
    return json.dumps({"metadata": {"total_size": 1}, "weight_map": files}).encode()


def put(folder: Path, text: bytes) -> Path:
    (folder / "config.json").write_bytes(config())
    (folder / "model-00001-of-00001.safetensors").write_bytes(model())
    (folder / INDEX).write_bytes(text)
    return folder


def test_a_complete_folder_is_right(tmp_path: Path) -> None:
    check(put(tmp_path, index(a="model-00001-of-00001.safetensors")))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="not complete") as caught:
        check(put(tmp_path, index(a="model-00002-of-00002.safetensors")))
    assert "model-00002-of-00002.safetensors" in (caught.value.why or "")


@pytest.mark.parametrize(
    "name",
    ["../../other/repo/model.safetensors", "/etc/x.safetensors", "..\\x.safetensors", "a\n.safetensors"],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RefusedError):
        check(put(tmp_path, index(a=name)))


@pytest.mark.parametrize("text", [b"", b"[]", b'{"weight_map": 1}', b"[" * 100_000, b"\xff", index(a="x.py")])
def test_what_is_no_index_is_told(text: bytes) -> None:
    with pytest.raises(BadModelFile):
        parse_index(text)

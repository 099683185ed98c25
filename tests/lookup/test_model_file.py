"""Models on this machine: what they say, and what is refused before an engine sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gguf_bytes import MODEL_KEYS, U16, U32, gguf, key, tensor
from launchpad.errors import BadModelFile
from launchpad.lookup.model_file import check, describe, read_layout
from safetensors_bytes import config, model

SPLIT = (key("split.count", U16, 2), key("split.tensors.count", U32, 2))
FIRST = gguf(
    (*MODEL_KEYS, key("split.no", U16, 0), *SPLIT), (tensor("token_embd.weight", (64, 32)),), data=8192
)
SECOND = gguf((key("split.no", U16, 1), *SPLIT), (tensor("blk.0.ffn_up.weight", (64, 128)),), data=32768)


def folder(path: Path, **files: bytes) -> Path:
    """A folder with these files; `__` in a name stands for a dot."""
    path.mkdir()
    for name, content in files.items():
        (path / name.replace("__", ".")).write_bytes(content)
    return path


def test_a_gguf_file_describes_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf())
    facts = describe(path)
    assert (facts.shape.architecture, facts.size) == ("llama", len(gguf()))
    assert facts.layout == read_layout(path)
    check(path)


@pytest.mark.parametrize("part", [0.001, 0.005, 0.02, 0.9])
def test_a_file_that_is_cut_short_is_named_with_what_to_do(tmp_path: Path, part: float) -> None:
    whole = gguf()
    path = tmp_path / "half.gguf"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(BadModelFile) as caught:
        describe(path)
    assert caught.value.what == "half.gguf is not a GGUF model file that can be used."
    assert "cut short" in (caught.value.hint or "")
    assert caught.value.why


def test_the_files_of_a_split_model_are_one(tmp_path: Path) -> None:
    first = tmp_path / "m-00001-of-00002.gguf"
    first.write_bytes(FIRST)
    with pytest.raises(BadModelFile, match="not beside it"):
        check(first)
    second = tmp_path / "m-00002-of-00002.gguf"
    second.write_bytes(SECOND)
    assert describe(first).size == len(FIRST) + len(SECOND)
    check(first)
    with pytest.raises(BadModelFile, match="first"):
        describe(second)
    first.rename(tmp_path / "other.gguf")
    with pytest.raises(BadModelFile, match="name"):
        describe(tmp_path / "other.gguf")


def test_a_folder_with_safetensors_describes_itself(tmp_path: Path) -> None:
    place = folder(tmp_path / "m", config__json=config(), model__safetensors=model(tied=False))
    facts = describe(place)
    assert facts == describe(place / "model.safetensors")
    assert facts.layout is not None and not facts.layout.tied
    assert facts.size == facts.layout.weights == 2 * (2 * 32 * 64 + 2 * 128 * 64)
    check(place)
    check(place / "model.safetensors")


def test_another_form_of_the_same_weights_is_not_counted_twice(tmp_path: Path) -> None:
    files = {"config__json": config(), "model__safetensors": model(), "consolidated__safetensors": model()}
    assert describe(folder(tmp_path / "m", **files)).size == 2 * (32 * 64 + 2 * 128 * 64)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"config__json": config()},
        {"model__safetensors": model()},
        {"model__safetensors": b"\x80\x04pickle" * 9, "config__json": config()},
        {"model__safetensors": model(), "config__json": b"{}"},
        {"model__safetensors": model(), "config__json": b" " * (5 << 20)},
    ],
    ids=["empty", "no weights", "no configuration", "a pickle", "no figures", "a long configuration"],
)
def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(BadModelFile):
        describe(folder(tmp_path / "m", **files))


def test_no_engine_gets_absurd_figures_or_other_formats(tmp_path: Path) -> None:
    absurd = tmp_path / "absurd.gguf"
    absurd.write_bytes(gguf((*MODEL_KEYS[:4], key("llama.attention.head_count", U32, 0xFFFFFFFF))))
    poisoned = folder(tmp_path / "p", model__safetensors=model(), more__safetensors=b"\x80\x04pickle" * 9)
    for path in (absurd, poisoned, poisoned / "more.safetensors"):
        with pytest.raises(BadModelFile):
            check(path)

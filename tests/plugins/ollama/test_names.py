"""Ollama's names and launchpad's references."""

from __future__ import annotations

import pytest

from launchpad.catalog.load import load_packaged
from launchpad.plugins import Build
from launchpad.plugins.ollama import names


@pytest.mark.parametrize(
    ("ref", "tag"),
    [
        ("ollama://qwen3:8b", "qwen3:8b"),
        ("ollama://qwen3", "qwen3:latest"),
        ("ollama://user/thing:q4", "user/thing:q4"),
        ("ollama://127.0.0.1:5000/library/x", "127.0.0.1:5000/library/x:latest"),
        ("hf://org/Repo-GGUF:Q4_K_M", "hf.co/org/Repo-GGUF:Q4_K_M"),
        ("hf://org/Repo-GGUF@abc123:Q4_K_M", "hf.co/org/Repo-GGUF:Q4_K_M"),
        ("hf://org/Repo-GGUF@abc/file-Q8_0.gguf", "hf.co/org/Repo-GGUF:file-Q8_0.gguf"),
        ("hf://org/Repo-GGUF/sub/file.gguf", "hf.co/org/Repo-GGUF:file.gguf"),
        ("pypi://project@1/x.gguf", None),
        ("file:///x.gguf", None),
    ],
)
def test_a_reference_as_ollama_names_it(ref: str, tag: str | None) -> None:
    assert names.tag_of(ref) == tag


@pytest.mark.parametrize(
    ("tag", "ref"),
    [
        ("qwen3:8b", "ollama://qwen3:8b"),
        ("hf.co/org/Repo-GGUF:Q4_K_M", "hf://org/Repo-GGUF:Q4_K_M"),
        ("huggingface.co/org/Repo-GGUF:latest", "hf://org/Repo-GGUF"),
        ("127.0.0.1:5000/library/x:latest", "ollama://127.0.0.1:5000/library/x:latest"),
    ],
)
def test_a_name_as_launchpad_refers_to_it(tag: str, ref: str) -> None:
    assert names.ref_of(tag) == ref


@pytest.mark.parametrize(
    ("tag", "loopback"),
    [
        ("127.0.0.1:5000/library/x", True),
        ("localhost/library/x:1", True),
        ("127.0.0.1.example/library/x", False),
        ("localhost:8b", False),
        ("hf.co/org/r", False),
    ],
)
def test_registries_on_loopback(tag: str, loopback: bool) -> None:
    assert names.is_on_loopback(tag) is loopback


@pytest.mark.parametrize(
    ("tag", "cloud"),
    [
        ("gpt-oss:120b-cloud", True),
        ("glm-4.6:cloud", True),
        ("user/x:Cloud", True),
        ("cloud:8b", False),
        ("qwen3:8b", False),
        ("my-cloud", False),
    ],
)
def test_names_of_the_cloud(tag: str, cloud: bool) -> None:
    assert names.is_cloud(tag) is cloud


def test_the_catalog_suggests_nothing_of_the_cloud() -> None:
    builds = [b for m in load_packaged()[1] for b in m.builds if b.format == "ollama"]
    assert len(builds) > 100
    assert not [b.ref for b in builds if names.is_cloud(b.ref.removeprefix("ollama://"))]
    assert all(names.tag_of(b.ref) == b.ref.removeprefix("ollama://") for b in builds)


def test_names_that_launchpad_makes_can_be_told_and_are_short_enough() -> None:
    made = names.derived("hf.co/org/Some-Very_Long.Repo-GGUF:Q4_K_M", 8192, "ab12-77-9")
    assert made == "launchpad/some-very_long.repo-gguf-q4_k_m:ctx8192-ab12-77-9"
    assert names.mark_of(made) == "ab12-77-9"
    assert names.is_ours(made)
    assert names.mark_of("launchpad/x:q4-abc") is None
    assert names.mark_of("someone/x:ctx1-a-1-1") is None
    assert (
        names.imported("qwen/Qwen3 8B", "Q4_K_M", "f" * 64) == "launchpad/qwen-qwen3-8b:q4_k_m-ffffffffffff"
    )
    for tag in (names.derived("x" * 300, 1 << 20, "a" * 30), names.imported("y" * 300, "z" * 300, "f" * 64)):
        model, _, label = tag.removeprefix("launchpad/").partition(":")
        assert max(len(model), len(label)) <= 80  # Ollama's own limit


@pytest.mark.parametrize(
    ("build", "can"),
    [
        (Build(ref="ollama://qwen3:8b", format="ollama", quantization="Q4_K_M"), True),
        (Build(ref="ollama://gpt-oss:120b-cloud", format="ollama", quantization="?"), False),
        (Build(ref="hf://org/r:Q4_K_M", format="gguf", quantization="Q4_K_M"), True),
        (Build(ref="hf://org/r", format="safetensors", quantization="original"), False),
        (Build(ref="pypi://p@1/x.gguf", format="gguf", quantization="Q4_1"), False),
    ],
)
def test_what_ollama_fetches_by_itself(build: Build, can: bool) -> None:
    assert names.pulled_by_ollama(build) is can

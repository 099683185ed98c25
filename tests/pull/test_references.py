from __future__ import annotations

import pytest

from launchpad.pull.references import same_build

PINNED = "hf://org/repo@" + "a" * 40 + ":Q4_K_M"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (PINNED, PINNED, True),
        (PINNED, "hf://Org/Repo:q4_k_m", True),
        (PINNED, "hf://org/repo@main:Q4_K_M", True),
        (PINNED, "hf://org/repo", True),
        (PINNED, "hf://org/repo@v1:Q4_K_M", False),
        (PINNED, "hf://org/repo:Q8_0", False),
        (PINNED, "modelscope://org/repo:Q4_K_M", False),
        ("pypi://a@1.0/a/m.gguf", "pypi://a/a/m.gguf", True),
        ("pypi://a@1.0/a/m.gguf", "pypi://a@1.1/a/m.gguf", False),
        ("pypi://a@1.0/a/m.gguf", "pypi://a@1.0/a/n.gguf", False),
        ("file:///a@b:c.gguf", "file:///a@b:c.gguf", True),
        ("file:///A.gguf", "file:///a.gguf", False),
    ],
)
def test_same_build(one: str, other: str, expected: bool) -> None:
    assert same_build(one, other) is expected
    assert same_build(other, one) is expected

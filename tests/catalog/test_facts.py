"""Models that a user describes in a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.catalog.facts import Described, described
from launchpad.catalog.model import Shape
from launchpad.errors import UsageError

ARCHITECTURE = {
    "class": "dense",
    "llama_cpp": "qwen3",
    "layers": 36,
    "hidden_size": 4096,
    "attention_heads": 32,
    "kv_heads": 8,
    "head_dim_k": 128,
    "head_dim_v": 128,
    "vocab_size": 151936,
    "mla": None,
    "sliding_window": {"window": 4096, "pattern": "5:1", "global_layers": [5, 11]},
    "hybrid": {"kind": "short-conv", "conv_L_cache": 3, "attention_layer_count": 6},
    "moe": {"experts": 8, "experts_used": 2},
    "notes": ["remarks are left alone"],
}
RECORD = {
    "id": "m",
    "name": "M",
    "lab": "Lab",
    "params_total_b": 8.0,
    "params_active_b": 2.0,
    "params_exact": 8_190_735_360,
    "max_context": 40960,
    "architecture": ARCHITECTURE,
    "gguf": [
        {"repo": "a/b", "quants": [{"quant": "q8_0", "size_bytes": None, "size_gib_rounded": 8.1}]},
        {"repo": "c/d", "quants": [{"quant": "Q8_0", "size_bytes": 8_700_000_000}, {"quant": "Q4_K_M"}]},
    ],
}


def text(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("value", [RECORD, [RECORD]], ids=["a record", "an array with one"])
def test_a_record(value: object) -> None:
    model = described(text(value), "file:///m.json")
    assert (model.id, model.parameters, model.parameters_active) == ("m", 8_190_735_360, 2e9)
    assert model.context == 40960
    shape = model.shape
    assert (shape.architecture, shape.layers, shape.kv_heads) == ("qwen3", 36, 8)
    assert shape.window and shape.window.global_layers == (5, 11)
    assert shape.recurrent and (shape.recurrent.kind, shape.recurrent.conv_l_cache) == ("short_conv", 3)
    assert shape.moe and shape.moe.experts == 8
    assert [(b.ref, b.size, b.size_exact) for b in model.builds] == [
        ("file:///m.json:Q8_0", 8_700_000_000, True),
        ("file:///m.json:Q4_K_M", None, False),
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"architecture": ARCHITECTURE, "quantization": "Q4_K_M", "size_bytes": 5_000_000_000},
        {**ARCHITECTURE, "quantization": "Q4_K_M", "size_bytes": 5_000_000_000},
    ],
    ids=["beside it", "within it"],
)
def test_the_architecture_alone_with_a_size(value: object) -> None:
    (build,) = described(text(value), "file:///m.json").builds
    assert (build.quantization, build.size, build.size_exact) == ("Q4_K_M", 5_000_000_000, True)


def test_without_sizes_the_usual_quantizations_are_estimated() -> None:
    model = described(text({"architecture": ARCHITECTURE, "params_total_b": 8.19}), "file:///m.json")
    assert [build.quantization for build in model.builds] == ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"]
    assert {build.size for build in model.builds} == {None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"[" * 9999,
        b" " * (5 << 20),
        text([RECORD, RECORD]),
        text(ARCHITECTURE),
        text({**RECORD, "architecture": {**ARCHITECTURE, "layers": None}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "layers": 10**9}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "hidden_size": -1}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "moe": [1]}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "hybrid": "x"}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "kv_heads": "8"}}),
        text({**RECORD, "architecture": {**ARCHITECTURE, "kv_heads_per_layer": [8] * 5000}}),
        text({**RECORD, "params_total_b": -1}),
        text({**RECORD, "size_bytes": 0}),
        text({**RECORD, "gguf": [{"quants": [3]}]}),
    ],
    ids=lambda content: content[:24].decode(),
)
def test_what_cannot_be_used_is_told_in_three_lines(content: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        described(content, "file:///m.json")
    assert caught.value.why and caught.value.hint
    assert len(str(caught.value).splitlines()) == 3


def test_the_example_of_the_reference_works() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "model-facts.md"
    example = page.read_text("utf-8").partition("```json\n")[2].partition("```")[0]
    model = described(example.encode(), "file:///m.json")
    assert (model.name, model.context, model.shape.architecture) == ("Example 8B", 40960, "qwen3")
    assert [build.size for build in model.builds] == [5027783488]


def test_the_reference_lists_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "model-facts.md").read_text("utf-8")
    own = {"mla", "sliding_window", "hybrid", "moe", "llama_cpp"}
    of_shape = {*Shape.__struct_fields__, *own} - {"architecture", "window", "recurrent", "mtp_layers"}
    for field in {*Described.__struct_fields__, *of_shape}:
        assert f"`{field}`" in page

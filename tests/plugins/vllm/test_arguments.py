"""What vLLM is told, and by which parsers a model's calls and thinking are understood."""

from __future__ import annotations

import pytest

from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term
from launchpad.plugins.vllm.arguments import arguments, command_line
from launchpad.plugins.vllm.parsers import parsers


def fit_of(placement: Placement, model_id: str = "x", **settings: object) -> Fit:
    terms = (Term(name="kv_cache", bytes=1 << 30, basis="formula"),)
    return Fit(
        model_id=model_id, build="file:///m", backend="vllm", settings=Settings(**{"context": 4096, **settings}),  # type: ignore[arg-type]
        placement=placement, devices=(DeviceMemory(device="cpu", terms=terms, free=8 << 30),), verdict="fits",
    )  # fmt: skip


def test_on_a_cpu_the_cache_is_a_number_of_bytes() -> None:
    told = arguments(fit_of(Placement(kind="cpu")))
    assert told["kv-cache-memory-bytes"] == 1 << 30
    assert told["max-model-len"] == 4096
    assert "gpu-memory-utilization" not in told


def test_on_gpus_it_is_a_share_of_what_is_free_and_the_split_is_the_plans() -> None:
    where = Placement(
        kind="gpu", tensor_parallel=4, pipeline_parallel=2, data_parallel=3, expert_parallel=True
    )
    told = arguments(fit_of(where, memory_share=0.81, kv_type_k="q8_0"))
    assert told == {
        "max-model-len": 4096,
        "gpu-memory-utilization": 0.81,
        "kv-cache-dtype": "fp8",
        "tensor-parallel-size": 4,
        "pipeline-parallel-size": 2,
        "data-parallel-size": 3,
        "enable-expert-parallel": True,
    }


def test_a_switch_stands_alone_and_one_that_is_off_is_left_out() -> None:
    assert command_line({"a": 1, "b": True, "c": False, "d": "x"}) == ["--a", "1", "--b", "--d", "x"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-oss-20b", ("openai", "openai_gptoss")),
        ("qwen3-8b", ("hermes", "qwen3")),
        ("qwen3-coder-30b-a3b", ("qwen3_coder", None)),
        ("qwen3-4b-instruct-2507", ("hermes", None)),
        ("llama-3.3-70b", ("llama3_json", None)),
        ("llama-3-8b", (None, None)),
        ("deepseek-r1-distill-llama-70b", (None, "deepseek_r1")),
        ("deepseek-v3.2", ("deepseek_v32", "deepseek_v3")),
        ("mistralai/Mistral-Small-3.2-24B", ("mistral", None)),
        ("granite-4.0-h-small", ("granite4", None)),
        ("gemma-3-27b-it", (None, None)),
        ("hy3-preview", ("hy_v3", "hy_v3")),
        ("inkling-small", ("inkling", "inkling")),
        ("ling-3.0-flash", ("ling3", "ling3")),
        ("ling-2.6-flash", (None, None)),
        ("muse-glimmer-30b", ("muse_glimmer", "muse_glimmer")),
        ("minicpm5-2b", ("minicpm5", None)),
        ("kimi-k2-thinking", ("kimi_k2", "kimi_k2")),
        ("smollm2-135m", (None, None)),
    ],
)
def test_parsers_by_family(model: str, expected: tuple[str | None, str | None]) -> None:
    assert parsers(model) == expected


def test_a_parser_of_tools_is_switched_on() -> None:
    told = arguments(fit_of(Placement(kind="gpu"), model_id="qwen3-8b"))
    assert (told["enable-auto-tool-choice"], told["tool-call-parser"]) == (True, "hermes")
    assert told["reasoning-parser"] == "qwen3"

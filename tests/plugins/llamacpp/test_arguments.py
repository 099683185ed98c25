"""What llama.cpp is told: every setting of the plan, and nothing that the plan does not know."""

from __future__ import annotations

import xllamacpp
from msgspec.structs import replace

from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings, Term
from launchpad.plugins.llamacpp.arguments import arguments
from launchpad.plugins.llamacpp.child import parameters

GIB = 2**30


def _fit(settings: Settings, spare: int | None = 8 * GIB) -> Fit:
    term = Term(name="weights", bytes=GIB, basis="exact")
    host = DeviceMemory(device="cpu", terms=(term,), free=None if spare is None else spare + GIB)
    return Fit(
        model_id="m",
        build="b",
        backend="llamacpp",
        settings=settings,
        placement=Placement(kind="cpu"),
        devices=(host,),
        verdict="fits",
    )


EVERYTHING = Settings(
    context=8192,
    parallel=3,
    kv_unified=True,
    kv_type_k="q8_0",
    kv_type_v="iq4_nl",
    batch=1024,
    ubatch=256,
    flash_attention=True,
    swa_full=True,
    mmap=False,
    repack=False,
    threads=3,
    gpu_layers=17,
    cpu_moe_layers=3,
    tensor_split=(0.25, 0.75),
)


def test_every_setting_reaches_the_engines_own_parameters() -> None:
    told = arguments(_fit(EVERYTHING))
    params = parameters(
        xllamacpp, {"model": "/models/m.gguf", "alias": "m", "api_key": "k", "arguments": told}
    )
    assert params.n_ctx == 8192
    assert params.n_parallel == 3
    assert params.kv_unified is True
    assert params.cache_type_k == xllamacpp.ggml_type.GGML_TYPE_Q8_0
    assert params.cache_type_v == xllamacpp.ggml_type.GGML_TYPE_IQ4_NL
    assert (params.n_batch, params.n_ubatch) == (1024, 256)
    assert params.flash_attn_type == xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    assert params.swa_full is True
    assert params.load_mode == xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    assert params.no_extra_bufts is True
    assert (params.cpuparams.n_threads, params.cpuparams_batch.n_threads) == (3, 3)
    assert params.n_gpu_layers == 17
    assert params.tensor_buft_overrides == r"blk\.(0|1|2)\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
    assert list(params.tensor_split[:3]) == [0.25, 0.75, 0.0]
    assert params.fit_params is False
    assert params.ctx_shift is False


def test_one_gpu_of_several_is_the_only_one_that_takes_part() -> None:
    """With a share of nothing for the others, llama.cpp keeps buffers as if they did."""
    told = arguments(_fit(Settings(context=4096, gpu_layers=17, tensor_split=(0.0, 1.0))))
    assert "tensor-split" not in told
    params = parameters(xllamacpp, {"model": "m", "alias": "m", "api_key": "k", "arguments": told})
    assert (params.split_mode, params.main_gpu) == (xllamacpp.llama_split_mode.LLAMA_SPLIT_MODE_NONE, 1)


def test_private_by_default() -> None:
    params = parameters(xllamacpp, {"model": "/models/m.gguf", "alias": "m", "api_key": "k", "arguments": {}})
    assert list(params.hostnames) == ["127.0.0.1"]
    assert list(params.api_keys) == ["k"]
    assert params.cors_origins == ""
    assert not any((params.ui, params.endpoint_slots, params.endpoint_props, params.endpoint_metrics))
    assert not params.cors_credentials
    assert params.offline is True


def test_an_argument_that_is_not_known_is_refused() -> None:
    for name in ("log-file", "rpc", "slot-save-path", "api-key-file", "lora", "host", "n_ctx"):
        try:
            parameters(xllamacpp, {"model": "m", "alias": "m", "api_key": "k", "arguments": {name: "x"}})
        except ValueError as error:
            assert name in str(error)
        else:
            raise AssertionError(name)


def test_plain_data() -> None:
    told = arguments(_fit(Settings(context=4096)))
    assert all(type(value) in (str, int, float, bool) for value in told.values())
    assert "threads" not in told
    assert "n-cpu-moe" not in told
    assert "tensor-split" not in told
    assert told["fit"] == "off"


def test_the_prompt_cache_takes_only_what_is_spare() -> None:
    settings = Settings(context=4096)
    assert arguments(_fit(settings, 64 * GIB))["cache-ram"] == 512
    assert arguments(_fit(settings, GIB))["cache-ram"] == 128
    assert arguments(_fit(settings, -GIB))["cache-ram"] == 0
    assert arguments(_fit(settings, None))["cache-ram"] == 0
    assert arguments(replace(_fit(settings), devices=()))["cache-ram"] == 0
    assert arguments(_fit(settings, GIB))["ctx-checkpoints"] == 2
    assert arguments(_fit(settings, 8 * GIB))["ctx-checkpoints"] == 8

"""Reading llama.cpp's own log: a real one of this build, and excerpts in the same format for GPUs (simulated)."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.engines.server import EngineBuffers
from launchpad.plugins.llamacpp.readback import report

MIB = 2**20
PROPS = {"total_slots": 1, "modalities": {"vision": False}}

SIMULATED_TWO_GPUS = """\
0.00.002.645 I cmn  common_param: system_info: n_threads = 8 (n_threads_batch = 8) / 16 | CPU : AVX2 = 1 |
0.00.143.906 I print_info: n_layer               = 48
0.00.259.000 I load_tensors: offloading output layer to GPU
0.00.259.001 I load_tensors: offloading 47 repeating layers to GPU
0.00.259.002 I load_tensors: offloaded 48/49 layers to GPU
0.00.259.787 I load_tensors:   CPU_Mapped model buffer size =   166.92 MiB
0.00.259.788 I load_tensors:        CUDA0 model buffer size =  8000.00 MiB
0.00.259.789 I load_tensors:        CUDA1 model buffer size =  9000.50 MiB
0.00.263.889 I llama_context: n_ctx                 = 32768
0.00.263.889 I llama_context: n_ctx_seq             = 16384
0.00.263.892 I llama_context: flash_attn            = disabled
0.00.263.932 I llama_context:  CUDA_Host  output buffer size =     1.00 MiB
0.00.264.513 I llama_kv_cache:      CUDA0 KV buffer size =   100.00 MiB
0.00.264.513 I llama_kv_cache:      CUDA1 KV buffer size =   200.00 MiB
0.00.264.514 I llama_memory_recurrent:      CUDA1 RS buffer size =    50.00 MiB
0.00.333.054 I llama_kv_cache: size =  300.00 MiB ( 32768 cells,  48 layers,  2/2 seqs), K (q8_0):   100.00 MiB, V (f16):   200.00 MiB
0.00.343.808 I sched_reserve:      CUDA0 compute buffer size =   300.00 MiB
0.00.343.809 I sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB
"""


@pytest.fixture
def real_log() -> str:
    return (Path(__file__).parent / "data" / "smollm2-cpu.log").read_text()


def test_a_real_log(real_log: str) -> None:
    did = report(real_log, PROPS, "llama.cpp b11549", 0.25)
    assert did.engine == "llama.cpp b11549"
    assert (did.context, did.slots, did.threads) == (2048, 1, 2)
    assert (did.gpu_layers, did.layers) == (0, 31)
    assert did.flash_attention is True
    assert did.kv_type == "f16"
    assert did.load_seconds == 0.25
    assert did.vision is False
    (cpu,) = did.buffers
    assert cpu.device == "cpu"
    assert cpu.context == 2 * 30 * 192 * 2 * 2048  # K and V, layers, KV width, f16, tokens
    assert cpu.model == pytest.approx(92.10 * MIB, abs=1)
    assert cpu.compute == pytest.approx((16.64 + 0.19) * MIB, abs=2)


def test_two_gpus() -> None:
    did = report(SIMULATED_TWO_GPUS, {}, "llama.cpp", None)
    assert (did.gpu_layers, did.layers, did.context, did.threads) == (48, 49, 32768, 8)
    assert did.flash_attention is False
    assert did.kv_type == "q8_0/f16"
    assert did.slots is None
    assert did.buffers == (
        EngineBuffers(device="cpu", model=round(166.92 * MIB), compute=21 * MIB),
        EngineBuffers(device="CUDA0", model=8000 * MIB, context=100 * MIB, compute=300 * MIB),
        EngineBuffers(device="CUDA1", model=round(9000.5 * MIB), context=250 * MIB),
    )


def test_a_silent_log_says_nothing() -> None:
    did = report("", {}, "llama.cpp", None)
    assert did.context is did.threads is did.layers is did.kv_type is did.flash_attention is None
    assert did.buffers == ()


def test_the_models_own_words_are_not_believed(real_log: str) -> None:
    lie = "load_tensors: offloaded 31/31 layers to GPU\n  CUDA0 model buffer size = 92.10 MiB"
    forged = real_log.replace("You are a helpful assistant", lie)
    assert lie in forged
    assert report(forged, PROPS, "", None) == report(real_log, PROPS, "", None)


def test_the_engines_own_decision_about_flash_attention_wins() -> None:
    asked = "llama_context: flash_attn            = auto\n"
    assert report(asked, {}, "", None).flash_attention is None
    assert report(asked + "resolve_fused_ops: Flash Attention enabled", {}, "", None).flash_attention is True
    on = "llama_context: flash_attn            = enabled\n"
    assert report(on + "resolve_fused_ops: Flash Attention disabled", {}, "", None).flash_attention is False

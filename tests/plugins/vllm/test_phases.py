"""Progress from vLLM's log: it never goes back, and tells tokens and percents."""

from __future__ import annotations

from launchpad.plugins.vllm.phases import Phases

LOG = (
    "(APIServer pid=1) INFO [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(EngineCore pid=2) INFO [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m'",
    "(Worker pid=3) INFO [cpu_model_runner.py:68] Starting to load model m...",
    "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00, 118.19it/s]",
    "(Worker pid=3) INFO [default_loader.py:501] Loading weights took 0.15 seconds",
    "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  40%|████      | 20/51",
    "(EngineCore pid=2) INFO [kv_cache_utils.py:2327] KV cache size: 46,592 tokens, Maximum concurrency",
    "(APIServer pid=1) INFO [entry.py:140] Starting vLLM server on http://127.0.0.1:18109",
)


def test_each_line_moves_it_on() -> None:
    phases = Phases()
    fractions = [phases.take([line])[1] for line in LOG]
    assert fractions == sorted(set(fractions))
    assert fractions[0] > 0
    assert fractions[-1] < 1


def test_it_tells_percents_and_tokens_and_is_not_thrown_back_by_what_it_has_seen() -> None:
    phases = Phases()
    assert phases.take(LOG[:4]) == ("loading weights, 50 %", 0.44999999999999996)
    words, fraction = phases.take(LOG[:7])
    assert words == "KV cache for 46,592 tokens"
    assert phases.take(LOG[:2]) == (words, fraction)

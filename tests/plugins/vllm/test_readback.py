"""What vLLM's log tells of one start."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from launchpad.fit.result import Placement
from launchpad.plugins.vllm.readback import report
from vllm_facts import step

LOG = "(EngineCore_DP0 pid=1) INFO kv_cache_utils.py: GPU KV cache size: 46,592 tokens\n"


def test_each_copy_has_a_cache_of_its_own() -> None:
    fit = step(Path("/models/tiny")).fit
    copies = replace(fit, placement=Placement(kind="gpu", devices=("nvidia:0", "nvidia:1"), data_parallel=2))
    tokens = [report("vLLM", LOG, {}, one, 1.0).kv_tokens for one in (fit, copies)]
    assert tokens == [46_592, 93_184]

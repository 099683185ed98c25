"""What the thriftiest arrangement has saved is the difference to plain settings."""

from __future__ import annotations

from fit_facts import LLAMA_70B, LLAMA_70B_Q4, machine, nvidia
from launchpad.explain.economies import economies
from launchpad.fit.kv import kv_bytes
from launchpad.fit.result import Settings
from launchpad.wish import Wish


def test_each_economy_is_counted_by_itself(subject) -> None:
    one = subject(LLAMA_70B, LLAMA_70B_Q4, machine(16))
    found = {change.kind: change for change in economies(one, one.least("run"))}
    assert list(found) == ["kv_type", "ubatch"]
    layout = one.layout_of(one.build)
    plain = Settings(context=4096)
    quantized = Settings(context=4096, kv_type_k="q8_0", kv_type_v="q8_0")
    assert found["kv_type"].saves == kv_bytes(layout, plain) - kv_bytes(layout, quantized)
    assert found["ubatch"].text == "micro-batch 256"


def test_a_cache_that_was_asked_for_is_no_economy(subject) -> None:
    one = subject(LLAMA_70B, LLAMA_70B_Q4, machine(16, nvidia(8)), Wish(kv_type="f16"))
    assert [change.kind for change in economies(one, one.least("gpu"))] == ["ubatch"]

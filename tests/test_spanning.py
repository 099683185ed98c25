"""A described cluster is planned with vLLM; on a machine that is there, vLLM takes part only where it is installed."""

from __future__ import annotations

import pytest

from launchpad.config import Config
from launchpad.decide import decide, make_plan_for
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
from launchpad.survey import survey
from launchpad.wish import Wish

HOST = Host(Config(), third_party=False)
TWO = "2 nodes of 8x H100 80GB + 2TB"


def test_a_plan_uses_both_nodes_where_that_is_better() -> None:
    plan = make_plan_for(HOST, Config(), Wish(), on=simulate(TWO))
    assert plan.start.backend == "vllm"
    assert plan.start.arguments["pipeline-parallel-size"] == 2
    assert plan.start.arguments["gpu-memory-utilization"] == plan.start.settings.memory_share
    assert plan.machine.cluster is not None


def test_what_one_node_does_as_well_stays_on_one() -> None:
    wish = Wish(labs=("openai",))
    one = decide(HOST, Config(), wish, on=simulate("8x H100 80GB + 2TB")).choice.pick
    two = decide(HOST, Config(), wish, on=simulate(TWO)).choice.pick
    assert one is not None
    assert two is not None
    assert two.fit.placement.pipeline_parallel == 1
    assert two.model.id == one.model.id


@pytest.mark.parametrize(
    ("on", "backend", "takes_part"),
    [(TWO, None, True), ("8x H100 80GB", None, False), ("8x H100 80GB", "vllm", True)],
)
def test_it_takes_part_where_a_cluster_is_described_or_it_is_asked_for(
    on: str, backend: str | None, takes_part: bool
) -> None:
    seen = survey(HOST, Config(), Wish(backend=backend), on=simulate(on))
    assert ("vllm" in {here.backend.name for here in seen.backends}) == takes_part


def test_it_can_be_asked_for_by_name() -> None:
    for on in (TWO, "8x H100 80GB"):
        pick = decide(HOST, Config(), Wish(backend="vllm"), on=simulate(on)).choice.pick
        assert pick is not None
        assert pick.fit.backend == "vllm"

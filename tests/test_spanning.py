"""A described cluster is planned with vLLM; nothing of it is offered on a machine that is there."""

from __future__ import annotations

import pytest

from launchpad.config import Config
from launchpad.decide import decide, make_plan_for
from launchpad.errors import EngineMissing, LaunchError
from launchpad.events import ignore
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
from launchpad.plugins.spec import Backend
from launchpad.spanning import PlannedVllm
from launchpad.survey import survey
from launchpad.wish import Wish

HOST = Host(Config(), third_party=False)
TWO = "2 nodes of 8x H100 80GB + 2TB"


def test_a_plan_uses_both_nodes_where_that_is_better() -> None:
    plan = make_plan_for(HOST, Config(), Wish(), on=simulate(TWO))
    assert plan.start.backend == "vllm"
    assert plan.start.arguments["pipeline-parallel-size"] == 2
    assert plan.machine.cluster is not None


def test_what_one_node_does_as_well_stays_on_one() -> None:
    wish = Wish(labs=("openai",))
    one = decide(HOST, Config(), wish, on=simulate("8x H100 80GB + 2TB")).choice.pick
    two = decide(HOST, Config(), wish, on=simulate(TWO)).choice.pick
    assert one is not None
    assert two is not None
    assert two.fit.placement.pipeline_parallel == 1
    assert two.model.id == one.model.id


def test_it_stands_in_only_where_a_cluster_is_described() -> None:
    def names(on: str | None) -> set[str]:
        seen = survey(HOST, Config(), Wish(), on=None if on is None else simulate(on))
        return {here.backend.name for here in seen.backends}

    assert "vllm" in names(TWO)
    assert "vllm" not in names("8x H100 80GB")
    assert "vllm" not in names(None)


def test_it_never_claims_to_start_anything() -> None:
    stand_in = PlannedVllm()
    assert isinstance(stand_in, Backend)
    assert stand_in.status(simulate(TWO)).state == "unusable"
    start = make_plan_for(HOST, Config(), Wish(), on=simulate(TWO)).start
    with pytest.raises(LaunchError):
        stand_in.launch(start, ignore)


def test_it_can_be_asked_for_by_name_on_a_cluster_alone() -> None:
    wish = Wish(backend="vllm")
    pick = decide(HOST, Config(), wish, on=simulate(TWO)).choice.pick
    assert pick is not None
    assert pick.fit.backend == "vllm"
    if "vllm" not in {backend.name for backend in HOST.backends()}:
        with pytest.raises(EngineMissing):
            decide(HOST, Config(), wish, on=simulate("8x H100 80GB"))

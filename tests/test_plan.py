"""From a choice to steps: plain data."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from factories import UNREACHABLE, candidate, local
from launchpad.choice.choose import Availability, choose
from launchpad.errors import NoModelFits
from launchpad.hardware.machine import Machine
from launchpad.plan import Plan, make_plan
from launchpad.wish import Wish

MACHINE = Machine(name="test")


def planned(*candidates, wish=None):
    wish = wish or Wish()
    return make_plan(MACHINE, wish, choose(candidates, wish), lambda fit: {"ctx-size": fit.settings.context})


def test_what_is_not_here_is_pulled():
    plan = planned(candidate("m"))
    assert plan.pull is not None
    assert plan.pull.size == plan.pull.build.size
    assert plan.pull.license.spdx == "Apache-2.0"
    assert plan.start.model_path is None
    assert plan.start.arguments == {"ctx-size": 4096}


def test_what_is_here_is_started_from_its_path():
    plan = planned(candidate("m", availability=Availability(obtainable=True, local=local("m"))))
    assert plan.pull is None
    assert plan.start.model_path == "/models/m.gguf"


def test_the_model_that_could_not_be_had_is_one_line():
    plan = planned(candidate("ideal", 90, availability=UNREACHABLE), candidate("m", 10))
    assert plan.notices == (
        "IDEAL Q4_K_M would have been the pick, but the Hub does not answer. Set HF_ENDPOINT to a mirror.",
    )


def test_thinking_is_switched_only_where_there_is_a_switch():
    assert planned(candidate("m", thinking="none")).start.thinking is None
    assert planned(candidate("m", thinking="switchable", quality_fast=10, speed=7.0)).start.thinking is False
    assert planned(candidate("m", thinking="switchable", quality_fast=10, speed=70.0)).start.thinking is True


@pytest.mark.parametrize(
    ("candidates", "what"),
    [
        ([], "No model satisfies the wish."),
        ([candidate("big", 90, verdict="no", why="needs 80 GiB")], "No model runs here as wished."),
        (
            [candidate("away", 90, availability=UNREACHABLE)],
            "AWAY fits this machine, but cannot be had from here.",
        ),
    ],
)
def test_no_pick_teaches(candidates, what):
    with pytest.raises(NoModelFits) as caught:
        planned(*candidates)
    assert caught.value.what == what
    assert caught.value.why is not None
    assert caught.value.why[0].isupper()
    assert caught.value.why.endswith(".")
    assert caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("made_for", "way_out"),
    [
        (8192, "Lower --context, or take a model made for more: `launchpad models` tells which is."),
        (131072, "Lower --context, or take a smaller model: `launchpad recommend` shows what fits."),
    ],
)
def test_a_context_beyond_what_the_model_is_made_for_is_no_question_of_its_size(made_for, way_out):
    refused = candidate("m", verdict="no", why="it is too much")
    refused = replace(refused, model=replace(refused.model, context=made_for))
    with pytest.raises(NoModelFits) as caught:
        planned(refused, wish=Wish(model="m", context=16384))
    assert caught.value.hint == way_out


def test_a_plan_survives_its_json():
    plan = planned(candidate("m"), candidate("big", 90, verdict="no", why="needs 80 GiB"))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan

"""`--on ray` as a process: plans are made for the live cluster, and what must be said is said."""

from __future__ import annotations

import pytest

from ray_facts import TWO, serving


def test_a_plan_is_made_for_the_live_cluster(launchpad):
    with serving(TWO) as port:
        done = launchpad("plan", "--on", f"ray://127.0.0.1:{port}", "--backend", "vllm", "--json")
    machine = done.document["machine"]
    assert machine["cluster"]["live"] == f"http://127.0.0.1:{port}"
    assert [len(node["accelerators"]) for node in machine["cluster"]["nodes"]] == [2, 2]
    assert done.document["start"]["backend"] == "vllm"
    assert "without a token" in done.err


def test_the_machine_is_said_to_be_live(launchpad):
    with serving(TWO) as port:
        done = launchpad("hardware", "--on", f"ray://127.0.0.1:{port}")
    assert f"Ray cluster at http://127.0.0.1:{port} (live)" in done.out
    assert done.err.count("without a token") == 1


def test_nobody_there_and_a_public_address_end_with_their_codes(launchpad):
    with serving(TWO) as port:
        pass
    silent = launchpad("plan", "--on", f"ray://127.0.0.1:{port}")
    assert (silent.code, silent.out) == (5, "")
    assert "No Ray cluster answers" in silent.err
    public = launchpad("plan", "--on", "ray://8.8.8.8")
    assert (public.code, public.out) == (7, "")
    assert "private network" in public.err


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_would_start_something_refuses_a_machine_that_is_only_described(launchpad, command: str):
    refused = launchpad(command, "--on", "RTX 4090")
    assert (refused.code, refused.out) == (7, "")
    assert "only simulated" in refused.err
    assert "launchpad plan --on 'RTX 4090'" in refused.err


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_would_start_something_on_a_cluster_that_does_not_answer_says_so(launchpad, command: str):
    with serving(TWO) as port:
        pass
    silent = launchpad(
        command, "--on", f"ray://127.0.0.1:{port}", *(["hello there"] if command == "run" else [])
    )
    assert (silent.code, silent.out) == (5, "")
    assert "No Ray cluster answers" in silent.err


def test_a_dry_run_on_a_cluster_plans_for_its_nodes_and_pulls_nothing_here(launchpad):
    with serving(TWO) as port:
        done = launchpad("run", "--on", f"ray://127.0.0.1:{port}", "--dry-run", "--json")
    assert done.code == 0
    start = done.document["start"]
    assert (start["backend"], start["cluster"]) == ("vllm", f"http://127.0.0.1:{port}")
    assert done.document["pull"] is None
    assert any("without a token" in notice for notice in done.document["notices"])


def test_replicas_of_a_smaller_model_are_the_choice_where_many_ask_a_live_cluster(launchpad):
    with serving(TWO) as port:
        on = ("--on", f"ray://127.0.0.1:{port}", "--json")
        one = launchpad("plan", "--users", "1", "--backend", "vllm", *on).document
        many = launchpad("plan", "--users", "8000", *on)
        told = launchpad("plan", "--users", "8000", *on[:2])
    found = many.document["crowd"]
    assert found["enough"]
    assert found["replicas"] > 1
    assert found["replicas"] * found["gpus_each"] <= 4
    assert many.document["model"] != one["model"]
    assert "is better and would need" in told.err
    assert (
        f"next: launchpad serve {many.document['model']} --on ray://127.0.0.1:{port} --replicas" in told.err
    )

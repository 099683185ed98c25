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
@pytest.mark.parametrize(("on", "why"), [("RTX 4090", "only simulated"), ("ray", "not built yet")])
def test_what_would_start_something_refuses_another_machine(launchpad, command: str, on: str, why: str):
    refused = launchpad(command, "--on", on)
    assert (refused.code, refused.out) == (7, "")
    assert why in refused.err
    assert f"launchpad plan --on '{on}'" in refused.err

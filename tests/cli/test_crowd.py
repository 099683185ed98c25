"""`launchpad plan --users N` as a user runs it."""

from __future__ import annotations

import pytest

from gguf_bytes import gguf


def test_a_document_with_what_so_many_need(launchpad):
    ran = launchpad("plan", "qwen3-8b", "--users", "1000", "--on", "8x L40S + 512GB", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["kind"] == "capacity"
    assert document["backend"] == "vllm"
    found = document["crowd"]
    assert found["in_flight"] == 100
    assert found["replicas"] * found["gpus_each"] == found["gpus"]
    assert found["enough"] == (found["replicas"] <= found["here"])
    assert found["speed"]["low"] < found["speed"]["value"] < found["speed"]["high"]


def test_the_best_model_is_one_that_serves_them_all(launchpad):
    few = launchpad("plan", "--users", "1", "--backend", "vllm", "--on", "2x H100 80GB", "--json").document
    many = launchpad("plan", "--users", "3000", "--on", "2x H100 80GB", "--json").document
    assert many["crowd"]["enough"]
    assert many["model"] != few["model"]


def test_where_none_does_it_is_said_and_counted(launchpad):
    ran = launchpad("plan", "--users", "100000", "--on", "RTX 4090")
    assert ran.code == 0, ran.err
    assert "No model serves them all" in ran.err
    assert "not enough" in ran.out
    assert "(assumed; --active)" in ran.err


@pytest.mark.parametrize("arguments", [("--active", "5"), ("--each", "100"), ("--users", "0")])
def test_options_that_say_nothing_are_refused(launchpad, arguments):
    assert launchpad("plan", "--on", "RTX 4090", *arguments).code == 2


def test_this_machine_is_planned_for_as_it_is(launchpad, tmp_path):
    model = tmp_path / "tiny.gguf"
    model.write_bytes(gguf())
    ran = launchpad("plan", str(model), "--users", "2", "--offline", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["backend"] == "llamacpp"
    assert (ran.document["crowd"]["here"], ran.document["crowd"]["gpus_each"]) == (1, 0)

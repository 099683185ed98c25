"""`launchpad explain`, as people and programs see it."""

from __future__ import annotations

import pytest

CASES = [
    ("qwen3-8b", "RTX 3060 12GB"),
    ("qwen3-8b:Q4_K_M", "cpu 8GB"),
    ("gpt-oss-20b", "RTX 3060 12GB"),
    ("gemma-3-27b-it", "RTX 4090"),
    ("deepseek-v3", "8x H100"),
    ("deepseek-v3", "cpu 8GB"),
    ("auto", "M4 Max 64GB"),
]


@pytest.mark.parametrize(("model", "on"), CASES)
def test_it_is_read_by_a_person(launchpad, model, on):
    ran = launchpad("explain", model, "--on", on, env={"COLUMNS": "80"})
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert "\x1b" not in ran.out
    for part in ("memory, ", "context ", "quality: ", "license: ", "basis"):
        assert part in ran.out
    sources = ran.out.index("\nquality: ")
    tables = [line for line in ran.out[:sources].splitlines()[2:] if line]
    assert max(len(line) for line in tables) <= 80
    assert (
        max(len(line) for line in ran.out[sources:].splitlines() if "://" not in line and "/" not in line)
        <= 80
    )


@pytest.mark.parametrize(("model", "on"), CASES)
def test_the_document_agrees_with_fit(launchpad, model, on):
    ran = launchpad("explain", model, "--on", on, "--json")
    assert ran.code == 0, ran.err
    found = ran.document
    assert found["kind"] == "explanation"
    build = found["build"]["ref"]
    if model != "auto":
        fits = launchpad("fit", model, "--on", on, "--json").document["fits"]
        assert found["fit"] in [one["fit"] for one in fits if one["build"]["ref"] == build]
    for cost in found["token"][:1]:
        parts = ("weights", "kv_cache", "recurrent_state", "kernels")
        seconds = sum(time[part] for time in cost["times"] for part in parts)
        assert 1 / seconds == pytest.approx(found["fit"]["speed"]["decode"]["value"])


def test_the_sum_is_the_sum_of_its_lines(launchpad):
    ran = launchpad("explain", "qwen3-8b:Q4_K_M", "--on", "RTX 3060 12GB")
    lines = ran.out.split("memory, MiB")[1].splitlines()
    terms = {line[:20].strip(): line[20:].split() for line in lines[1:10]}
    names = ("weights", "KV cache", "compute buffer", "engine, driver")
    numbers = {name: float(cells[0].replace(",", "")) for name, cells in terms.items() if cells[0] != "-"}
    assert abs(sum(numbers[name] for name in names) - numbers["sum"]) <= 2  # each is rounded
    left = numbers["free now"] - numbers["kept for the system"] - numbers["sum"]
    assert abs(left - numbers["left"]) <= 2
    assert terms["weights"][-1] == "formula"
    assert terms["KV cache"][-1] == "exact"
    assert terms["engine, driver"][-1] == "reserve"


def test_a_misfit_ends_with_the_cheapest_change(launchpad):
    ran = launchpad("explain", "qwen3-8b:Q8_0", "--on", "cpu 8GB")
    assert "does not fit" in ran.out.splitlines()[0]
    assert "\n=>  build " in ran.out
    assert "cheapest that is enough: build " in ran.out


def test_every_figure_has_its_source_and_date(launchpad):
    ran = launchpad("explain", "gpt-oss-20b", "--on", "RTX 4090")
    for text in (
        "self-reported, 2025-08-05, ",
        "independent, 2026-07-31,",
        "GPQA Diamond 68.8",
        "evidence: ",
    ):
        assert text in " ".join(ran.out.split())


def test_what_is_not_known_is_said(launchpad):
    ran = launchpad("explain", "hf://nobody/nothing:Q4_K_M", "--on", "RTX 4090")
    assert ran.code in (0, 4), ran.err
    if ran.code == 0:
        assert "not known" in ran.out
        assert "not yet rated" in ran.out


@pytest.mark.engine  # for the model: no engine is started
def test_a_file_on_this_machine(launchpad, smollm2):
    ran = launchpad("explain", str(smollm2))
    assert ran.code == 0, ran.err
    assert "license: license unknown" not in ran.out
    assert "license: unknown" in ran.out
    weights = next(line for line in ran.out.splitlines() if line.startswith("weights"))
    assert weights.split()[1:] == ["92", "exact"]


def test_when_nothing_can_be_picked_it_is_an_error(launchpad):
    ran = launchpad("explain", "auto", "--on", "cpu 8GB", "--require-gpu")
    assert ran.code == 3
    assert ran.out == ""
    assert ran.err.startswith("error: ")

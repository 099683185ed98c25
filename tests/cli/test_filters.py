"""Each filter on each command that chooses: it holds, and what it cannot match is an error."""

from __future__ import annotations

import pytest

HERE = {
    "recommend": ("recommend", "--on", "RTX 4090"),
    "plan": ("plan", "--on", "RTX 4090"),
    "models": ("models",),
    "run": ("run", "--dry-run", "--offline"),
}


def chosen(document):
    """Every model that a document names as a choice."""
    if "models" in document:
        return [(model, model["builds"]) for model in document["models"]]
    choice = document["choice"]
    return [(choice[n]["model"], [choice[n]["build"]]) for n in ("pick", "faster", "better") if choice.get(n)]


FILTERS = {
    "license-class": (("--license", "osi"), lambda m, b: m["license"]["kind"] == "osi"),
    "license-id": (("--license", "mit"), lambda m, b: m["license"]["id"] == "mit"),
    "country": (("--country", "us,FR"), lambda m, b: m["country"] in ("US", "FR")),
    "not-country": (("--not-country", "CN"), lambda m, b: m["country"] != "CN"),
    "lab": (("--lab", "google"), lambda m, b: m["lab_id"] == "google"),
    "needs": (("--needs", "tools,vision"), lambda m, b: m["capabilities"]["vision"]),
    "purpose": (("--purpose", "vision"), lambda m, b: m["capabilities"]["vision"]),
}


@pytest.mark.parametrize("command", ["recommend", "plan", "models"])
@pytest.mark.parametrize("name", FILTERS)
def test_filters_hold(launchpad, command, name):
    flags, holds = FILTERS[name]
    ran = launchpad(*HERE[command], *flags, "--json")
    assert ran.code == 0, ran.err
    found = chosen(ran.document)
    assert found
    assert all(holds(model, builds) for model, builds in found)


@pytest.mark.parametrize("command", ["recommend", "plan"])
def test_speed_and_download_limit_the_pick(launchpad, command):
    fast = launchpad(*HERE[command], "--min-speed", "90", "--json").document["choice"]["pick"]
    assert fast["fit"]["speed"]["decode"]["value"] >= 90
    small = launchpad(*HERE[command], "--max-download", "5GB", "--json").document["choice"]["pick"]
    assert small["build"]["size"] <= 5e9


def test_models_by_download(launchpad):
    small = launchpad("models", "--max-download", "500MB", "--json").document["models"]
    assert small
    assert all(min(b["size"] for b in model["builds"] if b.get("size")) <= 5e8 for model in small)


@pytest.mark.parametrize("command", HERE)
@pytest.mark.parametrize(
    "flags", [("--license", "apche-2.0"), ("--country", "ZZ"), ("--lab", "gogle"), ("--needs", "flying")]
)
def test_what_cannot_match_is_an_error(launchpad, command, flags):
    ran = launchpad(*HERE[command], *flags)
    assert ran.code == 2
    assert flags[1] in ran.err
    assert ran.out == ""


def test_a_named_model_against_its_own_filter(launchpad):
    ran = launchpad("plan", "qwen3-8b", "--license", "mit", "--on", "RTX 4090")
    assert ran.code == 3
    assert "your own filters" in ran.err


@pytest.mark.parametrize("command", ["recommend", "plan", "models"])
def test_a_policy_is_kept(launchpad, tmp_path, command):
    policy = tmp_path / "company.toml"
    policy.write_text('[allow]\nlicenses = ["osi"]\n[deny]\ncountries = ["CN"]\n', encoding="utf-8")
    ran = launchpad(*HERE[command], "--policy", str(policy), "--json")
    assert ran.code == 0, ran.err
    assert all(m["country"] != "CN" and m["license"]["kind"] == "osi" for m, _ in chosen(ran.document))


@pytest.mark.parametrize("command", ["plan", "run", "pull", "fit"])
def test_a_named_model_that_the_policy_forbids_is_refused(launchpad, private_home, command):
    folder = private_home / "launchpad" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.toml").write_text('[deny]\ncountries = ["CN"]\n', encoding="utf-8")
    ran = launchpad(command, "qwen3-8b", *(["hi"] if command == "run" else []))
    assert ran.code == 7
    assert "deny.countries" in ran.err
    assert "line 2" in ran.err


def test_a_forbidden_source_is_not_asked(launchpad, tmp_path):
    policy = tmp_path / "p.toml"
    policy.write_text('[deny]\nsources = ["hf"]\n', encoding="utf-8")
    ran = launchpad("run", "hf://some/repository:Q4_0", "hi", "--policy", str(policy))
    assert ran.code == 7
    assert "hf://" in ran.err


def test_a_project_cannot_set_the_policy(launchpad, tmp_path):
    (tmp_path / "launchpad.toml").write_text('[run]\npolicy = "mine.toml"\n', encoding="utf-8")
    ran = launchpad("recommend", "--on", "RTX 4090")
    assert ran.code == 2
    assert "run.policy" in ran.err


@pytest.mark.parametrize("text", ["unsIoth/Qwen3-8B-GGUF:Q4_K_M", "hf://bartowskii/x-GGUF", "qw\u0435n3-8b"])
def test_a_lookalike_is_refused_before_anything_is_asked(launchpad, text):
    ran = launchpad("run", text, "hi")
    assert ran.code == 7
    assert "look" in ran.err
    assert "reached" not in ran.err

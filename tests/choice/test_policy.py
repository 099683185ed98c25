"""What a policy allows: deny before allow, unknown is not allowed, a rule that is not understood is an error."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories import build, model
from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import License
from launchpad.choice.policy import Policy, breach_of_source, enforce, permitted, read_policy
from launchpad.config import Config, RunConfig
from launchpad.config import file as config_file
from launchpad.config.policy_file import load_policy
from launchpad.errors import ConfigError, RefusedError

MODELS = load_packaged()[1]


def policy(text: str) -> Policy:
    return read_policy(tomllib.loads(text), "policy.toml", partial(config_file.line_of, text))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ('[allow]\nlicenses = ["osi"]', True),
        ('[allow]\nlicenses = ["MIT"]', False),
        ('[deny]\nlicenses = ["apache-2.0"]', False),
        ('[allow]\ncountries = ["fr"]', True),
        ('[deny]\ncountries = ["FR"]', False),
        ('[allow]\nlabs = ["other"]', False),
        ('[deny]\nlabs = ["la"]', True),
        ('[deny]\nmodels = ["some-*"]', False),
        ('[deny]\nmodels = ["Org/Some-8B"]', False),
        ('[allow]\nmodels = ["nickname"]', True),
        ('[allow]\nsources = ["hf://"]', True),
        ('[deny]\nsources = ["hf"]', False),
        ('[allow]\nformats = ["safetensors"]', False),
        ("[allow]\nlabs = []", False),
        ("", True),
        ('[allow]\nlabs = ["lab"]\n[deny]\nlabs = ["lab"]', False),
    ],
)
def test_rules(rule: str, kept: bool) -> None:
    one = model("some-8b", builds=(build("some-8b"),), aliases=("nickname",), hf_repo="org/some-8b")
    allowed, dropped = permitted(policy(rule), [one])
    assert bool(allowed) is kept
    assert bool(dropped) is not kept


@pytest.mark.parametrize("kind", ["licenses", "countries"])
def test_what_is_not_known_is_not_allowed(kind: str) -> None:
    unknown = model("m", license=License(), country=None)
    assert permitted(policy(f'[allow]\n{kind} = ["osi", "FR"]'), [unknown])[0] == []
    assert permitted(policy(f'[deny]\n{kind} = ["gemma", "FR"]'), [unknown])[0] == [unknown]


def test_a_forbidden_build_leaves_the_others() -> None:
    one = model("m", builds=(build("m"), build("m", scheme="ollama")))
    kept, _ = permitted(policy('[deny]\nsources = ["ollama"]'), [one])
    assert [found.scheme for found in kept[0].builds] == ["hf"]


def test_a_named_model_is_refused_with_the_rule_and_its_line() -> None:
    rules = policy('# ours\n[allow]\nlicenses = ["any"]\n\n[deny]\ncountries = ["FR"]\n')
    with pytest.raises(RefusedError) as caught:
        enforce(rules, [model("m")])
    assert caught.value.exit_code == 7
    assert caught.value.why == "The rule is deny.countries (policy.toml, line 6)."


def test_sources_by_scheme() -> None:
    assert breach_of_source(policy('[allow]\nsources = ["file"]'), "hf") is not None
    assert breach_of_source(policy('[allow]\nsources = ["file"]'), "file") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[allow]\nlicences = ["osi"]', "allow.licences"),
        ('[forbid]\nlabs = ["x"]', "forbid"),
        ('deny = ["x"]', "not a table"),
        ('[allow]\nlabs = "x"', "no policy"),
    ],
)
def test_a_rule_that_is_not_understood_is_an_error(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        policy(text)


def test_a_named_file_must_be_there_and_the_usual_one_need_not(private_home: Path, tmp_path: Path) -> None:
    assert load_policy(Config()) is None
    with pytest.raises(ConfigError, match="no policy file"):
        load_policy(Config(run=RunConfig(policy=str(tmp_path / "none.toml"))))
    named = tmp_path / "p.toml"
    named.write_text('[deny]\nlabs = ["x"]\n', encoding="utf-8")
    found = load_policy(Config(run=RunConfig(policy=str(named))))
    assert found is not None
    assert found.deny.labs == ("x",)


names = st.lists(
    st.sampled_from(["osi", "mit", "CN", "US", "qwen*", "alibaba", "hf", "gguf", "x"]), max_size=3
)


@given(
    st.dictionaries(
        st.sampled_from(["licenses", "countries", "labs", "models", "sources", "formats"]), names
    ),
    st.sampled_from(["licenses", "countries", "labs", "models", "sources", "formats"]),
    names,
)
def test_a_further_denial_never_allows_more(denied: dict[str, list[str]], kind: str, more: list[str]) -> None:
    def line(_: str) -> int:
        return 1

    loose = read_policy({"deny": denied}, "p", line)
    strict = read_policy({"deny": {**denied, kind: denied.get(kind, []) + more}}, "p", line)
    sample = MODELS[::20]
    assert {m.id for m in permitted(strict, sample)[0]} <= {m.id for m in permitted(loose, sample)[0]}

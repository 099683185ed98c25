"""Selection by wish: what is not known is not allowed, and every dropped model has its reason."""

from __future__ import annotations

import pytest

from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Capabilities, License, Model
from launchpad.catalog.select import allows, required, select
from launchpad.errors import UsageError
from launchpad.wish import Wish

MODELS = load_packaged()[1]


def model(**fields: object) -> Model:
    return Model(**{"id": "m", "name": "M", "lab": "Lab", "lab_id": "lab", **fields})  # type: ignore[arg-type]


def reason(entry: Model, wish: Wish) -> str | None:
    dropped = select([entry], wish).dropped
    return dropped[0].reason if dropped else None


def test_no_demand_keeps_everything_in_order() -> None:
    assert select(MODELS, Wish()).kept == tuple(MODELS)


def test_kept_and_dropped_are_all() -> None:
    selection = select(MODELS, Wish(licenses=("osi",), not_countries=("cn",), needs=("tools",)))
    assert len(selection.kept) + len(selection.dropped) == len(MODELS)
    assert all(entry.license.kind == "osi" and entry.country != "CN" for entry in selection.kept)
    assert all(entry.capabilities.tools for entry in selection.kept)
    assert all(dropped.reason and "\n" not in dropped.reason for dropped in selection.dropped)


@pytest.mark.parametrize(
    ("terms", "wanted", "allowed"),
    [
        (License(id="apache-2.0", spdx="Apache-2.0", kind="osi"), "osi", True),
        (License(id="apache-2.0", spdx="Apache-2.0", kind="osi"), "Apache-2.0", True),
        (License(id="apache-2.0", kind="osi"), "mit", False),
        (License(id="x", kind="permissive"), "osi", False),
        (License(id="x", kind="permissive"), "permissive", True),
        (
            License(id="lfm1.0", kind="conditions", commercial="yes, below USD 10M yearly revenue"),
            "commercial",
            True,
        ),
        (License(id="x", kind="conditions", commercial="internal use yes"), "commercial", False),
        (License(id="cc-by-nc-4.0", kind="noncommercial", commercial="no"), "commercial", False),
        (License(id="cc-by-nc-4.0", kind="noncommercial", commercial="no"), "any", True),
        (License(), "osi", False),
        (License(), "commercial", False),
    ],
)
def test_licenses(terms: License, wanted: str, allowed: bool) -> None:
    assert allows(terms, wanted) is allowed


def test_an_unknown_license_or_capability_is_dropped_as_not_known() -> None:
    assert reason(model(), Wish(licenses=("commercial",))) == "license: not known"
    assert reason(model(), Wish(needs=("tools",))) == "tools: not known"
    assert reason(model(capabilities=Capabilities(tools=False)), Wish(needs=("tools",))) == "tools: no"
    assert reason(model(), Wish(countries=("us",))) == "its lab's country is not known"
    assert reason(model(), Wish(not_countries=("cn",))) == "its lab's country is not known"


def test_countries_and_labs() -> None:
    swiss = model(country="CH")
    assert reason(swiss, Wish(countries=("ch", "us"))) is None
    assert reason(swiss, Wish(not_countries=("ch",))) == "its lab's country is CH"
    assert reason(swiss, Wish(labs=("LAB",))) is None
    assert reason(swiss, Wish(labs=("other",))) == "made by Lab"


def test_thinking_can_be_demanded_and_excluded() -> None:
    always = model(capabilities=Capabilities(thinking="always, with effort levels"))
    switchable = model(capabilities=Capabilities(thinking="switchable"))
    never = model(capabilities=Capabilities(thinking="none"))
    assert [reason(m, Wish(needs=("thinking",))) for m in (always, switchable)] == [None, None]
    assert reason(never, Wish(needs=("thinking",))) == "thinking: no"
    assert reason(always, Wish(needs=("no-thinking",))) == "no-thinking: no"
    assert [reason(m, Wish(needs=("no-thinking",))) for m in (switchable, never)] == [None, None]


def test_purposes_imply_needs() -> None:
    assert required(Wish(purpose="vision", needs=("TOOLS",))) == ("tools", "vision")
    assert required(Wish(purpose="code")) == ()


def test_an_unknown_need_is_an_error() -> None:
    with pytest.raises(UsageError, match="telepathy"):
        select(MODELS, Wish(needs=("telepathy",)))

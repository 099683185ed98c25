"""Filters that cannot match anything are mistakes, and say so."""

from __future__ import annotations

import pytest

from launchpad.catalog.filters import check_filters
from launchpad.catalog.load import labs, load_packaged
from launchpad.errors import LaunchpadError, UnknownModel, UsageError
from launchpad.wish import Wish

MODELS = load_packaged()[1]


def complaint(wish: Wish) -> LaunchpadError | None:
    try:
        check_filters(wish, MODELS, labs())
    except LaunchpadError as error:
        return error
    return None


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(licenses=("osi", "commercial", "apache-2.0", "Apache-2.0", "any")),
        Wish(countries=("US", "fr"), not_countries=("CN",)),
        Wish(labs=("mistral", "Z.ai", "alibaba")),
    ],
)
def test_what_exists_is_accepted(wish: Wish) -> None:
    assert complaint(wish) is None


@pytest.mark.parametrize(
    ("wish", "hint"),
    [
        (Wish(licenses=("apche-2.0",)), "Did you mean apache-2.0?"),
        (Wish(licenses=("comercial",)), "Did you mean commercial?"),
        (Wish(licenses=("wtfpl-9",)), "Use one of these, or leave it out."),
        (Wish(countries=("XX",)), "Use one of these, or leave it out."),
        (Wish(not_countries=("CHN",)), "Did you mean CN?"),
        (Wish(labs=("mistrl",)), "Did you mean mistral?"),
        (Wish(labs=("qwertz",)), "Use one of these, or leave it out."),
    ],
)
def test_what_nobody_has_is_an_error_with_the_list(wish: Wish, hint: str) -> None:
    error = complaint(wish)
    assert isinstance(error, UsageError)
    assert error.hint == hint
    assert error.why is not None
    assert ", " in error.why


def test_a_lab_without_open_weights_is_not_called_unknown() -> None:
    error = complaint(Wish(labs=("anthropic",)))
    assert isinstance(error, UnknownModel)
    assert "no open weights" in error.what

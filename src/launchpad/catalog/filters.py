"""Filters that cannot match anything are mistakes: PURE. An unknown name is an error with a proposal, not an empty list."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from typing import NoReturn

from msgspec import Struct

from launchpad.catalog.model import Model
from launchpad.catalog.select import LICENSE_CLASSES, is_lab
from launchpad.errors import UnknownModel, UsageError
from launchpad.wish import Wish

_SHOWN = 60  # names listed in an error


class Lab(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A maker of models; `open_weights` is False for labs that publish none, kept so that a search finds the answer."""

    id: str
    name: str
    country: str | None = None  # ISO 3166 alpha-2
    open_weights: bool = True
    remark: str | None = None


def check_filters(wish: Wish, models: Iterable[Model], labs: Sequence[Lab]) -> None:
    """Raise `UsageError` for a license, country or lab that nobody has, `UnknownModel` for labs without open weights."""
    if not (wish.licenses or wish.countries or wish.not_countries or wish.labs):
        return
    every = list(models)
    if wish.licenses:
        _check_licenses(wish.licenses, every)
    if wish.countries or wish.not_countries:
        known = {model.country.upper() for model in every if model.country}
        _check("country", "lab", "Countries are", wish.countries, known)
        # A country whose labs publish nothing can be refused: that is no mistake.
        _check("country", "lab", "Countries are", wish.not_countries, known | _countries(labs))
    for wanted in wish.labs:
        _check_lab(wanted, every, labs)


def _countries(labs: Iterable[Lab]) -> set[str]:
    return {lab.country.upper() for lab in labs if lab.country}


def _check_licenses(wanted: Iterable[str], models: Iterable[Model]) -> None:
    known = {name for model in models for name in (model.license.id, model.license.spdx) if name}
    folded = {name.lower() for name in known}
    _check(
        "license", "model", f"Classes are {', '.join(LICENSE_CLASSES)}; ids", wanted, folded, LICENSE_CLASSES
    )


def _check(
    what: str,
    owner: str,
    lead: str,
    wanted: Iterable[str],
    known: Collection[str],
    classes: Collection[str] = (),
) -> None:
    everything = {name.lower(): name for name in (*classes, *known)}
    for name in wanted:
        if name.lower() not in everything:
            near = difflib.get_close_matches(name.lower(), everything, n=1, cutoff=0.5)
            _unknown(
                f"No {owner} of the catalogs has the {what} '{name}'.",
                f"{lead} {_listed(sorted(known))}.",
                everything[near[0]] if near else None,
            )


def _check_lab(wanted: str, models: Sequence[Model], labs: Sequence[Lab]) -> None:
    if any(is_lab(model, (wanted,)) for model in models):
        return
    closed = [lab for lab in labs if not lab.open_weights]
    for lab in closed:
        if wanted.lower() in (lab.id.lower(), lab.name.lower()):
            raise UnknownModel(
                f"{lab.name} has published no open weights.",
                why=lab.remark,
                hint="Leave --lab out, or name another: `launchpad models` shows the labs.",
            )
    names = {model.lab_id: model.lab_id for model in models}
    names |= {model.lab.lower(): model.lab_id for model in models} | {lab.id: lab.id for lab in closed}
    near = difflib.get_close_matches(wanted.lower(), names, n=1, cutoff=0.5)
    _unknown(
        f"No lab of the catalogs is called '{wanted}'.",
        f"Labs are {_listed(sorted({model.lab_id for model in models}))}.",
        names[near[0]] if near else None,
    )


def _unknown(what: str, why: str, near: str | None) -> NoReturn:
    raise UsageError(
        what, why=why, hint=f"Did you mean {near}?" if near else "Use one of these, or leave it out."
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

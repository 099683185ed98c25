"""`launchpad models`: what the catalogs know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import click

from launchpad.choice.ordering import in_order
from launchpad.cli.app import App
from launchpad.cli.options import json_option, make_wish, wish_options
from launchpad.cli.render import count, license_text, score, tokens
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.catalog.model import Model

SPARE = (
    "name",
    "lab",
    "license",
    "released",
    "context",
    "parameters",
)  # shed in this order on a narrow terminal


@click.command(cls=Command)
@click.argument("text", required=False)
@wish_options
@click.option(
    "-n", "--count", "most", type=click.IntRange(min=0), default=1000, help="How many to list; 0 for all."
)
@json_option
@click.pass_obj
def models(app: App, text: str | None, wishes: dict[str, Any], most: int) -> None:
    """List the models of the catalogs, best first; TEXT filters by name, lab or id.

    \b
    launchpad models
    launchpad models coder --license osi
    launchpad models --lab qwen --purpose vision
    """
    from launchpad.decide import list_models

    wish = make_wish(app, wishes)
    found, dropped = list_models(app.host, app.config, wish)
    kept = _best_first([model for model in found if text is None or _matches(model, text)], wish.purpose)
    if app.output.json_mode:
        from launchpad.cli.documents import ModelList

        app.output.data(ModelList(models=tuple(kept), dropped=dropped))
        return
    if not kept:
        _nothing(text, dropped)
    row = _row_of(wish.purpose)
    rows = [row(model) for model in kept[: most or None]]
    headers = ["id", "name", "lab", "parameters", "quality", "context", "released", "license"]
    app.output.table(headers, rows, right=(3, 4, 5), spare=SPARE)
    if any(model.quality and model.quality.thin for model in kept[: len(rows)]):
        app.output.note("~ rests on few results: `launchpad explain MODEL` cites them")
    if len(rows) < len(kept):
        app.output.note(f"{len(kept) - len(rows):,} more: see --count, or name what you look for")


def _matches(model: Model, text: str) -> bool:
    wanted = text.lower().split()
    hay = f"{model.id} {model.name} {model.lab} {model.family or ''}".lower()
    return all(word in hay for word in wanted)


def _best_first(models: Sequence[Model], purpose: str) -> list[Model]:
    """By quality, those that are not rated at the end; equals by size, then by id."""
    keys = [-model.quality.of(purpose) if model.quality else 1.0 for model in models]
    return [models[i] for i in in_order(keys, lambda i: (models[i].parameters or 0.0, models[i].id))]


def _row_of(purpose: str) -> Callable[[Model], Sequence[str]]:
    """What makes a row of a model. Values that many models share are put into words once."""
    quality, size, context = cache(score), cache(_parameters), cache(tokens)
    terms, lab = cache(license_text), cache("{} ({})".format)

    def row(model: Model) -> Sequence[str]:
        return (
            model.id,
            model.name,
            lab(model.lab, model.country or "?"),
            size(model.parameters, model.parameters_active),
            quality(model.quality.of(purpose) if model.quality else None)
            + ("~" if model.quality and model.quality.thin else ""),
            context(model.context),
            model.released or "?",
            terms(model.license),
        )

    return row


def _parameters(parameters: float | None, active: float | None) -> str:
    if parameters is None:
        return "?"
    total = count(parameters)
    return total if active is None or active == parameters else f"{total} ({count(active)} active)"


def _nothing(text: str | None, dropped: Mapping[str, str]) -> NoReturn:
    """Say why the list is empty: a lab without open weights is not "not found"."""
    from launchpad.catalog.load import labs
    from launchpad.errors import UnknownModel

    for lab in labs():
        if not lab.open_weights and (text or "").lower() in (lab.id, lab.name.lower()):
            raise UnknownModel(f"{lab.name} has published no open weights.", why=lab.remark)
    reason = next(iter(dropped.values()), None)
    raise UnknownModel(
        "No model of the catalogs matches.",
        why=f"The filters rule out {len(dropped)}, the first one because: {reason}." if reason else None,
        hint="`launchpad models` without filters lists them all.",
    )

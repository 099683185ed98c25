"""`launchpad models`: what the catalogs know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option, make_wish, wish_options
from launchpad.cli.render import count, license_text, score, tokens

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


@click.command()
@click.argument("text", required=False)
@wish_options
@json_option
@click.pass_obj
def models(app: App, text: str | None, wishes: dict[str, Any]) -> None:
    """List the models of the catalogs, best first; TEXT filters by name, lab or id."""
    from launchpad.catalog.merge import models_of
    from launchpad.catalog.select import select

    wish = make_wish(app, wishes)
    every = models_of(app.host.catalogs())
    selection = select(every, wish)
    kept = [model for model in selection.kept if text is None or _matches(model, text)]
    kept.sort(key=_order)
    if app.output.json_mode:
        from launchpad.cli.documents import ModelList

        app.output.data(
            ModelList(models=tuple(kept), dropped={x.model_id: x.reason for x in selection.dropped})
        )
        return
    if not kept:
        _nothing(app, text, wish.labs)
    rows = [
        [
            model.id,
            model.name,
            f"{model.lab} ({model.country or '?'})",
            _parameters(model),
            score(model.quality.value if model.quality else None),
            tokens(model.context),
            model.released or "?",
            license_text(model.license),
        ]
        for model in kept
    ]
    headers = ["id", "name", "lab", "parameters", "quality", "context", "released", "license"]
    app.output.table(headers, rows, right=(3, 4, 5), spare=SPARE)


def _matches(model: Model, text: str) -> bool:
    wanted = text.lower().split()
    hay = f"{model.id} {model.name} {model.lab} {model.family or ''}".lower()
    return all(word in hay for word in wanted)


def _order(model: Model) -> tuple[float, float, str]:
    return (-(model.quality.value if model.quality else -1.0), model.parameters or 0.0, model.id)


def _parameters(model: Model) -> str:
    if model.parameters is None:
        return "?"
    total = count(model.parameters)
    active = model.parameters_active
    return total if active is None or active == model.parameters else f"{total} ({count(active)} active)"


def _nothing(app: App, text: str | None, labs: tuple[str, ...]) -> None:
    """Say why the list is empty: a lab without open weights is not "not found"."""
    from launchpad.catalog.load import labs as all_labs
    from launchpad.errors import UnknownModel

    for lab in all_labs():
        if not lab.open_weights and any(
            word in (lab.id, lab.name.lower()) for word in (*labs, (text or "").lower())
        ):
            raise UnknownModel(f"{lab.name} has published no open weights.", why=lab.remark)
    raise UnknownModel("No model of the catalogs matches.", hint="`launchpad models` lists them all.")

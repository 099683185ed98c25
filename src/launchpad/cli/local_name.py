"""Which model on this machine a word on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.errors import UnknownModel, UsageError

if TYPE_CHECKING:
    from launchpad.catalog.model import Build, LocalModel, Model
    from launchpad.cli.app import App


def find_local(app: App, text: str) -> LocalModel:
    """The one model that `text` names: a reference, a path or a part of one, or a name of the catalogs."""
    from launchpad.survey import local_models

    every = local_models(app.host)
    files = {x.ref for x in every if x.format != "ollama"}
    found = [x for x in every if x.format != "ollama" or x.ref not in files]
    wanted = text.lower()
    if not wanted:
        raise UsageError(
            "'' names no model.", why="It is empty.", hint="`launchpad list` shows what is here."
        )
    exact = [x for x in found if wanted in (x.ref.lower(), x.path.lower())]
    matches = exact or _by_catalog(app, text, found) or [x for x in found if wanted in x.ref.lower()]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(sorted(x.ref for x in matches))
        raise UnknownModel(
            f"{text!r} names more than one model.", why=names, hint="Give the whole reference."
        )
    raise UnknownModel(f"{text!r} is not on this machine.", hint="`launchpad list` shows what is.")


def _by_catalog(app: App, text: str, local: list[LocalModel]) -> list[LocalModel]:
    """The models here that are builds of the one that the catalogs call so."""
    from launchpad.catalog.find import allowed_builds, find
    from launchpad.catalog.merge import models_of
    from launchpad.catalog.reference import parse

    models = models_of(app.host.catalogs())
    try:
        reference = parse(text)
        named = find(reference, models)
        builds = allowed_builds(reference, named[0]) if len(named) == 1 else ()
    except UsageError:
        return []
    here = on_this_machine(models, local)
    refs = {build.ref for build in builds}
    found = {x.path: x for ref, (x, _, _) in here.items() if ref in refs}
    return list(found.values())


def on_this_machine(
    models: tuple[Model, ...], local: list[LocalModel]
) -> dict[str, tuple[LocalModel, Model, Build]]:
    """By `Build.ref`: every build of the catalogs that is here, with its model."""
    from launchpad.choice.found import found_builds
    from launchpad.survey import local_key

    by_key = {local_key(x.ref, x.format): x for x in reversed(local)}
    same = found_builds(models, local)
    return {
        build.ref: (here, model, build)
        for model in models
        for build in model.builds
        if (here := by_key.get(local_key(build.ref, build.format)) or same.get(build.ref))
    }

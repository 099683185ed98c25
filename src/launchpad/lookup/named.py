"""Models that the user names: in a catalog, at a source that no catalog lists, or a file on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.find import allowed_builds, find, resolve_model, unlisted_build
from launchpad.catalog.model import Build, Format, LocalModel, Model
from launchpad.catalog.reference import Reference, parse
from launchpad.errors import BadModelFile, SourceUnreachable, UnknownModel, UsageError
from launchpad.fit.layout import Layout

if TYPE_CHECKING:
    from launchpad.lookup.model_facts import ModelFacts
    from launchpad.plugins.host import Host
    from launchpad.survey import Survey
    from launchpad.wish import Wish


class Named(Struct, frozen=True, kw_only=True):
    """The models that a name means, with only the builds that it allows.

    `local` are files found on the way; `layouts`, by `Build.ref`, what headers said that were read on the way.
    """

    models: tuple[Model, ...]
    local: Mapping[str, LocalModel] = {}
    layouts: Mapping[str, Layout] = {}


def is_auto(text: str | None) -> bool:
    """Whether launchpad is to choose."""
    return text is None or parse(text).kind == "auto"


def named_models(text: str, seen: Survey, host: Host, *, connect: bool, to_run: bool = True) -> Named:
    """What `text` names. With `connect`, a place is looked up at its source, down to the headers of its files.

    A description (a .json file) has no weights, and is refused where they are `to_run`.
    Raises `UnknownModel`, `UsageError` when the name is ambiguous or malformed, or what the source raises.
    """
    reference = parse(text)
    if reference.kind == "path":
        return named_path(Path(reference.location).expanduser().absolute(), to_run=to_run)
    if reference.kind == "place":
        return _place(reference, seen, host, connect=connect)
    return _listed(reference, seen)


def _listed(reference: Reference, seen: Survey) -> Named:
    model, build = resolve_model(reference.text, seen.models)
    builds = (build,) if build is not None else allowed_builds(reference, model)
    return Named(models=(replace(model, builds=builds),))


def called(text: str, models: Sequence[Model]) -> set[str]:
    """What an engine of what `text` names is called in lists; nothing where it names nothing. Makes no connection."""
    try:
        reference = parse(text)
        if reference.kind == "path":
            found: Sequence[Model] = named_path(Path(reference.location).expanduser().absolute()).models
        elif not (found := find(reference, models)) and reference.kind == "place":
            found = [_unlisted(reference, "", ())]
    except (UsageError, UnknownModel, BadModelFile, OSError):
        return set()
    return {model.name for model in found}


def named_path(path: Path, *, to_run: bool = True) -> Named:
    """A file of the user's, or a folder. Raises `UnknownModel`, `UsageError`, `BadModelFile`."""
    if not path.exists():
        raise UnknownModel(
            f"There is no model file at {path}.",
            hint="Check the path; a reference looks like hf://org/repo:QUANT.",
        )
    if path.suffix.lower() == ".json":
        return _description(path, to_run=to_run)
    return _file(path)


def _description(path: Path, *, to_run: bool) -> Named:
    """A model that a JSON file describes: enough to compute with, nothing to run."""
    from launchpad.catalog.facts import LONGEST_FACTS, described

    if to_run:
        raise UsageError(
            f"{path.name} describes a model, and holds no weights.",
            hint=f"`launchpad fit {path.name}` tells what it would need.",
        )
    with path.open("rb") as file:
        return Named(models=(described(file.read(LONGEST_FACTS + 1), path.as_uri()),))


def _file(path: Path) -> Named:
    """A model that the user points at: what it says is its catalog entry. Raises `BadModelFile`."""
    from launchpad.lookup.model_file import describe

    facts = describe(path)
    is_gguf = path.is_file() and path.suffix.lower() != ".safetensors"
    folder = path if is_gguf or path.is_dir() else path.parent
    build = Build(
        ref=folder.as_uri(),
        format="gguf" if is_gguf else "safetensors",
        quantization=facts.quantization or "unknown",
        size=facts.size,
        size_exact=True,
    )
    model = Model(id=folder.stem, name=folder.stem, lab="a file of yours", lab_id="file", builds=(build,))
    eyes = _projector(path) if is_gguf else None
    local = LocalModel(
        ref=build.ref, path=str(folder), size=facts.size, format=build.format, owner="user",
        projector=str(eyes) if eyes else None,
    )  # fmt: skip
    return Named(
        models=(_informed(model, facts),),
        local={build.ref: local},
        layouts={build.ref: _seeing(facts.layout, eyes)} if facts.layout else {},
    )


def _projector(path: Path) -> Path | None:
    """The vision projector that lies beside a model's file."""
    from launchpad.pull.gguf_names import projector_beside

    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        return None
    found = projector_beside(path.name, names)
    return path.parent / found if found else None


def _seeing(layout: Layout, projector: Path | None) -> Layout:
    """The layout with what the projector takes. A bad one is refused by name before the engine starts."""
    from launchpad.lookup.model_file import read_projector

    try:
        return replace(layout, projector=read_projector(projector)) if projector else layout
    except (BadModelFile, OSError):
        return layout


def _place(reference: Reference, seen: Survey, host: Host, *, connect: bool) -> Named:
    """A place at a source. What a catalog says of it stands where the source cannot be asked."""
    from launchpad.lookup.place import look_up

    listed = _listed(reference, seen) if find(reference, seen.models) else None
    if listed and (not connect or _is_here(listed, seen)):
        return listed
    try:
        source = host.source(reference.scheme or "")
        if listed is None and (here := _at_hand(reference, seen)):
            return Named(models=(_unlisted(reference, source.name, here),))
        if not connect:
            return Named(models=(_unlisted(reference, source.name, (unlisted_build(reference),)),))
        found = look_up(reference, source, _known(listed, seen))
    except (SourceUnreachable, UnknownModel):
        if listed is None:
            raise
        return listed
    model = listed.models[0] if listed else _unlisted(reference, source.name, ())
    if found.facts:
        model = _informed(model, found.facts)
    return Named(models=(replace(model, builds=found.builds),), layouts=found.layouts)


def _at_hand(reference: Reference, seen: Survey) -> tuple[Build, ...]:
    """The builds of a place that no catalog lists and that lie on this machine: nobody need be asked about them."""
    from launchpad.survey import local_key

    build = unlisted_build(reference)
    ref = f"{build.ref}:latest" if build.format == "ollama" and not reference.quantization else build.ref
    found = []
    forms: tuple[Format, ...] = (build.format, "gguf" if build.format == "ollama" else "served")
    for form in forms:
        local = seen.local.get(local_key(ref, form))
        if local and (reference.revision is None or f"@{reference.revision}" in local.ref):
            quantization = local.quantization or build.quantization
            found.append(replace(build, ref=ref, format=form, quantization=quantization, size=local.size))
    return tuple(found)


def served_models(seen: Survey, wish: Wish) -> tuple[Model, ...]:
    """What the server lists that the wish names as its backend and that is not launchpad's."""
    refs = [
        local.ref for local in seen.local.values() if local.format == "served" and local.owner == wish.backend
    ]
    places = [parse(ref) for ref in refs]
    return tuple(_unlisted(place, wish.backend or "", _at_hand(place, seen)) for place in places)


def _known(listed: Named | None, seen: Survey) -> Build | None:
    """The one build that is meant, where a catalog lists it."""
    builds = listed.models[0].builds if listed else ()
    catalog = {
        build for model in seen.models if listed and model.id == listed.models[0].id for build in model.builds
    }
    return builds[0] if len(builds) == 1 and builds[0] in catalog else None


def _is_here(listed: Named, seen: Survey) -> bool:
    """Whether the one build that is meant lies on this machine: then its own file tells more than its source."""
    from launchpad.survey import local_key

    builds = listed.models[0].builds
    return len(builds) == 1 and local_key(builds[0].ref, builds[0].format) in seen.local


def _unlisted(reference: Reference, source: str, builds: tuple[Build, ...]) -> Model:
    """A model that no catalog lists: its name is all that is known."""
    lab, _, name = reference.location.partition("/")
    return Model(
        id=reference.canonical,
        name=name or lab,
        lab=lab if name else source,
        lab_id=(lab if name else source).lower(),
        builds=builds,
    )


def _informed(model: Model, facts: ModelFacts) -> Model:
    """The model with what its own header says, where nothing else said it."""
    if model.shape.layers:
        return model
    name = facts.name if facts.name and model.lab_id == "file" else model.name
    return replace(
        model,
        name=name,
        shape=facts.shape,
        parameters=model.parameters or facts.parameters,
        context=model.context or facts.context,
    )

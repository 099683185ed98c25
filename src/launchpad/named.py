"""Models that the user names: in a catalog, at a source that no catalog lists, or a file on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.find import allowed_builds, find, resolve_model, unlisted_build
from launchpad.catalog.model import Build, LocalModel, Model, Shape
from launchpad.catalog.reference import Reference, parse
from launchpad.errors import UnknownModel

if TYPE_CHECKING:
    from launchpad.plugins.host import Host
    from launchpad.survey import Survey


class Named(Struct, frozen=True, kw_only=True):
    """The models that a name means, with only the builds that it allows; `local` are files found on the way."""

    models: tuple[Model, ...]
    local: Mapping[str, LocalModel] = {}


def is_auto(text: str | None) -> bool:
    """Whether launchpad is to choose."""
    return text is None or parse(text).kind == "auto"


def named_models(text: str, seen: Survey, host: Host, *, connect: bool) -> Named:
    """What `text` names. With `connect`, a repository that no catalog lists is looked up at its source.

    Raises `UnknownModel`, or `UsageError` when the name is ambiguous or malformed.
    """
    reference = parse(text)
    if reference.kind == "path":
        return _file(Path(reference.location).expanduser())
    if reference.kind == "place" and not find(reference, seen.models):
        return _unlisted(reference, host, connect=connect)
    model, build = resolve_model(text, seen.models)
    builds = (build,) if build is not None else allowed_builds(reference, model)
    return Named(models=(replace(model, builds=builds),))


def _file(path: Path) -> Named:
    """A GGUF file that the user points at: its header is its catalog entry. Raises `BadModelFile` for others."""
    from launchpad.model_file import describe

    path = path.absolute()
    if not path.is_file():
        raise UnknownModel(
            f"There is no model file at {path}.",
            hint="Check the path; a reference looks like hf://org/repo:QUANT.",
        )
    known = describe(path)
    ref = path.as_uri()
    build = Build(ref=ref, format="gguf", quantization=known.quantization, size=known.size, size_exact=True)
    model = Model(
        id=path.stem,
        name=known.name or path.stem,
        lab="a file of yours",
        lab_id="file",
        parameters=known.parameters,
        context=known.context,
        shape=Shape(architecture=known.architecture),
        builds=(build,),
    )
    local = LocalModel(ref=ref, path=str(path), size=known.size, format="gguf", owner="user")
    return Named(models=(model,), local={ref: local})


def _unlisted(reference: Reference, host: Host, *, connect: bool) -> Named:
    """A build that no catalog lists. Its size is known once its source was asked."""
    build = unlisted_build(reference)
    source = host.source(reference.scheme or "")
    if connect:
        build = source.resolve(build).build
    lab, _, name = reference.location.partition("/")
    model = Model(
        id=reference.canonical,
        name=name or lab,
        lab=lab if name else source.name,
        lab_id=(lab if name else source.name).lower(),
        builds=(build,),
    )
    return Named(models=(model,))

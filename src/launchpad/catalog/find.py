"""Look a reference up in the catalogs: PURE. An ambiguous name is an error, never a guess."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from launchpad.catalog.model import Build, Format, Model
from launchpad.catalog.reference import Reference, parse
from launchpad.errors import UnknownModel, UsageError

_SHOWN = 8  # candidates listed in an error


def find(reference: Reference, models: Sequence[Model]) -> list[Model]:
    """All models that `reference` may mean: one when it is exact, several when it is a beginning, none if unknown.

    Case does not matter. "auto" and paths mean no model of a catalog.
    """
    if reference.kind in ("auto", "path"):
        return []
    if reference.kind == "place":
        return _by_place(reference, models)
    whole = reference.canonical.lower()
    name = reference.location.lower()
    return (
        [model for model in models if whole in _names(model)]
        or [model for model in models if name in _names(model)]
        or [model for model in models if any(_begins(own, whole) for own in _names(model))]
    )


def known(text: str, models: Callable[[], Sequence[Model]]) -> bool:
    """True for auto, a path, a place that is written with its scheme, and what `models` list. Raises as `parse`."""
    reference = parse(text)
    if reference.kind in ("auto", "path") or "://" in text:
        return True
    return bool(find(reference, models()))


def resolve_model(text: str, models: Sequence[Model]) -> tuple[Model, Build | None]:
    """The one model that `text` names, and the build if it names exactly one (else see `allowed_builds`).

    Raises `UsageError` when several match, `UnknownModel` when none does, and what `parse` raises.
    """
    reference = parse(text)
    found = find(reference, models)
    if len(found) > 1:
        raise UsageError(
            f"'{reference.text}' names {len(found)} models.",
            why=f"It could be {_listed(sorted(model.id for model in found))}.",
            hint="Type one of these names in full.",
        )
    if not found:
        raise _unknown(reference, models)
    builds = allowed_builds(reference, found[0])
    return found[0], builds[0] if len(builds) == 1 else None


def _names(model: Model) -> set[str]:
    return {model.id.lower(), *(alias.lower() for alias in model.aliases)}


def _begins(own: str, typed: str) -> bool:
    """Whether `typed` is a beginning of `own` that ends where a part of the name ends: qwen, qwen3, not qw."""
    following = own[len(typed) : len(typed) + 1]
    ends_part = following in ("-", ":", ".") or (following.isdigit() and typed[-1:].isalpha())
    return own.startswith(typed) and ends_part


def _by_place(reference: Reference, models: Sequence[Model]) -> list[Model]:
    own = [model for model in models if any(_at(build.ref, reference) for build in model.builds)]
    if own or reference.scheme != "hf":
        return own
    return [model for model in models if (model.hf_repo or "").lower() == reference.location.lower()]


def _at(ref: str, reference: Reference) -> bool:
    """Whether a build's canonical ref lies at the place. Ollama's tags are places, a repository's files are not."""
    head = f"{reference.scheme}://{reference.location}".lower()
    if reference.scheme == "ollama":
        return ref.lower() == f"{head}:{(reference.quantization or 'latest').lower()}"
    ref = ref.lower()
    return ref.startswith(head) and ref[len(head) : len(head) + 1] in ("", ":", "@", "/")


def allowed_builds(reference: Reference, model: Model) -> tuple[Build, ...]:
    """The builds of `model` that `reference` leaves open: all for a bare name, those of the repository for a place.

    A place may name a quantization, file or revision that the catalog does not list; the source will say whether it
    exists, so a build of unknown size stands for it. Raises `UsageError` for a name with an unknown quantization.
    """
    if reference.kind == "place":
        return _builds_at(reference, model)
    names = _names(model)
    wanted = reference.quantization
    if wanted is None or reference.canonical.lower() in names or reference.location.lower() not in names:
        return model.builds
    return (_of_quantization(wanted, model),)


def _builds_at(reference: Reference, model: Model) -> tuple[Build, ...]:
    here = tuple(build for build in model.builds if _at(build.ref, reference))
    if reference.scheme == "ollama":
        return here
    listed = tuple(build for build in here if _agrees(parse(build.ref), reference))
    if listed or not (reference.quantization or reference.file or reference.revision):
        return listed
    return (unlisted_build(reference),)


def _agrees(listed: Reference, wanted: Reference) -> bool:
    return (
        (wanted.quantization or listed.quantization or "").lower() == (listed.quantization or "").lower()
        and wanted.file in (None, listed.file)
        and wanted.revision in (None, listed.revision)
    )


def unlisted_build(reference: Reference) -> Build:
    """The build that a place means when no catalog lists it: nothing is known but what the reference says."""
    quantization = reference.quantization or "unknown"
    return Build(ref=reference.canonical, format=_form(reference), quantization=quantization)


def _form(reference: Reference) -> Format:
    if reference.scheme == "ollama":
        return "ollama"
    if reference.scheme in ("oci", "docker", "https", "http"):
        return "gguf"  # the only form in which they hold a model as one file
    is_gguf = reference.quantization is not None or (reference.file or "").lower().endswith(".gguf")
    return "gguf" if is_gguf else "safetensors"


def _of_quantization(wanted: str, model: Model) -> Build:
    offered = [build for build in model.builds if build.format != "ollama"]
    for build in offered:
        if build.quantization.lower() == wanted.lower():
            return build
    known = list(dict.fromkeys(build.quantization for build in offered))
    near = difflib.get_close_matches(wanted.upper(), known, n=1)
    raise UsageError(
        f"{model.id} has no build '{wanted}' in the catalog.",
        why=f"The catalog knows {_listed(known)}." if known else "The catalog knows no build of this model.",
        hint=f"Did you mean {model.id}:{near[0]}?" if near else f"Leave it out: launchpad run {model.id}",
    )


def _unknown(reference: Reference, models: Sequence[Model]) -> UnknownModel:
    near = close(reference.location, models)
    return UnknownModel(
        f"No catalog knows '{reference.text}'.",
        why=f"Names that come close: {_listed(near)}."
        if near
        else "Nothing in the catalog has a similar name.",
        hint=f"Did you mean {near[0]}?"
        if near
        else "To use one that is not in the catalog, name its repository: org/repo:QUANT.",
    )


def close(text: str, models: Sequence[Model], limit: int = 3) -> list[str]:
    """Ids of models whose id or alias resembles `text`, best first."""
    owners = {name: model.id for model in models for name in _names(model)}
    matches = difflib.get_close_matches(text.lower(), owners, n=4 * limit, cutoff=0.6)
    return list(dict.fromkeys(owners[match] for match in matches))[:limit]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

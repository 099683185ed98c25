"""The builds at a place that a model source owns, with what their own headers say. No weights are fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.find import unlisted_build
from launchpad.catalog.model import Build, ModelFile
from launchpad.catalog.reference import Reference
from launchpad.errors import BadModelFile
from launchpad.fit.layout import Layout
from launchpad.fit.rescale import rescaled
from launchpad.lookup.model_facts import ModelFacts
from launchpad.pull.gguf_names import quantization_of

if TYPE_CHECKING:
    from launchpad.plugins.guarded import GuardedSource

USUAL = "Q4_K_M"
SAMPLES = 3  # builds that are looked into before a repository is given up


class Place(Struct, frozen=True, kw_only=True):
    """What is at a place. `layouts` by `Build.ref`; `facts` are those of the file that was looked into."""

    builds: tuple[Build, ...]
    layouts: Mapping[str, Layout]
    facts: ModelFacts | None = None


def look_up(reference: Reference, source: GuardedSource, known: Build | None = None) -> Place:
    """The build that `reference` names, or all builds there are where it leaves that open.

    `known` is the build as a catalog lists it: what is pinned there must hold.
    Raises `PullError` when there is none, `BadModelFile` when no engine should be given it.
    """
    if reference.scheme == "ollama":
        return _tag(known or _wanted(reference), source)
    if reference.quantization or reference.file:
        return _one(known or _wanted(reference), source)
    builds = tuple(source.builds(reference.canonical))
    if len(builds) < 2:
        return _one(builds[0] if builds else unlisted_build(reference), source)
    return _several(builds, source)


def _wanted(reference: Reference) -> Build:
    """The build that a reference with a quantization or a file means."""
    build = unlisted_build(reference)
    if reference.file is None or reference.scheme not in ("hf", "modelscope"):
        return build
    quantization = reference.quantization or quantization_of(reference.file)
    place = replace(reference, file=None, quantization=quantization)
    files = (ModelFile(path=reference.file),) if build.format == "gguf" else ()
    return replace(build, ref=place.canonical, quantization=quantization or "unknown", files=files)


def _one(build: Build, source: GuardedSource) -> Place:
    from launchpad.lookup.remote_model import read_remote, read_remote_projector, with_sizes

    resolved = source.resolve(build)
    facts = read_remote(resolved)
    build = with_sizes(build, resolved)
    if facts is None:
        return Place(builds=(build,), layouts={})
    if build.size is None:
        build = replace(build, size=facts.size, size_exact=True)
    if facts.quantization and build.quantization in ("unknown", "original"):
        build = replace(build, quantization=facts.quantization)
    layout = facts.layout
    if layout and build.format == "gguf":
        layout = replace(layout, projector=read_remote_projector(resolved))
        facts = replace(facts, layout=layout)
    return Place(builds=(build,), layouts={build.ref: layout} if layout else {}, facts=facts)


def _tag(build: Build, source: GuardedSource) -> Place:
    """A tag of Ollama's library: for Ollama itself, and for engines that read its GGUF layer."""
    read = _one(replace(build, format="gguf", quantization="unknown"), source)
    own = replace(build, size=read.builds[0].size, size_exact=read.builds[0].size_exact)
    return Place(builds=(own, *read.builds), layouts=read.layouts, facts=read.facts)


def _several(builds: Sequence[Build], source: GuardedSource) -> Place:
    """One header is read for all quantizations: they differ in the bytes of their weights alone."""
    ggufs = [build for build in builds if build.format == "gguf"]
    others = [_one(build, source) for build in builds if build.format != "gguf"]
    layouts = {ref: layout for place in others for ref, layout in place.layouts.items()}
    found = [build for place in others for build in place.builds]
    if not ggufs:
        return Place(builds=tuple(found), layouts=layouts, facts=others[0].facts)
    read = _sample(ggufs, source)
    for build in ggufs:
        layout = _layout(build, read)
        if layout is not None:
            layouts[build.ref] = layout
    return Place(builds=(*ggufs, *found), layouts=layouts, facts=read.facts)


def _sample(ggufs: list[Build], source: GuardedSource) -> Place:
    """One build that was looked into. Those that turn out to be bad leave the list; after a few, the error is raised."""
    by_size = sorted(ggufs, key=lambda build: (build.quantization != USUAL, build.size or 1 << 62))
    for build in by_size[:SAMPLES]:
        try:
            return _one(build, source)
        except BadModelFile:
            ggufs.remove(build)
            if build is by_size[:SAMPLES][-1]:
                raise
    raise AssertionError("there is at least one build")


def _layout(build: Build, read: Place) -> Layout | None:
    """The layout of a sister of the build that was read."""
    if build.ref in read.layouts:
        return read.layouts[build.ref]
    facts = read.facts
    if facts is None or facts.layout is None or build.size is None:
        return None
    in_tensors = max(0, build.size - facts.overhead)
    loaded = facts.layout.weights / max(1, facts.size - facts.overhead)
    return rescaled(facts.layout, build.quantization, round(in_tensors * loaded))

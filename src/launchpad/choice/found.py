"""Which builds of the catalogs lie in other programs' stores: PURE. Told by size and hash, not by name.

A file whose hash is not known yet is taken at its size: before an engine is given it, it is hashed (`launchpad.launcher.sound`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from launchpad.catalog.model import Build, LocalModel, Model


def found_builds(models: Iterable[Model], local: Iterable[LocalModel]) -> Mapping[str, LocalModel]:
    """By `Build.ref`: the file here that holds the build, with the id of its model."""
    by_size: dict[int, list[LocalModel]] = {}
    for here in local:
        if here.format == "gguf":
            by_size.setdefault(here.size, []).append(here)
    if not by_size:
        return {}
    found: dict[str, LocalModel] = {}
    for model in models:
        for build in model.builds:
            size = _pinned_size(build)
            for here in by_size.get(size, ()) if size else ():
                if _may_be(build, here):
                    found.setdefault(build.ref, replace(here, model_id=model.id))
    return found


def _pinned_size(build: Build) -> int | None:
    """Bytes of all files, where the catalog knows each one's."""
    sizes = [file.size for file in build.files]
    return None if build.format != "gguf" or None in sizes else sum(size or 0 for size in sizes)


def _may_be(build: Build, here: LocalModel) -> bool:
    """Whether nothing that is known speaks against it."""
    if (
        len(build.files) > 1
    ):  # a set of shards has no hash of its own; its first file's name tells it from others
        return here.path.replace("\\", "/").rpartition("/")[2] == build.files[0].path.rpartition("/")[2]
    pinned = build.files[0].sha256
    return pinned is not None and here.sha256 in (None, pinned)

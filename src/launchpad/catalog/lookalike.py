"""Places that only look like ones that people trust: PURE.

Weights from an organization whose name is one letter off a known one are somebody's mistake or somebody's trap. Both are
refused before the place is asked for anything; whoever means it pins a revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from launchpad.catalog.model import Model
from launchpad.catalog.reference import Reference
from launchpad.errors import RefusedError

_SHORTEST = 5  # letters of a name of which one may be wrong: among shorter ones neighbors are common
_ALIKE = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
_COMMIT = re.compile(r"[0-9a-fA-F]{40}")


def refuse_lookalike(reference: Reference, models: Iterable[Model]) -> None:
    """Raise `RefusedError` for a repository whose organization looks like one of the catalog's and is another."""
    if reference.kind != "place" or reference.scheme not in ("hf", "modelscope"):
        return
    if reference.revision and _COMMIT.fullmatch(reference.revision):
        return
    organization, _, repository = reference.location.partition("/")
    known = {name.lower(): name for name in organizations(models, reference.scheme)}
    if organization.lower() in known:
        return
    meant = next((name for low, name in sorted(known.items()) if _alike(organization.lower(), low)), None)
    if meant is None:
        return
    raise RefusedError(
        f"'{organization}' is not '{meant}', and looks like it.",
        why="Names that are one letter off a known publisher's are how wrong weights get onto machines.",
        hint=f"Did you mean {reference.scheme}://{meant}/{repository}? If not, pin the commit: "
        f"{reference.scheme}://{reference.location}@COMMIT",
    )


def organizations(models: Iterable[Model], scheme: str) -> set[str]:
    """Everybody who publishes a build that the catalogs know, at the source with this URI scheme."""
    head = f"{scheme}://"
    found = {
        build.ref[len(head) :].partition("/")[0]
        for model in models
        for build in model.builds
        if build.ref.startswith(head)
    }
    if scheme == "hf":
        found |= {model.hf_repo.partition("/")[0] for model in models if model.hf_repo}
    return found


def _alike(typed: str, known: str) -> bool:
    if _skeleton(typed) == _skeleton(known):
        return True
    return len(known) >= _SHORTEST and _one_off(typed, known)


def _skeleton(name: str) -> str:
    """What is left when letters that look the same are the same, and separators are gone."""
    for pair, single in _ALIKE:
        name = name.replace(pair, single)
    return re.sub(r"[-_.]", "", name)


def _one_off(a: str, b: str) -> bool:
    """Whether one letter was changed, added, left out, or two neighbors were swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    return a[1:] == b[1:] or a == b[1:] or a[1:] == b or (a[:2] == b[1::-1] and a[2:] == b[2:])

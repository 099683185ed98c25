"""Several catalogs as one: PURE. The first catalog that knows an id has the say about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from launchpad.catalog.model import Model


class Models(Protocol):
    """What is needed of a catalog here."""

    def models(self) -> Sequence[Model]:
        """All models."""
        ...


def models_of(catalogs: Iterable[Models]) -> tuple[Model, ...]:
    """All models, each id once: of the first catalog that has it.

    Catalogs come in the order of trust: one's own, refreshed, packaged, then those of third parties. So a plugin can
    add models and never put its own terms or files under the name of one that is known.
    """
    known: dict[str, Model] = {}
    for catalog in catalogs:
        for model in catalog.models():
            known.setdefault(model.id, model)
    return tuple(known.values())

"""Which models a wish allows: PURE. Every model that is dropped has its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from launchpad.catalog.model import Capabilities, License, Model
from launchpad.errors import UsageError
from launchpad.wish import Wish

LICENSE_CLASSES = ("osi", "permissive", "commercial", "any")


class Dropped(Struct, frozen=True, kw_only=True):
    """A model that the wish does not allow, and why, in one line."""

    model_id: str
    reason: str


class Selection(Struct, frozen=True, kw_only=True):
    """What a wish leaves of a catalog, in the catalog's order."""

    kept: tuple[Model, ...]
    dropped: tuple[Dropped, ...]


def select(models: Sequence[Model], wish: Wish) -> Selection:
    """Split `models` by the wish's licenses, countries, labs and needs. Raises `UsageError` for an unknown need."""
    needs = required(wish)
    if not (needs or wish.labs or wish.countries or wish.not_countries or wish.licenses):
        return Selection(kept=tuple(models), dropped=())
    kept: list[Model] = []
    dropped: list[Dropped] = []
    for model in models:
        reason = next(_objections(model, wish, needs), None)
        if reason is None:
            kept.append(model)
        else:
            dropped.append(Dropped(model_id=model.id, reason=reason))
    return Selection(kept=tuple(kept), dropped=tuple(dropped))


# What a need asks of the capabilities: True, False, or None when nobody has said.
_NEEDS: dict[str, Callable[[Capabilities], bool | None]] = {
    "tools": lambda can: can.tools,
    "vision": lambda can: can.vision,
    "audio": lambda can: can.audio,
    "code": lambda can: can.code,
    "multilingual": lambda can: can.multilingual,
    "thinking": lambda can: None if can.thinking is None else can.thinking != "none",
    "no-thinking": lambda can: None if can.thinking is None else not can.thinking.startswith("always"),
}
_IMPLIED = {
    "vision": "vision",
    "tools": "tools",
    "multilingual": "multilingual",
}  # purposes that are pointless without the capability


def required(wish: Wish) -> tuple[str, ...]:
    """The wish's needs in lower case, with those that its purpose implies."""
    needs = [need.lower() for need in wish.needs]
    unknown = [need for need in needs if need not in _NEEDS]
    if unknown:
        raise UsageError(
            f"'{unknown[0]}' is not something that a model can be asked for.",
            why=f"Known are {', '.join(_NEEDS)}.",
            hint="Correct the name, or leave it out.",
        )
    if implied := _IMPLIED.get(wish.purpose):
        needs.append(implied)
    return tuple(dict.fromkeys(needs))


def _objections(model: Model, wish: Wish, needs: Sequence[str]) -> Iterator[str]:
    if wish.labs and not is_lab(model, wish.labs):
        yield f"made by {model.lab}"
    country = model.country.upper() if model.country else None
    if wish.countries and country not in _upper(wish.countries):
        yield f"its lab's country is {country or 'not known'}"
    if wish.not_countries and (country is None or country in _upper(wish.not_countries)):
        yield f"its lab's country is {country or 'not known'}"
    if wish.licenses and not any(allows(model.license, wanted) for wanted in wish.licenses):
        yield _license_reason(model.license)
    for need in needs:
        able = _NEEDS[need](model.capabilities)
        if not able:
            yield f"{need}: {'not known' if able is None else 'no'}"


def is_lab(model: Model, wanted: Sequence[str]) -> bool:
    """Whether the model's lab is one of `wanted`, by its id or a part of its name."""
    return any(
        lab.lower() == model.lab_id.lower() or lab.lower() in model.lab.lower() for lab in wanted if lab
    )


def _upper(names: Sequence[str]) -> set[str]:
    return {name.upper() for name in names}


def allows(terms: License, wanted: str) -> bool:
    """Whether `terms` are of the wanted class or id. What is not known is not allowed.

    "osi": approved by the Open Source Initiative. "permissive": that, or as free without the approval.
    "commercial": commercial use is allowed, be it under conditions, which the plan shows. "any": everything.
    Anything else is a license id or SPDX id.
    """
    match wanted.lower():
        case "any":
            return True
        case "osi":
            return terms.kind == "osi"
        case "permissive":
            return terms.kind in ("osi", "permissive")
        case "commercial":
            return terms.kind in ("osi", "permissive") or (
                terms.kind == "conditions" and (terms.commercial or "").startswith("yes")
            )
    return wanted.lower() in {(terms.id or "").lower(), (terms.spdx or "").lower()}


def _license_reason(terms: License) -> str:
    if terms.id is None:
        return "license: not known"
    return f"license: {terms.name or terms.id}" + (
        f" (commercial use: {terms.commercial})" if terms.commercial else ""
    )

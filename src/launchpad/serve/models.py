"""The models that a gateway offers, under which names, and how they are listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from launchpad.fit.result import Settings
from launchpad.plan import Plan
from launchpad.serve.problem import Problem

AUTO = "auto"


class Offer(Struct, frozen=True, kw_only=True):
    """One model on offer: the plan to run it alone on this machine, made when the gateway started.

    `replicas` engines of it run beside each other.
    """

    name: str
    aliases: tuple[str, ...]
    plan: Plan
    since: int  # seconds since the epoch
    replicas: int = 1

    @property
    def context(self) -> int:
        """Tokens that one conversation has."""
        return per_conversation(self.plan.start.settings)


def per_conversation(settings: Settings) -> int:
    """Tokens that one of the parallel conversations has."""
    return settings.context if settings.kv_unified else settings.context // settings.parallel


def offers(plans: Iterable[tuple[str | None, Plan]], since: int, replicas: int = 1) -> tuple[Offer, ...]:
    """Name each plan: by its model's id, with the quantization where an id is there twice.

    What the user called it stays an alias; the first is also `auto`. The same model and build twice is one offer.
    """
    named: dict[str, Offer] = {}
    for asked, plan in plans:
        start = plan.start
        name = start.model_id
        if name in named and named[name].plan.start.build == start.build:
            name = _with_alias(named, name, asked)
            continue
        if name in named:
            name = f"{name}:{_quantization(plan)}"
        aliases = tuple(alias for alias in (asked, None if named else AUTO) if alias and alias != name)
        named[name] = Offer(
            name=name, aliases=tuple(dict.fromkeys(aliases)), plan=plan, since=since, replicas=replicas
        )
    return tuple(named.values())


def _with_alias(named: dict[str, Offer], name: str, alias: str | None) -> str:
    if alias and alias != name:
        named[name] = replace(named[name], aliases=(*named[name].aliases, alias))
    return name


def _quantization(plan: Plan) -> str:
    pick = plan.choice.pick
    return pick.build.quantization if pick else "other"


def find(offered: Sequence[Offer], name: str | None) -> Offer:
    """The model that a request means; without a name, the first. Raises `Problem`."""
    if not name:
        return offered[0]
    wanted = name.casefold()
    for offer in offered:
        if wanted in {offer.name.casefold(), *(alias.casefold() for alias in offer.aliases)}:
            return offer
    known = ", ".join(offer.name for offer in offered)
    shown = re.sub(r"[^\w.:@/+-]", "?", name)[:100]
    raise Problem(
        404,
        f"The model '{shown}' is not served here. There is: {known}.",
        code="model_not_found",
        param="model",
    )


def entry(offer: Offer, state: str, memory: int | None, settings: Settings, ready: int) -> dict[str, Any]:
    """The model in a list, in fields that OpenAI's, Anthropic's, vLLM's and OpenRouter's clients know."""
    pick, start = offer.plan.choice.pick, offer.plan.start
    context = per_conversation(settings)
    parameters = pick.model.parameters if pick else None
    return {
        "id": offer.name,
        "object": "model",
        "type": "model",
        "display_name": start.model_name,
        "created": offer.since,
        "owned_by": pick.model.lab if pick and pick.model.lab else "launchpad",
        "context_length": context,
        "max_model_len": context,
        "meta": {
            "n_ctx": context,
            "n_params": round(parameters) if parameters else None,
            "size": pick.build.size if pick else None,
            "quantization": pick.build.quantization if pick else None,
        },
        "launchpad": {
            "state": state,
            "backend": start.backend,
            "build": pick.build.quantization if pick else None,
            "parallel": settings.parallel,
            "replicas": offer.replicas,
            "replicas_ready": ready,
            "placement": start.fit.placement.kind,
            "memory_planned": start.fit.total,
            "memory_used": memory,
            "aliases": [alias for alias in offer.aliases if "/" not in alias and "\\" not in alias],
        },
    }

"""What an OpenAI-compatible server says of its models, understood: PURE."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

MOST = 1000  # models that are read of one list
_CONTEXTS = ("max_model_len", "loaded_context_length", "context_length", "max_context_length")


class Served(Struct, frozen=True, kw_only=True):
    """A model that the server lists. `context` in tokens, `size` in bytes; None or empty where it does not say.

    `loaded` says whether it is in memory; `context` is then what it was loaded with.
    """

    id: str
    context: int | None = None
    size: int | None = None
    quantization: str | None = None
    capabilities: tuple[str, ...] = ()
    loaded: bool | None = None


def listed(answer: Any) -> tuple[Served, ...]:
    """The models of a list as OpenAI writes it. Raises `ValueError`. Names that no reference can hold are left out."""
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise ValueError("it has no data")
    found = [one for one in answer["data"][:MOST] if isinstance(one, dict)]
    return tuple(Served(id=one["id"], context=context_of(one)) for one in found if is_name(one.get("id")))


def is_name(name: object) -> bool:
    """Whether a reference can hold it."""
    return isinstance(name, str) and 0 < len(name) <= 200 and all(33 <= ord(letter) < 127 for letter in name)


def context_of(one: dict[str, Any]) -> int | None:
    """The context of a listed model, under whichever name the server gives it."""
    meta = one.get("meta")
    values = [one.get(name) for name in _CONTEXTS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return next((value for value in map(positive, values) if value), None)


def positive(value: object) -> int | None:
    """A count that a server states; None for anything that is none."""
    return value if type(value) is int and value > 0 else None

"""What the user wants: frozen data that fit and choice read."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Purpose = Literal["chat", "code", "reasoning", "vision", "tools", "multilingual"]

LEAST_CONTEXT = 16  # tokens; fewer hold no question and answer, and llama.cpp aborts at 1


class Wish(Struct, frozen=True, kw_only=True):
    """What must be true of the pick. None or empty = no demand.

    `context` in tokens, shared by the `parallel` conversations; `ubatch` in tokens; `min_speed` in decode tokens/s, `max_download` in bytes. Licenses and countries hold lower-case
    license ids or classes ("osi", "commercial") and ISO 3166 alpha-2 codes. `model` limits the choice to one reference.
    `projector` fetches the vision projector with a model that has one; `allow_unpinned` keeps a file for which nobody
    states a hash. `draft` is the file of a small model that guesses ahead, `loras` are files of adapters: named by the user alone,
    never by a catalog. `on` is the live cluster to run on, as `--on` names it (None: this machine).
    """

    model: str | None = None
    purpose: Purpose = "chat"
    context: int | None = None
    min_speed: float | None = None
    licenses: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    not_countries: tuple[str, ...] = ()
    labs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    max_download: int | None = None
    backend: str | None = None
    kv_type: str | None = None
    parallel: int | None = None
    ubatch: int | None = None
    require_gpu: bool = False
    offline: bool = False
    allow_swap: bool = False
    projector: bool = True
    allow_unpinned: bool = False
    draft: str | None = None
    loras: tuple[str, ...] = ()
    on: str | None = None

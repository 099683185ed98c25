"""Economies that a fit made before it gave up: each with its exact saving."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from launchpad.explain.result import Change
from launchpad.explain.subject import Subject
from launchpad.fit.memory import memory
from launchpad.fit.placement import Placed
from launchpad.fit.result import Settings


def economies(subject: Subject, least: Placed) -> tuple[Change, ...]:
    """What the thriftiest arrangement already saves against plain settings on the same devices."""
    layout = subject.layout_of(subject.build)
    if layout is None:
        return ()
    usable = subject.pool
    split = least.settings.tensor_split
    gpus = [
        replace(item.gpu, share=split[usable.gpus.index(item)]) if split else item.gpu for item in least.used
    ]
    changes = []
    before: int | None = None
    for text, kind, settings in _steps(least.settings, subject.wish.ubatch):
        total = sum(device.total for device in memory(layout, settings, gpus, usable.host))
        if before is not None and total < before:
            changes.append(Change(kind=kind, text=text, saves=before - total))  # type: ignore[arg-type]
        before = total
    return tuple(changes)


def _steps(least: Settings, asked_ubatch: int | None) -> Iterator[tuple[str, str, Settings]]:
    """From plain settings to those that need least, one step at a time.

    Leaving out the repacked copy of the weights is none: no engine needs it, and a fit takes it only where there is room.
    """
    plain = Settings(context=least.context)
    settings = replace(
        least,
        kv_type_k=plain.kv_type_k if least.kv_type_k == "q8_0" else least.kv_type_k,
        kv_type_v=plain.kv_type_v if least.kv_type_v == "q8_0" else least.kv_type_v,
        ubatch=asked_ubatch or plain.ubatch,
    )
    yield "", "context", settings
    settings = replace(settings, kv_type_k=least.kv_type_k, kv_type_v=least.kv_type_v)
    yield f"KV cache {least.kv_type_k}", "kv_type", settings
    settings = replace(settings, ubatch=least.ubatch)
    yield f"micro-batch {least.ubatch}", "ubatch", settings

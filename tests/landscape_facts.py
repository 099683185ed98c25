"""A small landscape for tests: six models, two limits, names that a catalog should never have had."""

from __future__ import annotations

from msgspec.structs import replace

import factories
from launchpad.catalog.model import License, Quality
from launchpad.hardware.machine import Accelerator, Machine, Memory
from launchpad.landscape.model import Landscape, Rival, landscape

GIB = 1 << 30
NASTY = "<script>alert(1)</script>\"'&{{data}}\u2028"
MACHINE = Machine(
    name="test machine",
    memory=Memory(total=40 * GIB, available=32 * GIB),
    accelerators=(
        Accelerator(index=0, vendor="nvidia", name="card", memory_total=12 * GIB, memory_free=11 * GIB),
    ),
)


def rival(
    key: str, quality: float, memory: float, *, lab: str = "Lab", loss: float = 0.0, **fields: object
) -> Rival:
    """A model that needs `memory` GiB."""
    model = replace(
        factories.model(key, quality, lab=lab),
        quality=Quality(value=quality, spread=2.0, measurements=3, sources=("Artificial Analysis",)),
        **fields,
    )
    fit = factories.fit(key, memory=round(memory * GIB))
    here = (
        fit if memory <= 11 else factories.fit(key, memory=round(memory * GIB), verdict="no", why="too large")
    )
    return Rival(
        model=model,
        build=factories.build(key),
        score=max(0.0, quality * (1 - loss) - 2),
        loss=loss,
        anywhere=fit,
        here=here,
    )


def small_landscape() -> Landscape:
    """By memory: 1, 3, 3, 7, 20 and 90 GiB; the third and the fifth do not lead."""
    rivals = [
        rival("big", 80, 90, lab="Grande", country="CN", license=License(id="own", kind="conditions")),
        rival("tiny", 12, 1, lab="Petit", country="FR"),
        rival("small", 30, 3, lab="Petit", country="FR"),
        rival("weak", 20, 3.5, lab="Other", country="US"),
        rival("middle", 55, 7, lab="Other", country="US"),
        rival("waste", 40, 20, lab="Grande", country="CN", name=NASTY),
    ]
    return landscape(
        rivals,
        MACHINE,
        purpose="chat",
        context=8192,
        catalog_date="2026-10-09",
        unrated=4,
        unplaced=1,
        latest={"Artificial Analysis": "2026-09-30"},
    )

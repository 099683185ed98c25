"""A plugin in one file: a catalog of LAUNCHPAD_BENCH_MODELS (100,000) made-up models, shaped like the packaged ones.

For measurements only: LAUNCHPAD_PLUGIN_PATH=bench/recommend/big_catalog.py launchpad recommend
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from launchpad.plugins import Build, Capabilities, Catalog, License, Model, Quality, Shape, hookimpl

SIZES = (1, 2, 4, 7, 8, 12, 14, 24, 27, 32, 70, 120)  # billions of parameters
TERMS = (License(id="apache-2.0", spdx="Apache-2.0", kind="osi"), License(id="mit", spdx="MIT", kind="osi"))
ABLE = Capabilities(tools=True, thinking="none")


def _shape(billions: int) -> Shape:
    layers = 16 + 2 * round(billions**0.6)
    hidden = 1024 * max(1, round((billions * 1e9 / (12 * layers)) ** 0.5 / 1024))
    return Shape(
        architecture="llama",
        layers=layers,
        hidden_size=hidden,
        attention_heads=hidden // 128,
        kv_heads=8,
        head_dim_k=128,
        head_dim_v=128,
        ffn=4 * hidden,
        vocab_size=128_256,
    )


SHAPES = {billions: _shape(billions) for billions in SIZES}


class BigCatalog:
    """Quality grows with size and is scattered by the number, so that there is something to choose."""

    name = "big"
    date: str | None = "2026-01-01"

    def models(self) -> Sequence[Model]:
        """All of them, each with one build."""
        return [_model(number) for number in range(int(os.environ.get("LAUNCHPAD_BENCH_MODELS", "100000")))]


def _model(number: int) -> Model:
    billions = SIZES[number % len(SIZES)]
    name = f"made-up-{number}"
    return Model(
        id=name,
        name=name,
        lab="Nobody",
        lab_id="nobody",
        country="FR",
        license=TERMS[number % 2],
        parameters=billions * 1e9,
        shape=SHAPES[billions],
        context=32768,
        capabilities=ABLE,
        quality=Quality(
            value=5.0 + 4.0 * billions**0.5 + number * 7919 % 1000 / 50, spread=3.0, value_fast=None
        ),
        builds=(
            Build(
                ref=f"hf://nobody/{name}:Q4_K_M",
                format="gguf",
                quantization="Q4_K_M",
                size=int(billions * 0.6e9),
            ),
        ),
    )


@hookimpl
def launchpad_catalogs() -> Sequence[Catalog]:
    """The one catalog."""
    return [BigCatalog()]

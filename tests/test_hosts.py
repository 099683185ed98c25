"""Which hosts are this machine, told by their form."""

from __future__ import annotations

import pytest

from launchpad.hosts import is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.9.1",
        "127.1",
        "0x7f000001",
        "::1",
        "::ffff:127.0.0.1",
        "::1%lo",
        "localhost",
        "LocalHost.",
    ],
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "128.0.0.1",
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "",
        "1e9",
    ],
)
def test_not_this_machine(host: str) -> None:
    assert not is_loopback(host)

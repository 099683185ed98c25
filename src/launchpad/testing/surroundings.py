"""Surroundings in which a plugin is watched: no network, no prints, a time limit. Each raises `AssertionError`."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from launchpad.hosts import is_loopback


@contextmanager
def offline() -> Iterator[None]:
    """Fail when the block connects to anywhere but loopback, or looks a name up. An attempt counts even if caught.

    Threads that run already (an earlier question that nobody waits for any more) are not meant.
    """
    attempts: list[str] = []
    others = set(threading.enumerate()) - {threading.current_thread()}
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def refuse(host: str) -> None:
        if threading.current_thread() not in others and not is_loopback(host):
            attempts.append(host)
            raise OSError(f"no network here for {host}")

    def watched_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(str(address[0]))
        connect(self, address)

    def watched_look_up(host: Any, *args: Any, **options: Any) -> Any:
        refuse(str(host))
        return look_up(host, *args, **options)

    with (
        mock.patch("socket.socket.connect", watched_connect),
        mock.patch("socket.getaddrinfo", watched_look_up),
    ):
        yield
    assert not attempts, f"it used the network: {', '.join(attempts)}"


@contextmanager
def silent() -> Iterator[None]:
    """Fail when anything is written to the file descriptors 1 and 2, by whatever language."""
    with tempfile.TemporaryFile() as file:
        kept = [(number, os.dup(number)) for number in (1, 2)]
        try:
            for number, _ in kept:
                os.dup2(file.fileno(), number)
            yield
        finally:
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
        file.seek(0)
        written = file.read(500)
    assert not written, f"it printed {written!r}"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took <= seconds, f"it took {took:.2f} s; {seconds:g} s are allowed"

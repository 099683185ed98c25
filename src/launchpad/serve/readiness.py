"""A supervisor is told that the gateway answers from now on: `sd_notify(3)`, the protocol of systemd's `Type=notify`."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def tell() -> None:
    """Say so where `NOTIFY_SOCKET` names somebody who waits for it."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    # Whoever inherited the name from a service that is no more has nobody to tell, and can serve all the same.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.connect("\0" + place[1:] if place[0] == "@" else place)
        supervisor.send(b"READY=1")

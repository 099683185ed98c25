"""The connection of a request, for who must end it from another thread.

A generator that waits for an engine cannot be closed by another thread; its socket can be shut down, and then the
engine stops computing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

on_connect: ContextVar[Callable[[socket.socket], None] | None] = ContextVar("on_connect", default=None)


def traced() -> dict[str, Any]:
    """The extensions of a request that let `on_connect`, as it is set now, hear of the request's socket."""
    listener = on_connect.get()
    if listener is None:
        return {}

    def trace(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            listener(info["return_value"].get_extra_info("socket"))

    return {"trace": trace}

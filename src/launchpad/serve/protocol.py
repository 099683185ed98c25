"""Uvicorn as the gateway runs it: with limits on what a stranger can send before anybody has seen his key."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from types import FrameType

    import uvicorn

DRAIN_SECONDS = 20  # that answers under way get to end by themselves
LEAVING_SECONDS = 2.0  # that an answer which is cut gets to say so
MOST_CONNECTIONS = 512
MOST_HEADERS = 64 * 1024  # bytes of a request's head
HEAD_SECONDS = 30.0  # that a head may take to come


def configured(app: Any, **more: Any) -> uvicorn.Config:
    """Settings for uvicorn; `more` of them."""
    import uvicorn

    fixed: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "ws": "none",
        "lifespan": "on",
        "http": _protocol(),
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "limit_concurrency": MOST_CONNECTIONS,
    }
    return uvicorn.Config(app, **{**fixed, **more})


def interruptible(config: uvicorn.Config) -> uvicorn.Server:
    """A server whose second SIGINT cuts the answers under way, and nothing else: uvicorn leaves the end of the application out,
    which then is cut, too, with a page of traceback."""
    import uvicorn

    class Interruptible(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if not self.should_exit:
                super().handle_exit(sig, frame)  # noted, and raised again at the end, which is enough once
            elif sig == signal.SIGINT:
                self.force_exit = True

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            if not self.force_exit:
                return
            for answer in (answers := list(self.server_state.tasks)):
                answer.cancel()
            if answers:
                await asyncio.wait(answers, timeout=LEAVING_SECONDS)
            await self.lifespan.shutdown()

    return Interruptible(config)


def _protocol() -> type[asyncio.Protocol]:
    """Uvicorn's protocol on httptools, which by itself would keep a head of any size, and wait for it for ever."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Limited(HttpToolsProtocol):
        _in_head = True
        _size = 0
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._timer = self.loop.call_later(HEAD_SECONDS, transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self._in_head, self._size = True, 0
            self._stop_timer()
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._stop_timer()
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_head:
                self._size += len(data)
                if self._size > MOST_HEADERS:
                    self.transport.abort()

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Limited

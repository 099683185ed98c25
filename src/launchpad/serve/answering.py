"""What has been sent of one answer, and what observers hear of it at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from launchpad.events import AnswerFinished
from launchpad.serve.access import answer
from launchpad.serve.stream import Usage

if TYPE_CHECKING:
    from starlette.types import Send

    from launchpad.engines.server import Server


class Answering:
    """What has been sent to the client so far."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 0
        self.open = False
        self.waits = False  # for the first event before it begins: until then another engine can answer
        self.reason = "stop"
        self.usage = Usage(None, None)
        self._server: Server | None = None
        self._asked = 0.0
        self._first: float | None = None

    def asked(self, server: Server) -> None:
        """An engine gets the request, which is not the first one if that was lost."""
        self._server, self._asked = server, time.monotonic()

    def begun(self) -> None:
        """A piece of the answer was sent."""
        self._first = self._first or time.monotonic() - self._asked

    def finished(self) -> AnswerFinished | None:
        """What observers hear of it; None when no engine was asked."""
        if self._server is None:
            return None
        return AnswerFinished(
            backend=self._server.backend,
            model=self._server.model,
            reason=self.reason,
            seconds=time.monotonic() - self._asked,
            first_token=self._first,
            prompt_tokens=self.usage.prompt,
            completion_tokens=self.usage.answer,
        )

    async def whole(self, status: int, body: bytes) -> None:
        """Send all of it."""
        self.status = status
        await answer(self.send, status, body)

    async def stream(self) -> None:
        """Begin a stream of events, if that was not done."""
        if self.status:
            return
        self.status, self.open = 200, True
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        """Send a part of the stream."""
        self.open = more
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

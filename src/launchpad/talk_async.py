"""`Chat` for asyncio: the same conversation, whose waiting blocks no event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from launchpad.talk import Answer, Chat

if TYPE_CHECKING:
    from types import TracebackType

    from launchpad.engines.server import Server

T = TypeVar("T")
_END = object()


class AsyncChat:
    """A conversation with an engine of its own; takes what `Chat` takes. Cancelling a task stops the engine's answer.

    async with AsyncChat("auto") as chat:
        answer = await chat.ask("Name three rivers.")
        async for piece in chat.stream("And lakes?"):
            print(piece, end="")
    """

    def __init__(self, model: str | None = None, **settings: Any) -> None:
        self._chat = Chat(model, **settings)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await asyncio.shield(self.stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.stop())

    async def start(self) -> None:
        """As `Chat.start`."""
        await asyncio.to_thread(self._chat.start)

    async def stop(self) -> None:
        """As `Chat.stop`."""
        await asyncio.to_thread(self._chat.stop)

    async def ask(self, prompt: str, **settings: Any) -> Answer:
        """As `Chat.ask`."""
        return await self._cancellable(lambda: self._chat.ask(prompt, **settings))

    async def stream(self, prompt: str, **settings: Any) -> AsyncGenerator[str]:
        """As `Chat.stream`: the text as it comes."""
        pieces = self._chat.stream(prompt, **settings)
        try:
            while (piece := await self._cancellable(lambda: next(pieces, _END))) is not _END:
                assert isinstance(piece, str)
                yield piece
        finally:
            self._chat.cancel()
            with contextlib.suppress(ValueError):  # a thread is still inside: cancelling ended its wait
                pieces.close()

    def fork(self) -> AsyncChat:
        """As `Chat.fork`."""
        other = AsyncChat.__new__(AsyncChat)
        other._chat = self._chat.fork()
        return other

    @property
    def messages(self) -> list[dict[str, Any]]:
        """As `Chat.messages`."""
        return self._chat.messages

    @property
    def last(self) -> Answer | None:
        """As `Chat.last`."""
        return self._chat.last

    @property
    def server(self) -> Server:
        """As `Chat.server`."""
        return self._chat.server

    def save(self, path: str) -> None:
        """As `Chat.save`."""
        self._chat.save(path)

    async def _cancellable(self, call: Callable[[], T]) -> T:
        waiting = asyncio.ensure_future(asyncio.to_thread(call))
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self._chat.cancel()
            with contextlib.suppress(Exception):
                await waiting
            raise

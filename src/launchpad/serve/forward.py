"""One request on its way to an engine and its answer on the way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from launchpad.events import Report
from launchpad.serve import checks, responses
from launchpad.serve.access import refuse
from launchpad.serve.answering import Answering
from launchpad.serve.apis import Api
from launchpad.serve.models import Offer, find
from launchpad.serve.ollama_prompt import refuse_too_long
from launchpad.serve.problem import Problem, too_long, without_paths
from launchpad.serve.responses import Room
from launchpad.serve.stream import Events, Usage, cut, reason, usage
from launchpad.serve.upstream import EngineGone, Exchange, request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from launchpad.engines.server import Server
    from launchpad.serve.metrics import Metrics
    from launchpad.serve.pool import Pool

MAX_ERROR = 2**20  # bytes of an engine's error that are read
MAX_ANSWER = 64 * 2**20  # bytes of an answer that comes in one piece
BODY_SECONDS = 60.0  # a client that sends nothing of its request for so long is not waited for


class Limits(Struct, frozen=True, kw_only=True):
    """What one request may take. Bytes, seconds."""

    max_body: int = 10 * 2**20
    deadline: float = 3600.0
    stall: float = 600.0
    most_at_once: int = 64  # requests of one model


TRIES = 2  # engines that a request is given to, as long as nothing of an answer came
NO_ANSWER = (500, 502, 503)  # statuses of an engine that is going down


class Unanswered(Exception):
    """The engine was lost before anything was sent to the client; `problem` is what it is told if that was the last try."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Forward:
    """An ASGI app for one endpoint."""

    def __init__(
        self,
        api: Api,
        offers: Sequence[Offer],
        pool: Pool,
        metrics: Metrics,
        limits: Limits,
        report: Report,
    ) -> None:
        self._report = report
        self._api = api
        self._offers = offers
        self._pool = pool
        self._metrics = metrics
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, whatever happens."""
        answering = Answering(send)
        model, status = "", 0
        try:
            raw = await read_body(scope, receive, self._limits.max_body)
            body = checks.read(raw, self._api)
            offer = find(self._offers, body.get("model"))
            model = offer.name
            await self._serve(offer, body, receive, answering)
            status = answering.status
        except ClientGone:
            status, answering.reason = 499, "cancelled"
        except Problem as problem:
            status, answering.reason = problem.status, "error"
            await self._tell(problem, answering)
        except asyncio.CancelledError:
            answering.reason = "cancelled"
            await self._tell(cut("the gateway is stopping"), answering)
            raise
        finally:
            self._metrics.add("requests_total", route=self._api.path, model=model, status=str(status))
            if self._api.end is not None and (event := answering.finished()):
                asyncio.get_running_loop().run_in_executor(None, self._report, event)

    async def _tell(self, problem: Problem, answering: Answering) -> None:
        """As the whole answer, or, when a part of it has been sent, as its last event."""
        with suppress(OSError):
            if answering.status == 0:
                await refuse(answering.send, problem, self._api.path)
            elif answering.open:
                if problem.code == "answer_cut":
                    self._metrics.add("answers_cut_total", route=self._api.path)
                await answering.piece(problem.event(self._api.dialect), more=False)

    async def _serve(
        self, offer: Offer, body: dict[str, Any], receive: Receive, answering: Answering
    ) -> None:
        group = self._pool.replicas[offer.name]
        if sum(seat.busy for seat in group) >= self._limits.most_at_once * len(group):
            raise Problem(
                503, f"Too many requests for {offer.name} wait already.", code="busy", retry_after=5
            )
        async with _until_gone(receive, self._limits.deadline):
            await self._answer(offer, body, answering, min(TRIES, len(group)))

    async def _answer(self, offer: Offer, body: dict[str, Any], answering: Answering, tries: int) -> None:
        """Ask an engine; when it is lost before its answer began, another one."""
        answering.waits = tries > 1
        prefer = checks.conversation(body) if tries > 1 else 0
        tried: set[str] = set()
        while True:
            async with self._pool.use(offer, tried, prefer) as server:
                try:
                    return await self._ask(offer, server, body, answering)
                except Unanswered as lost:
                    self._pool.failed(server)
                    tried.add(server.id)
                    if len(tried) >= tries:
                        raise lost.problem from None
            self._metrics.add("retries_total", model=offer.name)

    async def _ask(self, offer: Offer, server: Server, body: dict[str, Any], answering: Answering) -> None:
        begin = asyncio.get_running_loop().time()
        answering.asked(server)
        told = {**body, "model": server.model}
        try:
            if server.dialect == "ollama":
                await refuse_too_long(server, body, self._api.dialect)
            exchange = await request(
                server.endpoint, server.api_key, self._api.path, msgspec.json.encode(told)
            )
        except EngineGone:
            raise Unanswered(
                Problem(502, f"The engine of {offer.name} does not answer.", code="engine_gone")
            ) from None
        room = responses.room(server, body) if self._api.path == responses.PATH else None
        watch = _StallTimer(exchange, self._limits.stall)
        try:
            head = await exchange.head()
            self._metrics.first_byte(offer.name, asyncio.get_running_loop().time() - begin)
            if head.status >= 400:
                problem = self._refused(head.status, await whole(exchange, MAX_ERROR), server)
                raise Unanswered(problem) if head.status in NO_ANSWER else problem
            if head.kind == "text/event-stream":
                await self._stream(offer, exchange, answering, room)
            else:
                await self._piece(offer, head.status, exchange, answering, room)
        except EngineGone:
            stopped = cut("the engine stopped before the end")
            raise stopped if answering.status else Unanswered(stopped) from None
        finally:
            watch.cancel()
            exchange.close()

    async def _stream(
        self, offer: Offer, exchange: Exchange, answering: Answering, room: Room | None
    ) -> None:
        """Pass events on as they come, and make sure that the stream has an end."""
        events = Events(self._api, room)
        exchange.by_frames()
        if not answering.waits:
            await answering.stream()
        try:
            while not events.ended and (data := await exchange.read()):
                if whole := events.feed(data):
                    await answering.stream()
                    await answering.piece(whole)
                    if events.said:
                        answering.begun()
        except EngineGone:
            pass
        end = events.finish()
        if not events.ended:
            raise EngineGone
        await answering.stream()
        await answering.piece(end, more=False)
        answering.reason = events.reason()
        self._count(offer, events.usage(), answering)

    async def _piece(
        self, offer: Offer, status: int, exchange: Exchange, answering: Answering, room: Room | None
    ) -> None:
        """An answer that comes at once; one that the engine did not finish is an error."""
        body = await whole(exchange, MAX_ANSWER)
        try:
            document = msgspec.json.decode(body)
        except msgspec.DecodeError:
            raise Problem(502, "The engine's answer is no JSON.", code="bad_answer") from None
        choices = document.get("choices") if isinstance(document, dict) else None
        if choices and any(isinstance(x, dict) and x.get("finish_reason", "") is None for x in choices):
            raise Unanswered(cut("the engine stopped before the end"))
        if room is not None and (told := room.told(document)) is not document:
            body = msgspec.json.encode(told)
        await answering.whole(status, body)
        if not self._api.counts:
            answering.reason = reason(body)
            self._count(offer, usage(body), answering)

    def _count(self, offer: Offer, counted: Usage, answering: Answering) -> None:
        answering.usage = counted
        for kind, value in (("prompt", counted.prompt), ("answer", counted.answer)):
            if value:
                self._metrics.add("tokens_total", value, model=offer.name, kind=kind)

    def _refused(self, status: int, body: bytes, server: Server) -> Problem:
        """The engine's error in the client's terms."""
        error = _engine_error(body)
        message = error.get("message")
        text = without_paths(message if isinstance(message, str) else "The engine refused the request.")
        prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
        if isinstance(prompt, int) and isinstance(context, int):
            return too_long(prompt, context, self._api.dialect)
        if status in (404, 405, 501):
            engine = server.report.engine.partition(" (")[0]
            text = text.partition(" Start it with")[0]  # an option of the engine, which no client can give
            return Problem(501, f"{engine} does not do this as it was started: {text}", code="not_supported")
        if status in (401, 403):
            return Problem(502, "The engine refused the gateway.", code="engine_refused")
        return Problem(status, text, code="engine_error")


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The body of a request, as far as it is allowed to go. Raises `Problem` or `ClientGone`."""
    larger = Problem(413, f"The body is larger than {most:,} bytes.", code="body_too_large")
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > most):
            raise larger
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Problem(408, "The body did not come.", code="body_timeout") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise larger
        if not message.get("more_body"):
            return b"".join(parts)


@asynccontextmanager
async def _until_gone(receive: Receive, deadline: float) -> AsyncIterator[None]:
    """End what is inside when the client leaves (`ClientGone`) or takes too long (`Problem`)."""
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(deadline):
            yield
    except TimeoutError:
        raise Problem(
            504, f"The answer took longer than {deadline:.0f} s.", code="deadline_exceeded"
        ) from None
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientGone from None
        raise
    finally:
        watching.cancel()


class _StallTimer:
    """Closes the connection to an engine that is silent for too long; looks only now and then, not at each token."""

    def __init__(self, exchange: Exchange, seconds: float) -> None:
        self._exchange = exchange
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._exchange.last + self._seconds - self._loop.time()
        if left <= 0:
            self._exchange.close()
        else:
            self._handle = self._loop.call_later(left, self._look)

    def cancel(self) -> None:
        self._handle.cancel()


async def whole(exchange: Exchange, most: int) -> bytes:
    """The whole body. Raises `Problem` when it is larger than `most` bytes, `EngineGone` when it was cut."""
    parts: list[bytes] = []
    size = 0
    while data := await exchange.read():
        parts.append(data)
        size += len(data)
        if size > most:
            raise Problem(502, "The engine's answer has no end.", code="bad_answer")
    return b"".join(parts)


def _engine_error(body: bytes) -> dict[str, Any]:
    """The `error` of an engine's answer. Ollama packs the real one as text into another."""
    for _ in range(2):
        try:
            document = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return {}
        error = document.get("error", document) if isinstance(document, dict) else {}
        if isinstance(error, dict):
            return error
        body = str(error).encode()
        if not body.startswith(b"{"):
            return {"message": str(error)}
    return {}

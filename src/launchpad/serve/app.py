"""The routes of the gateway, as one ASGI application behind one door."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from launchpad.events import Report, ignore
from launchpad.serve.access import OPEN, Access, answer, refuse
from launchpad.serve.apis import APIS
from launchpad.serve.forward import Forward, Limits
from launchpad.serve.metrics import Labels, Metrics
from launchpad.serve.models import Offer, entry, find
from launchpad.serve.pool import Pool, Seat
from launchpad.serve.problem import Problem
from launchpad.serve.ui import ENTRANCE, Ui

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send


class Gateway:
    """What the routes share."""

    def __init__(
        self, offers: Sequence[Offer], pool: Pool, metrics: Metrics, limits: Limits, report: Report = ignore
    ) -> None:
        self.report = report
        self.offers = offers
        self.pool = pool
        self.metrics = metrics
        self.limits = limits
        self.ready = False  # the first model is loaded, or need not be
        self.ui: Ui | None = None

    # -- routes -------------------------------------------------------------------------------------------------

    async def health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Whether requests are answered without a wait for the first model. Says nothing else: it needs no key."""
        status, word = (200, "ok") if self.ready else (503, "loading")
        await answer(send, status, msgspec.json.encode({"status": word}))

    async def models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The list of models, in OpenAI's and Anthropic's shape at once."""
        data = [self._entry(offer) for offer in self.offers]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"], "has_more": False}
        await answer(send, 200, msgspec.json.encode({"object": "list", "data": data, **ends}))

    async def model(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One model, by its name or an alias."""
        try:
            offer = find(self.offers, scope["path_params"]["name"])
        except Problem as problem:
            await refuse(send, problem, scope["path"])
            return
        await answer(send, 200, msgspec.json.encode(self._entry(offer)))

    async def metrics_text(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Figures for Prometheus."""
        gauges = await asyncio.to_thread(self._gauges)
        await answer(send, 200, self.metrics.text(gauges).encode(), kind=b"text/plain; version=0.0.4")

    # -----------------------------------------------------------------------------------------------------------

    def _entry(self, offer: Offer) -> dict[str, Any]:
        group = self.pool.replicas[offer.name]
        ready = sum(seat.state == "ready" for seat in group)
        loading = any(seat.state == "loading" for seat in group)
        state = "ready" if ready else "loading" if loading else "cold"
        return entry(offer, state, _memory(group), group[0].settings, ready)

    def _gauges(self) -> dict[tuple[str, Labels], float]:
        import psutil

        found: dict[tuple[str, Labels], float] = {
            ("memory_available_bytes", ()): psutil.virtual_memory().available
        }
        for name, group in self.pool.replicas.items():
            labels = (("model", name),)
            slots = group[0].offer.plan.start.settings.parallel
            found["requests_active", labels] = sum(min(seat.users, slots) for seat in group)
            found["requests_waiting", labels] = sum(
                seat.waiting + max(0, seat.users - slots) for seat in group
            )
            found["model_loaded", labels] = any(seat.state == "ready" for seat in group)
            found["replicas_ready", labels] = sum(seat.state == "ready" for seat in group)
            if (memory := _memory(group)) is not None:
                found["model_memory_bytes", labels] = memory
        return found


def _memory(group: Iterable[Seat]) -> int | None:
    """Main memory of the engines of one model; None when none is loaded, or it cannot be read."""
    from launchpad.engines.resident import resident_bytes

    found = [resident_bytes(seat.server.server.pid) for seat in group if seat.server is not None]
    known = [size for size in found if size is not None]
    return sum(known) if known else None


def build(
    gateway: Gateway,
    *,
    key: str,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    lifespan: Any = None,
) -> Access:
    """The application."""
    return Access(routes(gateway, lifespan), key=key, hosts=hosts, origins=origins, ui=gateway.ui)


def routes(gateway: Gateway, lifespan: Any = None) -> Starlette:
    """What is behind the door."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    def forward(path: str) -> Forward:
        return Forward(
            APIS[path], gateway.offers, gateway.pool, gateway.metrics, gateway.limits, gateway.report
        )

    table = [
        Route(OPEN, _Asgi(gateway.health), methods=["GET"]),
        Route("/metrics", _Asgi(gateway.metrics_text), methods=["GET"]),
        Route("/v1/models", _Asgi(gateway.models), methods=["GET"]),
        Route("/v1/models/{name:path}", _Asgi(gateway.model), methods=["GET"]),
        *(Route(path, forward(path), methods=["POST"]) for path in APIS),
    ]
    if gateway.ui is not None:
        table += [
            Route(ENTRANCE, _Asgi(gateway.ui.entrance), methods=["GET"]),
            Route("/props", _Asgi(gateway.ui.props), methods=["GET"]),
            Route("/{file:path}", _Asgi(gateway.ui.file), methods=["GET"]),
        ]
    return Starlette(
        routes=table, lifespan=lifespan, exception_handlers={404: _missing, 405: _missing, 500: _failed}
    )


class _Asgi:
    """A method as an ASGI application; a plain function would be taken for one that gets a `Request`."""

    def __init__(self, method: Any) -> None:
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._method(scope, receive, send)


async def _missing(request: Any, error: Any) -> Any:
    """There is no such route, or not with this method."""
    method = error.status_code == 405
    what = f"{request.method} is not answered" if method else "There is nothing"
    return _response(Problem(error.status_code, f"{what} at this address.", code="not_found"), request)


async def _failed(request: Any, error: Any) -> Any:
    """A mistake in the gateway: the client is told that, and no more."""
    return _response(Problem(500, "The gateway made a mistake.", code="bug"), request)


def _response(problem: Problem, request: Any) -> Any:
    from starlette.responses import Response

    from launchpad.serve.apis import dialect_of

    body = problem.body(dialect_of(request.url.path))
    return Response(body, problem.status, media_type="application/json")

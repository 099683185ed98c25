"""The nodes that work for a job: which they are, and whether they are still there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from launchpad.hardware.ray_dashboard import Dashboard

T = TypeVar("T")
KNOCK = 2.0  # s
MISSES = 2  # knocks in a row that a node which answered before may leave unanswered


class _Raylet(Struct, rename="camel"):
    node_id: str = ""
    node_manager_address: str = ""
    node_manager_port: int = 0
    state: str = ""


class _Node(Struct):
    raylet: _Raylet = msgspec.field(default_factory=_Raylet)


class _Nodes(Struct):
    summary: list[_Node]


class _Actor(Struct):
    state: str = ""
    node_id: str | None = None


class _Inner(Struct):
    result: list[_Actor]


class _Actors(Struct):
    result: _Inner


def workers(at: Dashboard, job_id: str) -> set[str]:
    """The nodes on which actors of this job live. Raises `LaunchpadError`."""
    path = (
        f"/api/v0/actors?limit=1000&detail=1&filter_keys=job_id&filter_predicates=%3D&filter_values={job_id}"
    )
    rows = _read(at, path, _Actors).result.result
    return {row.node_id for row in rows if row.state == "ALIVE" and row.node_id}


def _read(at: Dashboard, path: str, shape: type[T]) -> T:
    document: Any = at.get(path)
    try:
        return msgspec.convert(document["data"], shape)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise at.wrong(f"{path.partition('?')[0]} has another shape") from error


class Nodes:
    """Watches over the nodes of one job. Ray notes the loss of one after half a minute; a knock at its port, at once."""

    def __init__(self, at: Dashboard) -> None:
        self._at = at
        self._working: set[str] = set()
        self._raylets: dict[str, _Raylet] = {}
        self._answered: set[str] = set()
        self._misses: dict[str, int] = {}

    def work(self, nodes: Iterable[str]) -> None:
        """These work for the job, and are missed from now on."""
        self._working.update(nodes)

    def left(self) -> list[str]:
        """Addresses of those that are on the cluster's list no more. Raises `LaunchpadError`."""
        rows = [one.raylet for one in _read(self._at, "/nodes?view=summary", _Nodes).summary]
        alive = {row.node_id: row for row in rows if row.state in ("ALIVE", "")}
        self._raylets |= alive
        return self._named(self._working - alive.keys())

    async def silent(self) -> list[str]:
        """Addresses of those that answered before, and do not now, twice in a row. Who never did is not judged."""
        watched = sorted(self._working & self._raylets.keys())
        answers = await asyncio.gather(*(self._knock(self._raylets[one]) for one in watched))
        for one, answered in zip(watched, answers, strict=True):
            self._misses[one] = 0 if answered else self._misses.get(one, 0) + 1
            if answered:
                self._answered.add(one)
        return self._named(one for one in watched if one in self._answered and self._misses[one] >= MISSES)

    async def _knock(self, raylet: _Raylet) -> bool:
        if not raylet.node_manager_port:
            return False
        try:
            opening = asyncio.open_connection(raylet.node_manager_address, raylet.node_manager_port)
            _, writer = await asyncio.wait_for(opening, KNOCK)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    def _named(self, nodes: Iterable[str]) -> list[str]:
        return sorted(self._raylets[one].node_manager_address or one for one in nodes if one in self._raylets)

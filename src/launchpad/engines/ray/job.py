"""An engine as a job of a live Ray cluster: look at its nodes first, then what to start here for it."""

from __future__ import annotations

import contextlib
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from launchpad.engines.command import EngineCommand
from launchpad.engines.ray.companion import LEFT, Task
from launchpad.engines.ray.entry import ENTRYPOINT, LOOK, said
from launchpad.engines.ray.preflight import Seen, Wanted, interface_of, obstacles, version_of
from launchpad.errors import ClusterChanged, LaunchError, LaunchpadError
from launchpad.events import EngineLoading, Notice, Report
from launchpad.hardware.ray_dashboard import Dashboard, dashboard, ray_name
from launchpad.hardware.ray_jobs import SETTLES, Job, Jobs

LOOK_SECONDS = 120.0  # that the look at all nodes may take
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "TP_SOCKET_IFNAME")
LEEWAY = 4.0
_HERE = Path(__file__).parent


class RayEngine(Struct, frozen=True, kw_only=True):
    """What to start on the cluster whose dashboard is `cluster`.

    `packages` are the names under which the engine may be installed there; `child` is its first program as text, `settings`
    that program's standard input, whose `words` are the engine's arguments (the head adds where to listen). The model is a `path` that
    all nodes have, or a `repository` at a `revision` in their Hub caches. `gpus` are as many as the plan needs.
    """

    cluster: str
    backend: str
    engine: str
    packages: tuple[str, ...]
    model: str
    child: str
    settings: dict[str, Any]
    environment: dict[str, str]
    gpus: int
    drain: float
    path: str | None = None
    repository: str | None = None
    revision: str | None = None


class RaySight(Struct, frozen=True, kw_only=True):
    """A cluster that was looked at and is as it must be: the engine's version, the nodes' addresses, their common interface."""

    version: str
    nodes: tuple[str, ...]
    interface: str | None = None


def look_at_ray(engine: RayEngine, report: Report) -> RaySight:
    """Run a small job that looks at every node. Raises `LaunchError` for the first thing that is not as it must be.

    All others are told as notices before. It is a `ClusterChanged` where a new plan may do.
    """
    at = dashboard(engine.cluster)
    report(EngineLoading(backend=engine.backend, fraction=0.0, detail="looking at the nodes"))
    seen, wanted = _seen(at, engine), _wanted(engine)
    found = obstacles(wanted, seen)
    for one in found[1:]:
        report(Notice(message=f"{one.what} {one.why} {one.hint}"))
    if found:
        kind = ClusterChanged if found[0].changed else LaunchError
        raise kind(found[0].what, why=found[0].why, hint=found[0].hint)
    version = version_of(wanted, seen[0])
    assert version is not None
    return RaySight(version=version, nodes=_addresses(at), interface=interface_of(seen))


def ray_command(engine: RayEngine, sight: RaySight) -> EngineCommand:
    """The process to start here, which stands for the engine there."""
    told = dict.fromkeys(INTERFACES, sight.interface) if sight.interface else {}
    task = Task(
        dashboard=dashboard(engine.cluster),
        job=name_of("run"),
        source=program("head"),
        child=engine.child,
        settings=engine.settings,
        environment={**{name: value for name, value in told.items() if value}, **engine.environment},
        nodes=sight.nodes,
        drain=engine.drain,
        metadata={"launchpad": engine.backend, "model": engine.model},
    )
    return EngineCommand(
        backend=engine.backend,
        model=engine.model,
        argv=(sys.executable, "-P", "-m", "launchpad.engines.ray.companion"),
        stdin=msgspec.json.encode(task).decode(),
        grace=engine.drain + 2 * LEFT + LEEWAY,
    )


def name_of(what: str) -> str:
    """A name for a job that no other has."""
    return f"launchpad-{what}-{secrets.token_hex(6)}"


def program(name: str) -> str:
    """The text of a program of this folder, to be sent."""
    return (_HERE / f"{name}.py").read_text("utf-8")


def _wanted(engine: RayEngine) -> Wanted:
    if engine.path is not None:
        place, remedy = (
            engine.path,
            f"Copy the folder {engine.path} there as it is here, or share it over the network.",
        )
    else:
        at = f"@{engine.revision}" if engine.revision else ""
        place = f"the Hub's cache ({engine.repository}{at})"
        remedy = (
            f"Bring it there: launchpad pull hf://{engine.repository}{at} --on {ray_name(engine.cluster)}"
        )
    return Wanted(
        engine=engine.engine,
        packages=engine.packages,
        model=engine.model,
        place=place,
        remedy=remedy,
        gpus=engine.gpus,
    )


def _seen(at: Dashboard, engine: RayEngine) -> Sequence[Seen]:
    jobs, name = Jobs(at), name_of("look")
    what = {
        "packages": engine.packages,
        "path": engine.path,
        "repository": engine.repository,
        "revision": engine.revision,
    }
    told = {"LAUNCHPAD_JOB": program("look"), "LAUNCHPAD_LOOK": msgspec.json.encode(what).decode()}
    jobs.submit(name, ENTRYPOINT, environment=told, metadata={"launchpad": "look"})
    ended = False
    try:
        job = _awaited(jobs, name)
        ended = True
        line = said(jobs.log(name), LOOK)
        if line is None:
            raise LaunchError(
                "The nodes of the Ray cluster cannot be looked at.",
                why=_cause(job, jobs.log(name)),
                hint="The head's PATH must have the Python that Ray is installed for.",
            )
        return msgspec.json.decode(line, type=list[Seen])
    except msgspec.MsgspecError as error:
        raise at.wrong("the look at its nodes has another shape") from error
    finally:
        if not ended:
            jobs.stop(name)
        else:
            threading.Thread(target=forget, args=(jobs, name), name="ray look").start()


def _awaited(jobs: Jobs, name: str) -> Job | None:
    limit = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < limit:
        job = jobs.look(name)
        if job is None or job.ended:
            return job
        time.sleep(0.25)
    raise LaunchError(
        "The Ray cluster does not get to look at its nodes.",
        why=f"The job for that did not end within {LOOK_SECONDS:.0f} s.",
        hint="`ray status` on the head shows what it waits for.",
        retryable=False,
    )


def forget(jobs: Jobs, name: str) -> None:
    """Take the look off the cluster's list, while other things go on."""
    time.sleep(SETTLES)
    with contextlib.suppress(LaunchpadError):
        jobs.forget(name)


def _cause(job: Job | None, log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"The job ended with {job.driver_exit_code if job else 'nothing'}."


def _addresses(at: Dashboard) -> tuple[str, ...]:
    document = at.get("/api/v0/nodes?limit=1000")
    try:
        rows = document["data"]["result"]["result"]
        return tuple(str(row["node_ip"]) for row in rows if row["state"] == "ALIVE")
    except (KeyError, TypeError) as error:
        raise at.wrong("the list of its nodes has another shape") from error

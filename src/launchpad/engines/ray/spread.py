"""Bring a model onto every node of a live Ray cluster: pinned here, fetched and hashed there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from launchpad.catalog.reference import parse
from launchpad.engines.ray.entry import ENTRYPOINT
from launchpad.engines.ray.job import forget, name_of, program
from launchpad.errors import PullError, RefusedError
from launchpad.events import Notice, PullProgress, PullStarted, Report
from launchpad.hardware.ray_dashboard import Dashboard
from launchpad.hardware.ray_jobs import Jobs
from launchpad.plugins.spec import Resolved
from launchpad.sanitize import clean

FETCH = "launchpad-fetch "
LOOK = 0.5  # s between two looks at the job


class _Said(Struct, frozen=True):
    """One file of one node: its number, and what failed."""

    address: str
    file: int
    failed: str | None = None


def spread(at: Dashboard, model: Resolved, nodes: int, report: Report) -> tuple[str, ...]:
    """Fetch the files onto all nodes that have GPUs, about so many; returns their addresses.

    Bytes come from the Hub, or the mirror that HF_ENDPOINT names here, with the token that each node has. Raises `PullError` when
    a node does not get all; `RefusedError` for files that nobody vouches for.
    """
    unsure = next(
        (one.path for one in model.files if one.size is None or not (one.sha256 or one.git_sha1)), None
    )
    if unsure is not None:
        raise RefusedError(
            f"{clean(model.ref)} is not brought onto other machines.",
            why=f"Nobody states what {clean(unsure)} must hash to.",
            hint="Pull it here, look at it, and copy its folder to the same path of every node.",
        )
    size = sum(one.size or 0 for one in model.files) * nodes
    report(PullStarted(ref=model.ref, size=size))
    whole: dict[str, set[int]] = {}
    failed: dict[str, str] = {}
    for said in _run(at, model):
        whole.setdefault(said.address, set())
        if said.failed is not None:
            failed[said.address] = f"{clean(model.files[said.file].path)}: {clean(said.failed)}"
            report(Notice(message=f"{clean(said.address)}: {failed[said.address]}"))
            continue
        whole[said.address].add(said.file)
        done = sum(model.files[number].size or 0 for there in whole.values() for number in there)
        report(PullProgress(ref=model.ref, done=min(done, size), size=size))
    every = set(range(len(model.files)))
    lacking = sorted(clean(address) for address, there in whole.items() if there != every)
    if lacking or not whole:
        raise PullError(
            f"{clean(model.ref)} is not whole on {', '.join(lacking) or 'any node'}.",
            why=next(iter(failed.values()), "The job for that ended before."),
            hint="Run it again: what is there already is kept. Gated models need a token (HF_TOKEN) on each node.",
        )
    return tuple(sorted(clean(address) for address in whole))


def _run(at: Dashboard, model: Resolved) -> Iterator[_Said]:
    """What the nodes say, as they say it. The job is gone afterwards, however this ends."""
    jobs, name = Jobs(at), name_of("fetch")
    files = [
        {"path": one.path, "size": one.size, "sha256": one.sha256, "git_sha1": one.git_sha1}
        for one in model.files
    ]
    what = {
        "repository": parse(model.ref).location,
        "revision": model.revision,
        "branch": model.branch,
        "files": files,
    }
    environment = {
        "LAUNCHPAD_JOB": program("fetch"),
        "LAUNCHPAD_FETCH": msgspec.json.encode(what).decode(),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **{name: value for name in ("HF_ENDPOINT",) if (value := os.environ.get(name))},
    }
    jobs.submit(name, ENTRYPOINT, environment=environment, metadata={"launchpad": "fetch"})
    told = 0
    try:
        while True:
            job = jobs.look(name)
            ended = job is None or job.ended
            lines = [line for line in jobs.log(name).splitlines(keepends=True) if line.startswith(FETCH)]
            for line in (whole for whole in lines[told:] if whole.endswith("\n")):
                told += 1
                yield _said(at, line, len(files))
            if ended:
                return
            time.sleep(LOOK)
    finally:
        jobs.stop(name)
        forget(jobs, name)


def _said(at: Dashboard, line: str, files: int) -> _Said:
    try:
        said = msgspec.json.decode(line.removeprefix(FETCH), type=_Said)
    except msgspec.MsgspecError as error:
        raise at.wrong("what its nodes fetched is told in another shape") from error
    if not 0 <= said.file < files:
        raise at.wrong("a node fetched what nobody asked for")
    return said

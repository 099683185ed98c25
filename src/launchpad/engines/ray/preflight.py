"""Whether the nodes of a Ray cluster can hold one engine together, from what each of them said: PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from launchpad.sanitize import clean


class Files(Struct, frozen=True, kw_only=True):
    """What a node has of the model: the hash of its settings, the names and sizes of its weights."""

    config: str
    weights: tuple[tuple[str, int], ...]


class Seen(Struct, frozen=True, kw_only=True):
    """What one node said. `error`: it said nothing else, and why. `counted` GPUs are Ray's, `gpus` the driver's (None: not known)."""

    address: str
    counted: float
    error: str | None = None
    python: str = ""
    packages: dict[str, str | None] = {}
    model: Files | None = None
    interface: str | None = None
    named: tuple[str | None, ...] = ()
    gpus: int | None = None
    unreached: str | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be started: by which packages (the first that is there counts), which model, and how it gets onto a node."""

    engine: str
    packages: tuple[str, ...]
    model: str
    place: str
    remedy: str
    gpus: int


class Obstacle(Struct, frozen=True, kw_only=True):
    """One thing that stands against it. `changed`: the plan was made for more than there is now."""

    what: str
    why: str
    hint: str
    changed: bool = False


def obstacles(wanted: Wanted, seen: Sequence[Seen]) -> list[Obstacle]:
    """All that stands against it, the first thing to repair first."""
    found = [
        Obstacle(
            what=f"Node {clean(one.address)} runs no task of Ray.",
            why=f"{clean(one.error or '').rstrip('.')}.",
            hint="`ray status` and `ray list nodes` on the head say how it is.",
            changed=True,
        )
        for one in seen
        if one.error is not None
    ]
    well = [one for one in seen if one.error is None]
    for check in (_gpus, _versions, _model, _network):
        found += check(wanted, well)
    return found


def version_of(wanted: Wanted, one: Seen) -> str | None:
    """The version of the engine on this node; None when it is not there."""
    return next((clean(v)[:40] for name in wanted.packages if (v := one.packages.get(name))), None)


def _gpus(wanted: Wanted, seen: Sequence[Seen]) -> Iterator[Obstacle]:
    for one in seen:
        if one.gpus is not None and one.counted > one.gpus:
            yield Obstacle(
                what=f"Ray counts {one.counted:g} GPUs on node {clean(one.address)}, its driver {one.gpus}.",
                why="A worker would be given a GPU that is not there.",
                hint=f"Start Ray there with --num-gpus={one.gpus}.",
            )
    counted = sum(one.counted for one in seen)
    if counted < wanted.gpus:
        yield Obstacle(
            what=f"The plan needs {wanted.gpus} GPUs, and nodes that answer have {counted:g}.",
            why="A node has left since the plan was made, or does not answer.",
            hint="Run it again: the plan is then made for the nodes that are left.",
            changed=True,
        )


def _versions(wanted: Wanted, seen: Sequence[Seen]) -> Iterator[Obstacle]:
    lacking = [one for one in seen if version_of(wanted, one) is None]
    for one in lacking:
        yield Obstacle(
            what=f"{wanted.engine} is not installed on node {clean(one.address)}.",
            why=f"The Python of its Ray ({clean(one.python)}) finds no package {' or '.join(wanted.packages)}.",
            hint=f"Install it there, for the Python that runs Ray: pip install {wanted.packages[0]}",
        )
    there = [one for one in seen if one not in lacking]
    reads: tuple[tuple[str, Callable[[Seen], str]], ...] = (
        (wanted.engine, lambda one: version_of(wanted, one) or "none"),
        ("Ray", lambda one: clean(one.packages.get("ray") or "none")[:40]),
        ("Python", lambda one: ".".join(clean(one.python)[:40].split(".")[:2])),
    )
    for name, read in reads:
        if len({read(one) for one in there}) > 1:
            yield Obstacle(
                what=f"The nodes have different versions of {name}.",
                why=", ".join(f"{clean(one.address)}: {read(one)}" for one in there) + ".",
                hint="Workers of one engine must be alike: install the same version on every node.",
            )


def _model(wanted: Wanted, seen: Sequence[Seen]) -> Iterator[Obstacle]:
    whole = [one for one in seen if one.model is not None and one.model.weights]
    for one in seen:
        if one not in whole:
            yield Obstacle(
                what=f"{wanted.model} is not on node {clean(one.address)}.",
                why=f"{wanted.place} holds no config.json there."
                if one.model is None
                else f"{wanted.place} holds no .safetensors file there.",
                hint=wanted.remedy,
            )
    for one in whole[1:]:
        if one.model != whole[0].model:
            yield Obstacle(
                what=f"Node {clean(one.address)} has another {wanted.model} than node {clean(whole[0].address)}.",
                why=f"The settings or the sizes of the weights in {wanted.place} differ: another revision, or half of a copy.",
                hint=wanted.remedy,
            )


def _network(wanted: Wanted, seen: Sequence[Seen]) -> Iterator[Obstacle]:
    for one in seen:
        if one.unreached is not None:
            yield Obstacle(
                what=f"Node {clean(one.address)} and the head do not reach each other's ports.",
                why=f"{clean(one.unreached)[:200].rstrip('.')}.",
                hint="Workers choose their ports freely: open all of them between the nodes, inside the private network.",
            )
    if len(seen) > 1 and not all(any(one.named) for one in seen):
        names = {one.interface for one in seen}
        if len(names) > 1:
            yield Obstacle(
                what="The nodes reach each other by interfaces of different names.",
                why=", ".join(f"{clean(one.address)}: {clean(one.interface or 'not known')}" for one in seen)
                + ".",
                hint="Start Ray on each node with its own: GLOO_SOCKET_IFNAME=… NCCL_SOCKET_IFNAME=… ray start …",
            )


def interface_of(seen: Sequence[Seen]) -> str | None:
    """The interface to name to the workers: the one that all nodes share, unless each was told its own."""
    names = {one.interface for one in seen}
    told = any(any(one.named) for one in seen)
    return next(iter(names)) if len(names) == 1 and not told else None

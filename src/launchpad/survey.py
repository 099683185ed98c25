"""Looking at the world: machine, catalogs, backends, what is on disk, which sources answer. Edge; decides nothing.

`survey` reads, `consider` turns what was read into candidates for `choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.merge import models_of
from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.choice.choose import Availability, Candidate
from launchpad.choice.engines import Engine, stands_back
from launchpad.choice.found import found_builds
from launchpad.choice.known_fits import KnownFits
from launchpad.choice.shortlist import Way
from launchpad.errors import BadModelFile, LaunchpadError
from launchpad.fit.calibration import Measurement, calibrate
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine, with_freed
from launchpad.hardware.named import is_live
from launchpad.hardware.referee import referee
from launchpad.launcher import measurements
from launchpad.plugins.spec import Backend, BackendStatus, ModelSource, Pulls, Reachability
from launchpad.pull.download_rate import remembered_rate
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.config import Config
    from launchpad.plugins.host import Host


class BackendHere(Struct, frozen=True, kw_only=True):
    """A backend and what it says about itself on this machine (None: the machine is simulated)."""

    backend: Backend
    status: BackendStatus | None

    @property
    def usable(self) -> bool:
        """True when it can start an engine here, or could on the simulated machine."""
        return self.status is None or self.status.state == "ready"

    def plays(self, wish: Wish) -> bool:
        """Whether it is usable, and no guest that nobody asked for."""
        waits = getattr(self.backend, "guest", False) and self.backend.name != wish.backend
        return self.usable and not waits

    def pulls(self, build: Build) -> bool:
        """Whether the engine fetches this build into a store of its own."""
        return isinstance(self.backend, Pulls) and self.backend.pulls(build)


class Survey(Struct, frozen=True, kw_only=True):
    """Everything that was read. `reach` maps each URI scheme to whether its source answers (empty: not asked).

    `layouts` are, by `Build.ref`, what the headers of remote files said that were read.
    """

    machine: Machine
    models: tuple[Model, ...]
    catalog_date: str | None
    backends: tuple[BackendHere, ...]
    local: Mapping[str, LocalModel]
    reach: Mapping[str, Reachability]
    layouts: Mapping[str, Layout] = {}
    measurements: tuple[Measurement, ...] = ()


def survey(
    host: Host,
    config: Config,
    wish: Wish,
    *,
    on: Machine | None = None,
    ask_sources: bool = False,
    freed: Mapping[str, int] | None = None,
) -> Survey:
    """Look at this machine (where `freed` bytes more can be had, by device), or take `on` for it; with `ask_sources`,
    ask every source for a sign of life.

    The sources are asked while the rest is read, so that one that does not answer costs its time-out once.
    """
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="survey") as pool:
        asked = _ask(pool, host.sources(), config, wish) if ask_sources else {}
        machine = on or detect_machine(host)
        catalogs = host.catalogs()
        models = models_of(catalogs)
        dates = [catalog.date for catalog in catalogs if catalog.date]
        backends = tuple(
            BackendHere(backend=b, status=None if on else b.status(machine))
            for b in host.backends()
            if wish.backend in (None, b.name) and _takes_part(b, wish, on)
        )
        for here in backends:
            if here.status is not None and here.status.devices:
                machine = referee(machine, here.backend.name, here.status.devices)
        machine = machine if on else with_freed(machine, freed or {})
        local = {} if on else _here(models, host, backends)
        reach = {scheme: future.result() for scheme, future in asked.items()}
    return Survey(
        machine=machine,
        models=models,
        catalog_date=max(dates, default=None),
        backends=backends,
        local=local,
        reach=reach,
        measurements=() if on else measurements.load(machine),
    )


def _takes_part(backend: Backend, wish: Wish, on: Machine | None) -> bool:
    """Nothing that an imagined machine has, unless it is asked for: a server with a store of its own, and an engine for
    several machines where there is one. On a live cluster nothing else can be started.
    """
    able = backend.capabilities
    if on is not None and is_live(on):
        return able.multi_node
    if on is None or wish.backend is not None:
        return True
    return not able.own_store and (on.cluster is not None or not able.multi_node)


def detect_machine(host: Host, *, measure_bandwidth: bool = True) -> Machine:
    """The machine at hand, from all probes."""
    from launchpad.hardware.detect import detect

    machine = detect(((p.name, p.probe) for p in host.probes()), measure_bandwidth=measure_bandwidth)
    return replace(machine, download_rate=remembered_rate())


def local_models(host: Host) -> list[LocalModel]:
    """What is on this machine, over all sources and backends; each reference and form once. No network."""
    backends = [BackendHere(backend=b, status=None) for b in host.backends()]
    found: dict[tuple[str, str], LocalModel] = {}
    for model in _every(host.sources(), backends):
        found.setdefault((model.ref, model.format), model)
    return list(found.values())


def _ask(
    pool: ThreadPoolExecutor, sources: Iterable[ModelSource], config: Config, wish: Wish
) -> dict[str, Future[Reachability]]:
    timeout = config.pull.source_timeout

    def ask(source: ModelSource) -> Reachability:
        if wish.offline and "file" not in source.schemes:
            return Reachability(
                ok=False, why="--offline was asked for", hint="Run it again without --offline."
            )
        return source.reachable(timeout)

    futures = {id(source): pool.submit(ask, source) for source in sources}
    return {scheme: futures[id(source)] for source in sources for scheme in source.schemes}


def _here(models: Sequence[Model], host: Host, backends: Iterable[BackendHere]) -> dict[str, LocalModel]:
    """What is on disk, by `local_key`. What has the build's own reference wins over a file that only is the same."""
    every = list(_every(host.sources(), backends))
    named: dict[str, LocalModel] = {}
    for model in every:
        named.setdefault(local_key(model.ref, model.format), model)
    same = {local_key(ref, x.format): x for ref, x in found_builds(models, every).items()}
    return {**same, **_files_of(models, host), **named}


def _every(sources: Iterable[ModelSource], backends: Iterable[BackendHere]) -> Iterator[LocalModel]:
    """Sources before backends' own stores: the first owner of a reference wins."""
    for source in sources:
        yield from source.local()
    for here in backends:
        yield from here.backend.local()


def local_key(ref: str, form: str) -> str:
    """`build_key`, with what Ollama runs itself apart from the same name's GGUF file."""
    key = build_key(ref)
    return f"{key}#gguf" if key.startswith("ollama://") and form == "gguf" else key


def _files_of(models: Iterable[Model], host: Host) -> dict[str, LocalModel]:
    """Files of this machine that the user put into a catalog, as far as they are there."""
    found = {}
    for model in models:
        for build in model.builds:
            if build.ref.startswith("file:") and build.format != "ollama":
                with suppress(LaunchpadError):
                    path = host.source("file").resolve(build).entry
                    found[build.ref] = LocalModel(
                        ref=build.ref,
                        path=path,
                        size=build.size or 0,
                        format=build.format,
                        owner="user",
                        model_id=model.id,
                    )
    return found


def build_key(ref: str) -> str:
    """What two references to the same build have in common: no revision (for the Hub), no case."""
    scheme, separator, rest = ref.partition("://")
    if scheme == "file":
        return ref
    if scheme == "ollama" and ":" not in rest.rpartition("/")[2]:
        rest += ":latest"
    if scheme == "hf" and "@" in rest:
        repository, _, pinned = rest.partition("@")
        _, colon, quantization = pinned.partition(":")
        rest = repository + colon + quantization
    return f"{scheme}{separator}{rest}".lower()


def consider(seen: Survey, wish: Wish, models: Sequence[Model]) -> list[Candidate]:
    """Every way to run each of `models`: model × build × usable backend, with its fit and availability."""
    found = (way.look() for model in models for way in ways(seen, wish, model))
    return [candidate for candidate in found if candidate is not None]


def ways(seen: Survey, wish: Wish, model: Model, known: KnownFits | None = None) -> list[Way]:
    """Each build of `model` that a usable backend could run; its fit is computed when it is looked at.

    `known` may be shared by the models of one survey and wish.
    """
    from launchpad.catalog.quality import doubt_of, loss_of

    found = []
    known = KnownFits() if known is None else known
    usable = [here for here in seen.backends if here.plays(wish)]
    engines = {here.backend.name: engine_of(here, seen.machine) for here in usable}
    for here in usable:
        name = here.backend.name
        others = [engine for engine in engines.values() if engine.name != name]
        for build in here.backend.builds(model):
            can = availability(build, seen, here, wish)
            if wish.backend is None and stands_back(engines[name], others, model, held=in_own_store(can)):
                continue
            loss, spread = loss_of(build, model), doubt_of(build, model)
            found.append(
                Way(
                    backend=here.backend.name,
                    build=build,
                    here=can.local is not None,
                    quantization_loss=loss,
                    quantization_spread=spread,
                    look=partial(_candidate, model, build, can, here, seen, wish, known, loss, spread),
                )
            )
    return found


_SLACK = 1.25  # a file may hold more than an engine loads


def too_large_for(seen: Survey, wish: Wish) -> Callable[[Model], bool]:
    """Whether all builds of a model are larger than all memory together, so that no fit needs to be computed."""
    memory, usable = seen.machine.memory, [here for here in seen.backends if here.plays(wish)]
    parts = (memory.available, *(a.memory_free for a in seen.machine.accelerators))
    if (
        seen.machine.cluster
        or None in parts
        or not all(getattr(here.backend, "has_default_fit", False) for here in usable)
    ):
        return lambda model: False
    most = sum(part or 0 for part in parts) + (memory.swap_free or 0 if wish.allow_swap else 0)

    formats = {form for here in usable for form in here.backend.capabilities.formats}
    limit = _SLACK * most

    def too_large(model: Model) -> bool:
        any_read = False
        for build in model.builds:  # no comprehension: it is asked of every model of a large catalog
            if build.format in formats:
                if build.size is None or build.size <= limit:
                    return False
                any_read = True
        return any_read

    return too_large


def _candidate(
    model: Model,
    build: Build,
    can: Availability,
    here: BackendHere,
    seen: Survey,
    wish: Wish,
    known: KnownFits,
    loss: float | None,
    spread: float,
) -> Candidate | None:
    layout = seen.layouts.get(build.ref) or local_layout(can.local)
    fit = known.fit(here.backend, model, build, seen.machine, wish, layout)
    if fit is None:
        return None
    return Candidate(
        model=model,
        build=build,
        fit=learned(fit, build, can, here, seen),
        availability=can,
        quantization_loss=loss,
        quantization_spread=spread,
    )


def unread(seen: Survey, wish: Wish, models: Sequence[Model]) -> list[Candidate]:
    """Every build of `models` by the built-in fit, for formats that no engine here reads."""
    from launchpad.catalog.quality import loss_of
    from launchpad.fit import fit

    found = []
    for model in models:
        for build in model.builds:
            why = f"no engine here reads {build.format}"
            computed = fit(
                model, build, seen.machine, wish, backend="none", layout=seen.layouts.get(build.ref)
            )
            note = f"{why}: the figures are what llama.cpp would need for the same weights"
            found.append(
                Candidate(
                    model=model,
                    build=build,
                    fit=replace(computed, notes=(note, *computed.notes)),
                    availability=Availability(obtainable=False, why_not=why),
                    quantization_loss=loss_of(build, model),
                )
            )
    return found


def local_layout(local: LocalModel | None) -> Layout | None:
    """What the header of a file on this machine says; None when it is not here, or not readable as GGUF.

    A bad file is not refused here: the catalog's figures rank it, and `run` refuses it by name before it starts.
    """
    if local is None or local.format != "gguf":
        return None
    from launchpad.lookup.model_file import read_layout, read_projector

    try:
        layout = read_layout(Path(local.path))
        return replace(layout, projector=read_projector(Path(local.projector))) if local.projector else layout
    except (BadModelFile, OSError):
        return None


def learned(fit: Fit, build: Build, can: Availability, here: BackendHere, seen: Survey) -> Fit:
    """The fit with what earlier launches on this machine taught."""
    size = can.local.size if can.local else build.size
    version = here.status.version if here.status else None
    return calibrate(fit, seen.measurements, build=build_key(build.ref), size=size, engine=version)


def engine_of(here: BackendHere, machine: Machine) -> Engine:
    """What the choice between engines needs to know of a usable backend."""
    able = here.backend.capabilities
    devices = here.status.devices if here.status else None
    idle = devices is not None and not any(device.api for device in devices) and bool(machine.accelerators)
    return Engine(name=here.backend.name, formats=able.formats, own_store=able.own_store, idle_gpu=idle)


def in_own_store(can: Availability) -> bool:
    """Whether the bytes lie in the store of the engine alone, which knows them by name."""
    return can.local is not None and not can.local.path


def availability(build: Build, seen: Survey, here: BackendHere | None, wish: Wish) -> Availability:
    """Whether the bytes of `build` are here or can be had. Sources that were not asked are taken to answer.

    What lies in the store of another engine than `here` is not here; an engine that fetches by itself may do so.
    """
    local = seen.local.get(local_key(build.ref, build.format))
    if local is not None and _is_for(local, here):
        return Availability(obtainable=True, local=local)
    reach = seen.reach.get(build.scheme)
    if reach is None and seen.reach and not wish.offline and here is not None and here.pulls(build):
        return Availability(obtainable=True)
    if reach is None:
        known = not seen.reach
        return Availability(
            obtainable=known, why_not=None if known else f"no source for {build.scheme}:// is installed"
        )
    if reach.ok:
        return Availability(obtainable=True)
    return Availability(obtainable=False, why_not=reach.why, hint=reach.hint)


def _is_for(local: LocalModel, here: BackendHere | None) -> bool:
    """Files are for every engine; what has no path only for the engine in whose store it is."""
    return bool(local.path) or (here is not None and local.format in here.backend.capabilities.formats)

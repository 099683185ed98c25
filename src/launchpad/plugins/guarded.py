"""What the host hands out in place of a plugin's own objects: the same methods, each call guarded and checked.

Names and capabilities are read once. A failing call gives what an absent plugin would have given (nothing found, cannot
be used, cannot say), or raises the `LaunchpadError` that the caller expects where nothing can stand in for a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from time import time

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import EngineError, LaunchError, PullError
from launchpad.events import Report
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine, ProbeResult
from launchpad.plan import EngineArguments, StartStep
from launchpad.plugins import validate
from launchpad.plugins.base import BackendBase
from launchpad.plugins.guarded_calls import SLOW as _SLOW
from launchpad.plugins.guarded_calls import items as _items
from launchpad.plugins.guarded_calls import required as _required
from launchpad.plugins.guarded_calls import rolled_back as _rolled_back
from launchpad.plugins.isolation import uncaptured
from launchpad.plugins.open_engines import refuse_open_engines
from launchpad.plugins.plugin import Plugin
from launchpad.plugins.spec import (
    Backend,
    BackendCapabilities,
    BackendStatus,
    BuildLister,
    Catalog,
    DryRuns,
    HardwareProbe,
    Installation,
    InstallOptions,
    Installs,
    Listing,
    Listings,
    ModelSource,
    Pulls,
    Reachability,
    Resolved,
)
from launchpad.plugins.validate import MAX_ITEMS, MAX_MODELS, checked, listed
from launchpad.wish import Wish

_REMOTE = 12  # times the usual limit: talks to a server


class GuardedProbe:
    """A `HardwareProbe` that cannot hurt."""

    def __init__(self, plugin: Plugin, probe: HardwareProbe) -> None:
        validate.check_protocol(probe, HardwareProbe)
        self.plugin = plugin
        self.name = validate.check_name(probe.name)
        self._probe = probe

    def probe(self) -> ProbeResult:
        """What it found; an empty result with a warning when it failed."""
        stage = f"{self.name}.probe"
        return self.plugin.attempt(
            stage,
            self._probe.probe,
            lambda why: ProbeResult(warnings=(f"The probe {self.name} failed: {why}.",)),
            check=lambda result: checked(result, ProbeResult, stage),
            limit=_SLOW * self.plugin.limit,
        )


class GuardedCatalog:
    """A `Catalog` that cannot hurt."""

    def __init__(self, plugin: Plugin, catalog: Catalog) -> None:
        validate.check_protocol(catalog, Catalog)
        self.plugin = plugin
        self.name = validate.check_name(catalog.name)
        self._catalog = catalog
        self._models: tuple[Model, ...] | None = None

    @property
    def date(self) -> str | None:
        """The day that the data speaks of."""
        return self.plugin.attempt(f"{self.name}.date", lambda: self._catalog.date, lambda _: None)

    def models(self) -> Sequence[Model]:
        """All models, read once; none when it failed."""
        if self._models is None:
            stage = f"{self.name}.models"
            self._models = _items(self.plugin, stage, self._catalog.models, Model, MAX_MODELS)
        return self._models


class GuardedSource:
    """A `ModelSource` that cannot hurt."""

    def __init__(self, plugin: Plugin, source: ModelSource) -> None:
        validate.check_protocol(source, ModelSource)
        self.plugin = plugin
        self.name = validate.check_name(source.name)
        self.schemes = tuple(
            validate.check_scheme(scheme) for scheme in listed(source.schemes, "schemes", 20)
        )
        self._source = source

    def reachable(self, timeout: float) -> Reachability:
        """Whether it answers; no, when it failed."""
        stage = f"{self.name}.reachable"
        return self.plugin.attempt(
            stage,
            partial(self._source.reachable, timeout),
            lambda why: Reachability(ok=False, why=f"The plugin {self.plugin.name} failed: {why}."),
            check=lambda result: checked(result, Reachability, stage),
            limit=timeout + self.plugin.limit,
        )

    def resolve(self, build: Build) -> Resolved:
        """Pin the build. Raises `PullError`."""
        stage = f"{self.name}.resolve"
        return _required(
            self.plugin,
            stage,
            partial(self._source.resolve, build),
            lambda result: checked(result, Resolved, stage),
            lambda why: PullError(f"{build.ref} cannot be looked up.", why=why, hint=_HINT),
            _REMOTE * self.plugin.limit,
        )

    def builds(self, ref: str) -> Iterable[Build]:
        """The builds at a place; none where the source cannot list them. Raises `PullError`."""
        source, stage = self._source, f"{self.name}.builds"
        if not isinstance(source, BuildLister):
            return ()
        return _required(
            self.plugin,
            stage,
            lambda: tuple(listed(source.builds(ref), stage, MAX_ITEMS)),
            lambda found: tuple(checked(build, Build, stage) for build in found),
            lambda why: PullError(f"{ref} cannot be looked up.", why=why, hint=_HINT),
            _REMOTE * self.plugin.limit,
        )

    @property
    def lists(self) -> bool:
        """Whether it can say what has changed at a place."""
        return isinstance(self._source, Listings)

    def listing(self, ref: str, unless: str | None) -> Listing | None:
        """What is at a place, None when nothing has changed. Raises `PullError`."""
        source, stage = self._source, f"{self.name}.listing"
        if not isinstance(source, Listings):
            return None

        def check(found: Listing | None) -> Listing | None:
            return None if found is None else checked(found, Listing, stage)

        return _required(
            self.plugin,
            stage,
            partial(source.listing, ref, unless),
            check,
            lambda why: PullError(f"{ref} cannot be looked up.", why=why, hint=_HINT),
            _REMOTE * self.plugin.limit,
        )

    def local(self) -> Iterable[LocalModel]:
        """What its store holds; nothing when it failed."""
        return _items(self.plugin, f"{self.name}.local", self._source.local, LocalModel, MAX_ITEMS)


class GuardedBackend:
    """A `Backend` that cannot hurt. Built-in backends are pure where the contract says so, and called directly there."""

    def __init__(self, plugin: Plugin, backend: Backend) -> None:
        validate.check_protocol(backend, Backend)
        self.plugin = plugin
        self.name = validate.check_name(backend.name)
        self.capabilities = checked(backend.capabilities, BackendCapabilities, "capabilities")
        self._backend = backend
        self._pure_limit = None if plugin.builtin else plugin.limit
        self.guest = getattr(backend, "guest", False) is True  # runs only where it is asked for by its name

    @property
    def has_default_fit(self) -> bool:
        """Whether fits are those of `BackendBase`, or like them never run what is larger than all memory."""
        own = getattr(type(self._backend), "fit", None)
        return own is BackendBase.fit or bool(
            self.plugin.builtin and getattr(self._backend, "bounded", False)
        )

    @property
    def fits_alike(self) -> bool:
        """Whether models of one shape in files of one size have the same fit: those of `BackendBase`."""
        return getattr(type(self._backend), "fit", None) is BackendBase.fit

    def status(self, machine: Machine) -> BackendStatus:
        """Whether it can run here; unusable when it failed."""
        stage = f"{self.name}.status"
        return self.plugin.attempt(
            stage,
            partial(self._backend.status, machine),
            lambda why: BackendStatus(state="unusable", why=f"The plugin {self.plugin.name} failed: {why}."),
            check=lambda result: checked(result, BackendStatus, stage),
            limit=_SLOW * self.plugin.limit,
        )

    def builds(self, model: Model) -> Iterable[Build]:
        """The builds that it could run; none when it failed."""
        stage = f"{self.name}.builds"
        call = partial(self._backend.builds, model)
        return _items(self.plugin, stage, call, Build, MAX_ITEMS, limit=self._pure_limit)

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """How the build would run; None when it cannot say, or says what cannot be."""

        def check(fit: Fit | None) -> Fit | None:
            return (
                None
                if fit is None
                else validate.check_fit(fit, model, build, machine, wish, backend=self.name)
            )

        call = partial(self._backend.fit, model, build, machine, wish, layout)
        return self.plugin.attempt(
            f"{self.name}.fit", call, lambda _: None, check=check, limit=self._pure_limit
        )

    def arguments(self, fit: Fit) -> EngineArguments:
        """What the engine would be told. Raises `EngineError`."""
        stage = f"{self.name}.arguments"
        return _required(
            self.plugin,
            stage,
            partial(self._backend.arguments, fit),
            lambda result: validate.check_arguments(result, stage),
            lambda why: EngineError(
                f"The backend {self.name} cannot say how it is started.", why=why, hint=_HINT
            ),
            self._pure_limit,
        )

    def local(self) -> Iterable[LocalModel]:
        """What its own store holds; nothing when it failed."""
        return _items(self.plugin, f"{self.name}.local", self._backend.local, LocalModel, MAX_ITEMS)

    def pulls(self, build: Build) -> bool:
        """Whether it fetches this build into a store of its own; no when it failed."""
        backend = self._backend
        if not isinstance(backend, Pulls):
            return False
        return self.plugin.attempt(
            f"{self.name}.pulls", lambda: bool(backend.pulls(build)), lambda _: False, limit=self._pure_limit
        )

    def pull(self, build: Build, report: Report) -> LocalModel:
        """Fetch in the caller's thread, for as long as it takes. Raises `PullError`."""
        backend, stage = self._backend, f"{self.name}.pull"
        if not isinstance(backend, Pulls):
            raise PullError(f"The backend {self.name} pulls nothing by itself.")
        return _required(
            self.plugin,
            stage,
            lambda: backend.pull(build, uncaptured(report)),
            lambda result: checked(result, LocalModel, stage),
            lambda why: PullError(f"{build.ref} cannot be pulled.", why=why, hint=_HINT),
            None,
        )

    @property
    def installs(self) -> bool:
        """Whether it can install its engine."""
        return isinstance(self._backend, Installs)

    def installation(self, machine: Machine, options: InstallOptions) -> Installation:
        """What installing its engine would do. Raises `EngineError`."""
        backend, stage = self._installer(), f"{self.name}.installation"
        return _required(
            self.plugin,
            stage,
            partial(backend.installation, machine, options),
            lambda result: checked(result, Installation, stage),
            lambda why: EngineError(f"{self.name} cannot be installed.", why=why, hint=_HINT),
            _REMOTE * self.plugin.limit,
        )

    def install(self, installation: Installation, report: Report) -> str:
        """Install its engine in the caller's thread, for as long as it takes. Raises `EngineError`."""
        backend = self._installer()
        return _required(
            self.plugin,
            f"{self.name}.install",
            lambda: str(backend.install(installation, uncaptured(report))),
            None,
            lambda why: EngineError(f"{self.name} was not installed.", why=why, hint=_HINT),
            None,
        )

    def rollback(self) -> str:
        """Take away the last installation; returns its name. Raises `EngineError`."""
        return _rolled_back(self.plugin, self.name, self._backend)

    def _installer(self) -> Installs:
        if not isinstance(self._backend, Installs):
            raise EngineError(
                f"launchpad does not install {self.name}.", hint="`launchpad engines` says how to get it."
            )
        return self._backend

    def dry_run(self, start: StartStep) -> EngineReport | None:
        """What the engine says that it would allocate; None when it cannot, does not, or failed."""
        backend = self._backend
        if not isinstance(backend, DryRuns):
            return None
        stage = f"{self.name}.dry_run"
        return self.plugin.attempt(
            stage,
            partial(backend.dry_run, start),
            lambda _: None,
            check=lambda result: None if result is None else checked(result, EngineReport, stage),
            limit=_REMOTE * self.plugin.limit,
        )

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start in the caller's thread, for as long as it takes. Raises `LaunchError`."""
        since = time()

        def launch() -> RunningServer:
            return self._backend.launch(start, uncaptured(report))

        running = _required(
            self.plugin,
            f"{self.name}.launch",
            launch,
            lambda running: _checked_server(self.plugin, self.name, running),
            lambda why: LaunchError(f"The backend {self.name} could not start.", why=why, hint=_HINT),
            None,
        )
        if not self.plugin.builtin:  # our own look for themselves, and know what the user agreed to
            refuse_open_engines(self.name, running, since)
        return running


class GuardedServer:
    """A third party's `RunningServer`. A handle that fails says so, for the engine may still be there."""

    def __init__(self, plugin: Plugin, backend: str, running: RunningServer) -> None:
        self.plugin = plugin
        self.server = checked(running.server, Server, f"{backend}.launch")
        self._backend = backend
        self._running = running

    def alive(self) -> bool:
        """False once the engine is gone, or when it cannot be told."""
        return bool(self.plugin.attempt(f"{self._backend}.alive", self._running.alive, lambda _: False))

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""

        def call() -> tuple[str, ...]:
            return tuple(str(line) for line in self._running.log_tail(lines))[-lines:]

        return self.plugin.attempt(f"{self._backend}.log_tail", call, lambda _: ())

    def ended(self) -> str | None:
        """How the engine ended; None when it runs, or when this handle does not tell."""
        ended = getattr(self._running, "ended", None)
        if ended is None:
            return None
        return self.plugin.attempt(f"{self._backend}.ended", lambda: _text(ended()), lambda _: None)

    def stop(self) -> None:
        """Stop the engine. Raises `EngineError` when it may still be running."""
        _required(
            self.plugin,
            f"{self._backend}.stop",
            self._running.stop,
            None,
            lambda why: EngineError(
                f"The engine of {self._backend} may still be running (pid {self.server.pid}).", why=why
            ),
            _REMOTE * self.plugin.limit,
        )


_HINT = "`launchpad plugins` tells more."


def _text(said: object) -> str | None:
    return None if said is None else str(said)[:300]


def _checked_server(plugin: Plugin, backend: str, running: RunningServer) -> RunningServer:
    validate.check_protocol(running, RunningServer)
    return GuardedServer(plugin, backend, running)

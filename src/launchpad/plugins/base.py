"""What most backends do the same way: subclass `BackendBase` and write the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Api, Machine
from launchpad.plan import EngineArguments, StartStep
from launchpad.plugins.spec import BackendCapabilities, BackendStatus
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.events import Report


class BackendBase(ABC):
    """A `Backend` with defaults: builds by format, the built-in fit, settings as arguments, no store of its own."""

    name: str
    capabilities: BackendCapabilities

    @abstractmethod
    def status(self, machine: Machine) -> BackendStatus:
        """Can it run here? Never raises."""

    def builds(self, model: Model) -> Iterable[Build]:
        """The builds in a format that this backend reads."""
        return tuple(build for build in model.builds if build.format in self.capabilities.formats)

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """The built-in fit, with the accelerator APIs and the build of the engine that would run it."""
        from launchpad.fit import fit

        return fit(
            model,
            build,
            machine,
            wish,
            backend=self.name,
            apis=self.usable_apis(machine),
            layout=layout,
            engine_build=self.engine_build(machine),
        )

    def usable_apis(self, machine: Machine) -> tuple[Api, ...]:
        """The accelerator APIs that the engine at hand can use: those of every build unless the backend knows better."""
        return self.capabilities.apis

    def engine_build(self, machine: Machine) -> int | None:
        """The number of llama.cpp's build, for engines that are one; 0 is one that does not tell, None a current one."""
        return None

    def arguments(self, fit: Fit) -> EngineArguments:
        """The settings that every engine has."""
        settings = fit.settings
        return {"context": settings.context, "parallel": settings.parallel}

    def local(self) -> Iterable[LocalModel]:
        """Nothing: weights come from launchpad's own store."""
        return ()

    def dry_run(self, start: StartStep) -> EngineReport | None:
        """None: this engine cannot say what it would allocate without doing so."""
        return None

    @abstractmethod
    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start and return when ready; raises `LaunchError` with the cause and the log's tail."""

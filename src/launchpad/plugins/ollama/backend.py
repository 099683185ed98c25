"""The backend `ollama`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from launchpad.plugins import (
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    Build,
    EngineArguments,
    Fit,
    LaunchpadError,
    Layout,
    LocalModel,
    Machine,
    Model,
    Placement,
    Report,
    RunningServer,
    Settings,
    StartStep,
    Wish,
    ollama_fit,
)
from launchpad.plugins.ollama.address import Address, address
from launchpad.plugins.ollama.models import Shown
from launchpad.plugins.ollama.names import pulled_by_ollama

MODEST_CONTEXT = 8192  # enough for a chat; what a server elsewhere has room for is not known


class Ollama(BackendBase):
    """A server with a store of its own, here or elsewhere; runs GGUF files through the llama.cpp that it brings.

    `environment` is where OLLAMA_* variables are read; the process's own unless given.
    """

    name = "ollama"
    capabilities = BackendCapabilities(
        formats=("gguf", "ollama"),
        apis=("cuda", "rocm", "vulkan", "metal"),
        tools=True,
        vision=True,
        json_schema=True,
        parallel=True,
        own_store=True,
        keyed=False,
    )

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        read = os.environ if environment is None else environment
        self._environment = {name: value for name, value in read.items() if name.startswith("OLLAMA_")}
        self._address: Address = address(self._environment)
        self._status: BackendStatus | None = None
        self._held: dict[str, Shown] = {}  # what its store holds, by launchpad's reference

    @property
    def bounded(self) -> bool:
        """Whether nothing larger than this machine's memory runs: not so on another machine."""
        return self._address.local

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when a server answers, or its program is here; a server elsewhere is named."""
        from launchpad.plugins.ollama.detect import status

        if machine.simulated:
            return BackendStatus(state="ready")
        if self._status is None:
            self._status = status(self._address)
        return self._status

    def builds(self, model: Model) -> Iterable[Build]:
        """GGUF files, which are imported or pulled, and builds of Ollama's library; never those of its cloud."""
        return tuple(
            build
            for build in super().builds(model)
            if not build.ref.startswith("ollama://") or (build.format == "ollama" and pulled_by_ollama(build))
        )

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """As Ollama places it, with its slots and batches. Elsewhere nobody knows: "unknown"."""
        shown = self._held.get(build.ref)
        if not self._address.local and not machine.simulated:
            return self._elsewhere(model, build, wish, shown)
        if shown is not None and layout is None and not model.shape.layers:
            model = replace(model, shape=shown.shape, context=model.context or shown.context)
        return ollama_fit(
            model,
            build,
            machine,
            wish,
            environment=self._told(shown),
            apis=self.capabilities.apis,
            layout=layout,
        )

    def _told(self, shown: Shown | None) -> Mapping[str, str]:
        """The server's settings for this model: what its model file says beats the environment, as in Ollama."""
        if shown is None or shown.num_ctx is None:
            return self._environment
        return {**self._environment, "OLLAMA_CONTEXT_LENGTH": str(shown.num_ctx)}

    def _elsewhere(self, model: Model, build: Build, wish: Wish, shown: Shown | None) -> Fit:
        told = self._told(shown).get("OLLAMA_CONTEXT_LENGTH", "")
        context = wish.context or (int(told) if told.isdigit() and int(told) else MODEST_CONTEXT)
        most = (shown and shown.context) or model.context
        return Fit(
            model_id=model.id,
            build=build.ref,
            backend=self.name,
            settings=Settings(context=min(context, most) if most else context),
            placement=Placement(kind="unknown"),
            devices=(),
            verdict="unknown",
            elsewhere=True,
            why=f"it would run on {self._address.host}, and nothing is known of that machine's memory",
        )

    def arguments(self, fit: Fit) -> EngineArguments:
        """What goes with every request. A prompt that is too long must be an error."""
        settings = fit.settings
        return {"num_ctx": settings.context // settings.parallel, "truncate": False, "shift": False}

    def local(self) -> Iterable[LocalModel]:
        """What the server's store holds; nothing while no server runs."""
        from launchpad.plugins.ollama.client import Server
        from launchpad.plugins.ollama.models import local_models

        server = Server(self._address)
        try:
            if self._address.cloud or server.version(timeout=1.0) is None:
                return ()
            found = local_models(server)
        except (OSError, LaunchpadError):
            return ()
        finally:
            server.close()
        self._held = {local.ref: shown for local, shown in found.values()}
        return tuple(local for local, _ in found.values())

    def pulls(self, build: Build) -> bool:
        """What Ollama's library has, and single GGUF files of the Hub."""
        return pulled_by_ollama(build)

    def pull(self, build: Build, report: Report) -> LocalModel:
        """Pull through the server, which is started for it where none runs."""
        from launchpad.plugins.ollama.launch import a_server
        from launchpad.plugins.ollama.pull import pull

        with a_server(self._address, {}, build.ref, report) as (server, process, _):
            try:
                return pull(server, build, report)
            finally:
                server.close()
                if process is not None:
                    process.stop()

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Load the model into the server that runs, or into one of our own; returns when it is in memory."""
        from launchpad.plugins.ollama.launch import launch

        return launch(start, report, self._address)

"""The backend `llamacpp`."""

from __future__ import annotations

import importlib.metadata
import importlib.util

from launchpad.plugins import (
    Api,
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    EngineArguments,
    EngineError,
    EngineReport,
    Fit,
    Machine,
    Report,
    RunningServer,
    StartStep,
)
from launchpad.plugins.llamacpp import install
from launchpad.plugins.llamacpp.arguments import arguments


class LlamaCpp(BackendBase):
    """llama.cpp embedded in a child process; runs GGUF files on the CPU and, in the right build, on GPUs."""

    name = "llamacpp"
    capabilities = BackendCapabilities(
        formats=("gguf",),
        apis=("cuda", "rocm", "vulkan", "metal"),
        tools=True,
        json_schema=True,
        parallel=True,
        web_ui=True,
    )

    def __init__(self) -> None:
        self._status: dict[Machine, BackendStatus] = {}

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when xllamacpp is installed and can list its devices; a GPU that this build leaves idle is said."""
        if machine not in self._status:
            self._status[machine] = self._look(machine)
        return self._status[machine]

    def _look(self, machine: Machine) -> BackendStatus:
        architecture = machine.cpu.architecture
        musl = not machine.simulated and install.on_musl()
        try:
            version = importlib.metadata.version(install.PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            version = None
        if machine.simulated or version is None or importlib.util.find_spec(install.PACKAGE) is None:
            if why := install.no_wheel(machine.os, architecture, musl):
                return BackendStatus(state="unusable", why=why, hint="Use another engine: launchpad backends")
            if machine.simulated:
                return BackendStatus(state="ready", version=version)
            why = "The package xllamacpp is not installed."
            return BackendStatus(state="installable", why=why, hint=install.command())
        return self._ask_engine(machine, version)

    def _ask_engine(self, machine: Machine, version: str) -> BackendStatus:
        from launchpad.plugins.llamacpp.devices import devices

        try:
            found = devices(version, machine)
        except EngineError as error:
            return BackendStatus(state="unusable", version=version, why=error.what, hint=install.command())
        usable: set[Api] = {device.api for device in found if device.api}
        if better := install.better_api(machine, usable):
            why = f"The installed build cannot use this machine's GPU; the build for {better} can."
            hint = install.command(better)
            return BackendStatus(state="ready", version=version, devices=found, why=why, hint=hint)
        return BackendStatus(state="ready", version=version, devices=found)

    def usable_apis(self, machine: Machine) -> tuple[Api, ...]:
        """Those of the installed build's own devices; on simulated machines, those of every build."""
        if machine.simulated:
            return self.capabilities.apis
        return tuple(sorted({device.api for device in self.status(machine).devices or () if device.api}))

    def arguments(self, fit: Fit) -> EngineArguments:
        """Exactly what llama.cpp is told, under its own names."""
        return arguments(fit)

    def dry_run(self, start: StartStep) -> EngineReport | None:
        """What llama.cpp says that it would allocate; nothing is, and of the file only the header is read."""
        from launchpad.plugins.llamacpp.dry_run import dry_run

        return dry_run(start)

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Load the model in a child process under the guard; returns when it answers."""
        from launchpad.plugins.llamacpp.launch import launch

        return launch(start, report)

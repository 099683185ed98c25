"""The backend `llamacpp`."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from launchpad.plugins import (
    Api,
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    ConfigError,
    EngineArguments,
    EngineReport,
    Fit,
    Installation,
    InstallOptions,
    Machine,
    ProgramHere,
    Report,
    RunningServer,
    StartStep,
)
from launchpad.plugins.llamacpp import install
from launchpad.plugins.llamacpp.arguments import arguments
from launchpad.plugins.llamacpp.libraries import way_out

if TYPE_CHECKING:
    from launchpad.plugins.llamacpp.find import Found
    from launchpad.plugins.llamacpp.program import Program

_OTHER = "Use another engine: launchpad engines"
_INSTALL = "launchpad engines install llama.cpp"


class LlamaCpp(BackendBase):
    """llama.cpp, embedded or a `llama-server`, in a child process; runs GGUF files on the CPU and, in the right build, on GPUs."""

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
        self._used: Program | None = None  # on this machine, once it was looked at

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when a llama.cpp is here that can list its devices; which one is used and why, and a GPU left idle, is said."""
        if machine not in self._status:
            self._status[machine] = self._imagine(machine) if machine.simulated else self._look(machine)
        return self._status[machine]

    def _imagine(self, machine: Machine) -> BackendStatus:
        if why := install.no_wheel(machine.os, machine.cpu.architecture, musl=False):
            return BackendStatus(state="unusable", why=why, hint=_OTHER)
        try:
            version = importlib.metadata.version(install.PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            version = None
        return BackendStatus(state="ready", version=version)

    def _look(self, machine: Machine) -> BackendStatus:
        from launchpad.plugins.llamacpp.find import find
        from launchpad.plugins.llamacpp.which import best

        try:
            found = find(machine)
        except ConfigError as error:
            return BackendStatus(
                state="unusable", why=f"{error.what} {error.why or ''}".strip(), hint=error.hint
            )
        self._used = best(found.programs)
        if self._used is None:
            return _absent(machine, found)
        return _ready(machine, self._used, found)

    def usable_apis(self, machine: Machine) -> tuple[Api, ...]:
        """Those of the devices of the program that is used here; on simulated machines, those of every build."""
        if machine.simulated:
            return self.capabilities.apis
        used = self._program(machine)
        return used.apis if used else ()

    def engine_build(self, machine: Machine) -> int | None:
        """The build of the program that is used here: its buffers and its speed depend on it. None: a current one."""
        used = None if machine.simulated else self._program(machine)
        return None if used is None else used.build

    def _program(self, machine: Machine) -> Program | None:
        """A machine with what the engine itself says of it is still this one: it is not looked at again."""
        if self._used is None:
            self.status(machine)
        return self._used

    def arguments(self, fit: Fit) -> EngineArguments:
        """Exactly what llama.cpp is told, under its own names."""
        return arguments(fit)

    def dry_run(self, start: StartStep) -> EngineReport | None:
        """What llama.cpp says that it would allocate; nothing is, and of the file only the header is read."""
        from launchpad.plugins.llamacpp.dry_run import dry_run

        return dry_run(start, self._to_start())

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Load the model in a child process under the guard; returns when it answers."""
        from launchpad.plugins.llamacpp.launch import launch

        return launch(start, report, self._to_start())

    def installation(self, machine: Machine, options: InstallOptions) -> Installation:
        """The right wheel for this machine, in an environment of its own."""
        from launchpad.plugins.llamacpp.managed import installation

        return installation(machine, options)

    def install(self, installation: Installation, report: Report) -> str:
        """Make the environment and prove it."""
        from launchpad.plugins.llamacpp.managed import install

        self._forget()
        return install(installation, report)

    def rollback(self) -> str:
        """Take away the last installation."""
        from launchpad.plugins.llamacpp.managed import rollback

        self._forget()
        return rollback()

    def _forget(self) -> None:
        self._status.clear()
        self._used = None

    def _to_start(self) -> Program | None:
        """The program that was chosen; a plan that was kept is started without a new look at the machine's GPUs."""
        if self._used is None:
            self.status(Machine(name="here"))
        return self._used


def _ready(machine: Machine, used: Program, found: Found) -> BackendStatus:
    from launchpad.plugins.llamacpp.which import reason

    why, hint = reason(used, found.programs), None
    if better := install.better_api(machine, set(used.apis)):
        why = f"{used.name} cannot use this machine's GPU; the build for {better} can."
        hint = f"{_INSTALL} --accelerator {better}"
    version = used.version if used.kind == "wheel" else f"b{used.build}"
    return BackendStatus(
        state="ready",
        version=version,
        devices=used.devices,
        why=why,
        hint=hint,
        place=used.place,
        programs=_listed(used, found),
    )


def _listed(used: Program | None, found: Found) -> tuple[ProgramHere, ...]:
    """All that are here, the one that is used first."""
    here = [
        ProgramHere(
            place=program.place,
            version=program.name,
            owner=program.owner,
            devices=tuple(device.name for device in program.devices),
            used=program is used,
        )
        for program in found.programs
    ]
    refused = [ProgramHere(place=one.place, why=one.why) for one in found.refused]
    return (*sorted(here, key=lambda one: not one.used), *refused)


def _absent(machine: Machine, found: Found) -> BackendStatus:
    if found.refused:
        first = found.refused[0]
        return BackendStatus(
            state="unusable",
            why=f"{first.place}: {first.why}",
            hint=way_out(first.why) or _INSTALL,
            programs=_listed(None, found),
        )
    if why := install.no_wheel(machine.os, machine.cpu.architecture, install.on_musl()):
        return BackendStatus(state="unusable", why=why, hint=_OTHER)
    why = "The package xllamacpp is not installed."
    return BackendStatus(state="installable", why=why, hint=install.command())

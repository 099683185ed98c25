"""The backend `vllm`."""

from __future__ import annotations

from collections.abc import Iterable

from launchpad.plugins import (
    Accelerator,
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    Build,
    EngineArguments,
    EngineMissing,
    Fit,
    Installation,
    InstallOptions,
    LaunchpadError,
    Layout,
    Machine,
    Model,
    Report,
    RunningServer,
    StartStep,
    Wish,
    setting,
    vllm_cpu_fit,
    vllm_fit,
)
from launchpad.plugins.vllm.arguments import arguments
from launchpad.plugins.vllm.builds import refusal
from launchpad.plugins.vllm.find import Found

INSTALL = "launchpad engines install vllm"
_CPU_ISA = frozenset({"avx2", "avx512f", "neon"})


class Vllm(BackendBase):
    """vLLM in an environment of its own: safetensors on GPUs of CUDA and ROCm, or on the CPU; one machine or several."""

    name = "vllm"
    bounded = True  # nothing larger than all memory runs
    capabilities = BackendCapabilities(
        formats=("safetensors",),
        apis=("cuda", "rocm"),
        tools=True,
        vision=True,
        json_schema=True,
        parallel=True,
        multi_node=True,
    )

    def __init__(self) -> None:
        self._found: tuple[Found, ...] | None = None

    # -- here or not ------------------------------------------------------------------------------------------

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when a vLLM is here whose build can compute on this machine."""
        if machine.simulated:
            return BackendStatus(state="ready")
        if machine.os not in (None, "linux"):
            why = f"vLLM runs on Linux, and this is {machine.os}."
            return BackendStatus(state="unusable", why=why, hint="Use another engine: launchpad engines")
        try:
            found = self.installations()
        except LaunchpadError as error:
            return BackendStatus(state="unusable", why=str(error.what), hint=error.hint)
        usable = self._best(found, machine)
        if usable is not None:
            return _ready(usable, machine)
        if found:
            return BackendStatus(
                state="unusable",
                version=found[0].version,
                place=found[0].python,
                why=obstacle(found[0], machine),
                hint=INSTALL,
            )
        return BackendStatus(state="installable", why=_absent(machine), hint=INSTALL)

    def installations(self) -> tuple[Found, ...]:
        """Every vLLM here. Raises `ConfigError`."""
        if self._found is None:
            from launchpad.plugins.vllm.find import installations

            self._found = tuple(installations())
        return self._found

    def _best(self, found: Iterable[Found], machine: Machine) -> Found | None:
        """The first that can be used here; one that uses a GPU before one that leaves it idle."""
        usable = [one for one in found if obstacle(one, machine) is None]
        return next((one for one in usable if one.variant != "cpu"), usable[0] if usable else None)

    def _used(self, machine: Machine) -> Found | None:
        return None if machine.simulated else self._best(self.installations(), machine)

    # -- what it would do -------------------------------------------------------------------------------------

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """As vLLM shares out its memory. On a CPU it leaves what llama.cpp runs, too, to that, unless it is asked for."""
        used = self._used(machine)
        if used is not None and used.variant == "cpu":
            elsewhere = any(one.format == "gguf" for one in model.builds)
            if elsewhere and wish.backend != self.name:
                return None
            return vllm_cpu_fit(
                model, build, machine, wish, layout=layout, refusal=refusal(build.quantization, None)
            )
        if (why := _not_on_nodes(build, machine)) and any(_on_the_hub(one) for one in model.builds):
            return None
        why = why or _refused_by_all(build, machine)
        return vllm_fit(model, build, machine, wish, layout=layout, refusal=why, gpus=setting("vllm.gpus"))

    def arguments(self, fit: Fit) -> EngineArguments:
        """What `vllm serve` is told."""
        return arguments(fit)

    # -- deeds ------------------------------------------------------------------------------------------------

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start it under the guard, here or across a cluster; returns when it has answered one token."""
        if start.cluster is not None:
            from launchpad.plugins.vllm.ray import launch_on_ray

            return launch_on_ray(start, report)
        from launchpad.plugins.vllm.launch import launch

        on_gpu = start.fit.placement.kind == "gpu"
        found = self.installations()
        chosen = next((one for one in found if (one.variant != "cpu") == on_gpu), None)
        if chosen is None:
            raise EngineMissing(
                "vLLM cannot be started.",
                why="No vLLM for GPUs is installed here."
                if on_gpu
                else "No vLLM for CPUs is installed here.",
                hint=f"{INSTALL}{'' if on_gpu else ' --accelerator cpu'}",
            )
        return launch(start, report, chosen)

    def installation(self, machine: Machine, options: InstallOptions) -> Installation:
        """The right wheel for this machine, in an environment of its own."""
        from launchpad.plugins.vllm.install import installation

        return installation(machine, options)

    def install(self, installation: Installation, report: Report) -> str:
        """Make the environment and prove it."""
        from launchpad.plugins.vllm.install import install

        self._found = None
        return install(installation, report)


def obstacle(found: Found, machine: Machine) -> str | None:
    """Why this vLLM cannot be used on this machine; None when it can."""
    if found.variant == "cpu":
        isa = machine.cpu.isa
        if isa and _CPU_ISA.isdisjoint(isa):
            return "vLLM for CPUs needs AVX2 (or ARM's NEON), which this processor does not have."
        return None
    if any(found.variant in accelerator.apis for accelerator in machine.accelerators):
        return None
    return f"The vLLM here is built for {found.variant.upper()}, and no GPU for that is found."


def _ready(found: Found, machine: Machine) -> BackendStatus:
    idle = found.variant == "cpu" and any(
        api in accelerator.apis for accelerator in machine.accelerators for api in ("cuda", "rocm")
    )
    return BackendStatus(
        state="ready",
        version=found.version,
        place=found.python,
        why="The vLLM here is built for CPUs and leaves this machine's GPU idle." if idle else None,
        hint=INSTALL if idle else None,
    )


def _absent(machine: Machine) -> str:
    """Asking a container engine takes a moment: it is asked where there is a GPU that makes vLLM worth it."""
    from launchpad.plugins.vllm.containers import image

    here = image() if any({"cuda", "rocm"}.intersection(card.apis) for card in machine.accelerators) else None
    if here is None:
        return "vLLM is not installed."
    return f"vLLM lies here only as a container image ({here}), which launchpad does not start."


def _on_the_hub(build: Build) -> bool:
    return build.scheme == "hf" and build.format == "safetensors"


def _not_on_nodes(build: Build, machine: Machine) -> str | None:
    """Why the nodes of a live cluster cannot have this build; None where they can, or for what is not live."""
    live = machine.cluster is not None and machine.cluster.live is not None
    if not live or _on_the_hub(build) or build.scheme == "file":
        return None
    return f"the nodes have models from the Hub or in a folder, and this is at {build.scheme}://"


def _refused_by_all(build: Build, machine: Machine) -> str | None:
    """Why no GPU of the machine runs this build; None when one does, or there is none at all."""
    cards: list[Accelerator] = [
        card for card in machine.accelerators if {"cuda", "rocm"}.intersection(card.apis)
    ]
    reasons = [refusal(build.quantization, card) for card in cards]
    return reasons[0] if reasons and all(reasons) else None

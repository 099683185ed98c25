"""vLLM as far as a plan needs it: what stands in where a described cluster is planned and no installed backend spans nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from launchpad.catalog.model import Build, Model
from launchpad.errors import LaunchError
from launchpad.fit import vllm
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.plan import EngineArguments, StartStep
from launchpad.plugins.base import BackendBase
from launchpad.plugins.spec import BackendCapabilities, BackendStatus
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.events import Report

_WHY = "No installed backend starts an engine on several nodes."


class PlannedVllm(BackendBase):
    """Fits and arguments of vLLM, for machines that are described: it starts nothing."""

    name = vllm.BACKEND
    capabilities = BackendCapabilities(
        formats=("safetensors",), apis=vllm.APIS, parallel=True, multi_node=True
    )

    def status(self, machine: Machine) -> BackendStatus:
        """Never usable on a machine that is there."""
        return BackendStatus(state="unusable", why=_WHY)

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit:
        """Over the GPUs of one node, or of several."""
        return vllm.fit(model, build, machine, wish, layout=layout)

    def arguments(self, fit: Fit) -> EngineArguments:
        """What `vllm serve` would be told."""
        return vllm.arguments(fit)

    def launch(self, start: StartStep, report: Report) -> NoReturn:
        """Raises `LaunchError`."""
        raise LaunchError("vLLM cannot be started here.", why=_WHY)

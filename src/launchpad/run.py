"""From plan to deeds: the only place where a plan is carried out.

`execute` walks the steps and knows no engine, source or terminal: what it does is done through `Effects`, so that the
order of the deeds is tested without any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from launchpad.check import check_memory, disagreements
from launchpad.errors import EngineError
from launchpad.events import EngineReady, Notice

if TYPE_CHECKING:
    from launchpad.catalog.model import LocalModel
    from launchpad.config import Config
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.events import Event, Report
    from launchpad.plan import Plan, PullStep, StartStep
    from launchpad.plugins.host import Host


class Effects(Protocol):
    """What can be done to the world."""

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Fetch and verify; returns what is on disk now."""
        ...

    def verify(self, path: str) -> None:
        """Raise `PullError` when the file at `path` is not a whole, well-formed model."""
        ...

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start the engine; returns when it answers."""
        ...


def execute(plan: Plan, effects: Effects, report: Report) -> RunningServer:
    """Pull what is missing, verify, start the engine, read back what it did. The caller stops the server.

    Raises `PullError` or `EngineError`; an engine that was started and is not as required is stopped first.
    """
    start = plan.start
    if plan.pull is not None:
        pulled = effects.pull(plan.pull, report)
        start = replace(start, model_path=pulled.path or None, projector_path=pulled.projector)
    if start.model_path is not None:
        effects.verify(start.model_path)
    server = effects.launch(start, report)
    try:
        _read_back(start, server, report)
    except BaseException:
        server.stop()
        raise
    return server


def _read_back(start: StartStep, server: RunningServer, report: Report) -> None:
    """Compare what the engine did with what was planned, and say so."""
    did = server.server.report
    planned_gpu = start.fit.placement.kind in ("gpu", "partial")
    on_cpu = did.gpu_layers == 0 or did.gpu_share == 0
    if start.require_gpu:
        _require_gpu(did)
    report(
        EngineReady(
            backend=start.backend, seconds=did.load_seconds or 0.0, summary=summarize(start.model_name, did)
        )
    )
    if planned_gpu and on_cpu:
        report(Notice(message="The GPU was planned and the engine runs on the CPU: this will be slow."))
    elif start.fit.placement.kind == "gpu" and did.gpu_share is not None and did.gpu_share < 1:
        share = f"only {did.gpu_share:.0%} of the model is on the GPU"
        report(Notice(message=f"All of it was planned for the GPU, and {share}: this will be slower."))
    if did.context is not None and did.context < start.settings.context:
        asked = f"{start.settings.context:,} tokens of context were planned"
        report(Notice(message=f"{asked}, the engine gives {did.context:,}."))
    elif found := check_memory(start.fit, did, loaded=True):
        for line in disagreements(found):
            report(Notice(message=line))


def _require_gpu(did: EngineReport) -> None:
    """Raise `EngineError` unless the engine says that it uses the GPU, and, where it tells its share, for all of it."""
    if did.gpu_share is not None:
        lacking = (
            None if did.gpu_share == 1 else f"{did.engine} has {did.gpu_share:.0%} of the model on the GPU."
        )
    elif did.gpu_layers is None:
        lacking = f"{did.engine} does not say where the model is."
    else:
        lacking = None if did.gpu_layers else f"{did.engine} offloaded 0 layers."
    if lacking is not None:
        raise EngineError(
            "The engine does not run wholly on the GPU, and --require-gpu forbids that."
            if did.gpu_share
            else "The engine runs on the CPU, and --require-gpu forbids that.",
            why=lacking,
            hint="Install an engine build for this GPU, or run it without --require-gpu.",
        )


def summarize(name: str, did: EngineReport) -> str:
    """What the engine really did, in one line."""
    parts = [name]
    if did.gpu_share is not None and not did.gpu_layers:
        parts.append(f"GPU {did.gpu_share:.0%}" if did.gpu_share else "CPU")
    elif did.gpu_layers:
        parts.append(
            f"GPU {did.gpu_layers}/{did.layers} layers" if did.layers else f"GPU {did.gpu_layers} layers"
        )
    else:
        parts.append("CPU" if did.threads is None else f"CPU, {did.threads} threads")
    if did.context is not None:
        parts.append(f"context {did.context:,}")
    if did.buffers:
        size = {
            "weights": sum(b.model for b in did.buffers),
            "context": sum(b.context for b in did.buffers),
            "compute": sum(b.compute for b in did.buffers),
        }
        parts.append("MiB: " + " + ".join(f"{count / (1 << 20):.0f} {what}" for what, count in size.items()))
    if did.load_seconds is not None:
        parts.append(f"loaded in {did.load_seconds:.1f} s")
    return " · ".join([*parts, did.engine])


class RealEffects:
    """The deeds themselves, by the plugins that own them."""

    def __init__(self, host: Host, config: Config) -> None:
        self._host = host
        self._config = config

    def pull(self, step: PullStep, report: Report) -> LocalModel:
        """Resolve at the source that owns the scheme, then fetch through the one verified path.

        Where the backend has a store of its own and fetches by itself, it does.
        """
        if step.by is not None:
            return self._host.backend(step.by).pull(step.build, report)
        from launchpad.download_rate import remember
        from launchpad.pull.companions import without_projector
        from launchpad.pull.options import PullOptions
        from launchpad.pull.store import pull
        from launchpad.pull.unpinned import pinned

        source = self._host.source(step.build.scheme)
        settings = self._config.pull
        options = PullOptions(
            connect_seconds=settings.connect_seconds,
            stall_seconds=settings.stall_seconds,
            retries=settings.retries,
            lock_timeout=settings.lock_timeout,
            max_rate=settings.max_rate,
        )

        def noting(event: Event) -> None:
            remember(event)
            report(event)

        resolved = source.resolve(step.build)
        if not step.projector:
            resolved = without_projector(resolved)
        if step.allow_unpinned:
            resolved = pinned(resolved, noting, options)
        return pull(resolved, noting, options=options)

    def verify(self, path: str) -> None:
        """Read the headers of a model: a malformed or incomplete one must not reach an engine."""
        from pathlib import Path

        from launchpad.model_file import check

        check(Path(path))

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start the engine of the plan's backend."""
        return self._host.backend(start.backend).launch(start, report)

"""What the engine really did, beside what was planned: one line, and what the user must know of a difference. PURE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from launchpad.errors import EngineError
from launchpad.events import EngineReady, Notice
from launchpad.fit.check import check_memory, disagreements

if TYPE_CHECKING:
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.events import Report
    from launchpad.fit.result import Confirmation
    from launchpad.plan import Plan, StartStep

MIB = 1 << 20
_EXCUSES = re.compile(
    r"no (?:usable |CUDA |ROCm |Vulkan )?(?:gpu|device|capable device)|not compiled with|without gpu|driver version"
    r"|(?:cuda|hip|rocm|vulkan|metal).*(?:error|fail|not found)|failed to (?:initialize|load).*(?:cuda|hip|vulkan|metal)",
    re.IGNORECASE,
)


def read_back(plan: Plan, start: StartStep, server: RunningServer, report: Report) -> None:
    """Say what the engine did and how it differs from the plan. Raises `EngineError` where it is not what was required."""
    did = server.server.report
    planned_gpu = start.fit.placement.kind in ("gpu", "partial")
    if start.require_gpu:
        _require_gpu(did, server)
    _require_context(plan, did)
    memory = check_memory(start.fit, did, loaded=True)
    seconds = did.load_seconds or 0.0
    report(
        EngineReady(backend=start.backend, seconds=seconds, summary=summarize(start.model_name, did, memory))
    )
    if planned_gpu and uses_gpu(did) is False:
        report(Notice(message=_on_cpu(did, server)))
    elif start.fit.placement.kind == "gpu" and did.gpu_share is not None and did.gpu_share < 1:
        share = f"only {did.gpu_share:.0%} of the model is on the GPU"
        report(Notice(message=f"All of it was planned for the GPU, and {share}: this will be slower."))
    elif did.gpu_layers is not None and 0 < did.gpu_layers < start.fit.placement.gpu_layers:
        planned = f"{start.fit.placement.gpu_layers} layers were planned for the GPU"
        report(Notice(message=f"{planned}, {did.gpu_layers} are there: it will be slower."))
    if did.context is not None and did.context < start.settings.context:
        asked = f"{start.settings.context:,} tokens of context were planned"
        report(Notice(message=f"{asked}, the engine gives {did.context:,}."))
    elif memory:
        for line in disagreements(memory):
            report(Notice(message=line))


def uses_gpu(did: EngineReport) -> bool | None:
    """Whether an accelerator computes; None when the engine does not tell."""
    if did.gpu_share is not None:
        return did.gpu_share > 0
    return None if did.gpu_layers is None else did.gpu_layers > 0


def _require_gpu(did: EngineReport, server: RunningServer) -> None:
    """Raise `EngineError` unless the engine says that it uses the GPU, and, where it tells its share, for all of it."""
    if did.gpu_share is not None:
        lacking = (
            None if did.gpu_share == 1 else f"{did.engine} has {did.gpu_share:.0%} of the model on the GPU."
        )
    elif did.gpu_layers is None:
        lacking = f"{did.engine} does not say where the model is."
    else:
        lacking = None if did.gpu_layers else _excuse(server) or f"{did.engine} offloaded 0 layers."
    if lacking is not None:
        raise EngineError(
            "The engine does not run wholly on the GPU, and --require-gpu forbids that."
            if did.gpu_share
            else "The engine runs on the CPU, and --require-gpu forbids that.",
            why=lacking,
            hint="`launchpad doctor` says what is missing; or run it without --require-gpu.",
        )


def _on_cpu(did: EngineReport, server: RunningServer) -> str:
    cause = _excuse(server) or f"{did.engine} offloaded no layer"
    return (
        f"The GPU was planned and the engine runs on the CPU: this will be slow. Cause: {cause}. "
        "To fix it: `launchpad doctor`."
    )


def _excuse(server: RunningServer) -> str | None:
    """What the engine itself said about the GPU that it does not use."""
    said = [line for line in server.log_tail(400) if _EXCUSES.search(line)]
    return " ".join(said[0].split())[:200].rstrip(".") if said else None


def _require_context(plan: Plan, did: EngineReport) -> None:
    """What was asked for by name is what there must be."""
    asked = plan.wish.context
    if asked is not None and did.context is not None and did.context < asked:
        raise EngineError(
            f"{asked:,} tokens of context were asked for, and the engine gives {did.context:,}.",
            why=f"{did.engine} set its own limit.",
            hint=f"This much it gives: --context {did.context}",
        )


def summarize(name: str, did: EngineReport, memory: Confirmation | None = None) -> str:
    """What the engine really did, in one line: placement, context, slots, memory per device against the plan, time."""
    parts = [name, _placement(did)]
    if did.context is not None:
        parts.append(f"context {did.context:,}")
    if did.slots is not None:
        parts.append(f"{did.slots} slot{'s' if did.slots != 1 else ''}")
    if did.kv_tokens is not None:
        parts.append(f"cache for {did.kv_tokens:,} tokens")
    if did.dtype is not None:
        parts.append(did.dtype)
    parts += _memory(did, memory)
    if did.load_seconds is not None:
        parts.append(f"loaded in {did.load_seconds:.1f} s")
    return " · ".join([*parts, did.engine])


def _placement(did: EngineReport) -> str:
    """Where the engine says that the model is: never a guess."""
    if did.gpu_layers:
        layers = f"{did.gpu_layers}/{did.layers}" if did.layers else f"{did.gpu_layers}"
        return f"GPU {layers} layers"
    if did.gpu_share:
        return f"GPU {did.gpu_share:.0%}"
    if did.threads is not None:
        return f"CPU, {did.threads} thread{'s'[: did.threads != 1]}"
    on_cpu = did.buffers and all(buffers.device == "cpu" for buffers in did.buffers)
    return "CPU" if did.gpu_layers == 0 or did.gpu_share == 0 or on_cpu else "GPU or CPU: not told"


def _memory(did: EngineReport, memory: Confirmation | None) -> list[str]:
    """Per device, beside the plan where that knows the device; with one device its three parts, too."""
    if not did.buffers:
        return []
    told = []
    for buffer in did.buffers:
        sums = {"weights": buffer.model, "context": buffer.context, "compute": buffer.compute}
        parts = " + ".join(f"{count / MIB:.0f} {what}" for what, count in sums.items())
        told.append(f"{buffer.device} {parts} MiB")
    if memory is not None:
        engine = sum(sum(check.engine.values()) for check in memory.devices)
        planned = sum(sum(check.predicted.values()) for check in memory.devices)
        told[-1] += _against_plan(engine, planned)
    return told


def _against_plan(engine: int, planned: int) -> str:
    if not planned:
        return ""
    more = engine / planned - 1
    share = f"{abs(more):.0%}"
    return " as planned" if share == "0%" else f" ({share} {'more' if more > 0 else 'less'} than planned)"

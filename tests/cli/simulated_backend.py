"""A one-file plugin for tests: a backend `simulated` that "runs" any GGUF file on the simulated engine, a real process.

SIMULATED_ENGINE holds options of the simulated engine; above SIMULATED_CONTEXT tokens it has them, below it works; with
SIMULATED_MEMORY the machine has so many bytes free, less what its simulated engines hold; with SIMULATED_REPORT (JSON) the engine claims to have done other things than it was told.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import sys
from collections.abc import Sequence

import msgspec

from launchpad.engines import registry
from launchpad.engines.resident import private_bytes
from launchpad.plugins import (
    Backend,
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    EngineCommand,
    EngineProcess,
    EngineReport,
    EngineServer,
    HardwareProbe,
    Machine,
    Memory,
    ProbeResult,
    Report,
    RunningServer,
    Server,
    StartStep,
    hookimpl,
)


class Simulated(BackendBase):
    name = "simulated"
    capabilities = BackendCapabilities(formats=("gguf",), apis=("cuda",))

    def status(self, machine: Machine) -> BackendStatus:
        return BackendStatus(state="ready", version="1")

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        key = secrets.token_urlsafe(16)
        options = shlex.split(os.environ.get("SIMULATED_ENGINE", ""))
        if start.settings.context <= int(os.environ.get("SIMULATED_CONTEXT", "0")):
            options = []
        command = EngineCommand(
            backend=self.name,
            model=start.model_name,
            argv=(sys.executable, "-m", "launchpad.testing.fake_engine", *options),
            stdin=json.dumps({"api_key": key}),
            grace=0.3,
        )
        process = EngineProcess.start(command, report)
        ready = process.await_ready(process.ready_message)
        did = {"engine": "simulated 1", "context": start.settings.context, "slots": 1, "gpu_layers": 0}
        did.update(json.loads(os.environ.get("SIMULATED_REPORT", "{}")))
        assert process.pid is not None
        return EngineServer(
            process,
            Server(
                id=process.token,
                backend=self.name,
                endpoint=f"http://127.0.0.1:{ready['port']}/v1",
                api_key=key,
                pid=process.pid,
                model=start.model_id,
                settings=start.settings,
                report=msgspec.convert(did, EngineReport),
            ),
        )


class Probe:
    name = "simulated-memory"

    def probe(self) -> ProbeResult:
        total = int(os.environ.get("SIMULATED_MEMORY", "0"))
        if not total:
            return ProbeResult()
        held = sum(private_bytes(record.engine.pid) for record in registry.records() if record.engine)
        return ProbeResult(memory=Memory(total=total, available=max(0, total - held)))


@hookimpl
def launchpad_probes() -> Sequence[HardwareProbe]:
    return [Probe()]


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    return [Simulated()]

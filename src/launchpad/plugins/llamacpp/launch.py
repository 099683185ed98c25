"""Start llama.cpp in a child process, wait until it answers, check that it is private, read back what it did."""

from __future__ import annotations

import importlib.metadata
import json
import secrets
import sys
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from launchpad.plugins import (
    EngineCommand,
    EngineProcess,
    EngineServer,
    GGUFHeader,
    LaunchError,
    Report,
    Server,
    StartStep,
    get_loopback,
    read_header,
    require_private,
    resident_bytes,
)
from launchpad.plugins.llamacpp.environment import waiting
from launchpad.plugins.llamacpp.external import launch_server
from launchpad.plugins.llamacpp.install import PACKAGE
from launchpad.plugins.llamacpp.program import Program
from launchpad.plugins.llamacpp.readback import report as read_back

CHILD = Path(__file__).with_name("child.py")
NAME = "llama.cpp"


def launch(start: StartStep, report: Report, program: Program | None = None) -> EngineServer:
    """Returns a server that answers; of this program, else of the wheel beside launchpad. Raises `BadModelFile` before, `LaunchError` after the engine was started."""
    if start.model_path is None:
        raise LaunchError(
            f"There is no file of {start.model_name} to start.", hint="Pull it first: launchpad pull"
        )
    # llama.cpp trusts its files too much: it never sees one that is malformed.
    header = read_header(Path(start.model_path))
    if start.projector_path is not None:
        read_header(Path(start.projector_path))
    for beside in (start.draft_path, *start.loras):
        if beside is not None:
            read_header(Path(beside))
    pooling = _pooling(header)
    if program is not None and program.kind == "server":
        inspect = partial(_inspect, start=start, engine=program.name)
        return launch_server(program, start, pooling, report, inspect)
    python = program.argv[0] if program else sys.executable
    engine = program.name if program else _embedded()
    key = secrets.token_urlsafe(32)
    process = EngineProcess.start(_command(start, key, pooling, python), report)
    ready = process.await_ready(process.ready_message)
    try:
        server = _inspect(process, int(ready["port"]), key, ready["load_seconds"], start=start, engine=engine)
        return EngineServer(process, server)
    except BaseException:
        process.stop()
        raise


def _embedded() -> str:
    version = importlib.metadata.version(PACKAGE)
    return f"{NAME} b{version.rpartition('.')[2]} ({PACKAGE} {version})"


def _pooling(header: GGUFHeader) -> int | None:
    """How an embedding model makes one vector of many tokens; None for a model that writes text.

    llama.cpp does one or the other. A reranker (4) has an endpoint of its own, which nobody here asks for.
    """
    pooling = header.metadata.get(f"{header.architecture}.pooling_type")
    return pooling if pooling in (1, 2, 3) else None


def _command(
    start: StartStep, key: str, pooling: int | None = None, python: str = sys.executable
) -> EngineCommand:
    settings = {
        "model": start.model_path,
        "projector": start.projector_path,
        "draft": start.draft_path,
        "loras": start.loras,
        "alias": start.model_id,
        "api_key": key,
        "arguments": start.arguments,
        "pooling": pooling,
        "ui": start.web_ui,
    }
    return EngineCommand(
        backend=start.backend,
        model=start.model_name,
        environment=waiting(),
        argv=(python, "-P", str(CHILD), "serve"),
        stdin=json.dumps(settings),
        size=start.fit.total or None,
    )


def _inspect(
    process: EngineProcess, port: int, key: str, load_seconds: float, *, start: StartStep, engine: str
) -> Server:
    """Prove that it is ours, private and keyed, and ask what it did."""
    assert process.pid is not None
    require_private(NAME, process.pid, port)
    try:
        if get_loopback(port, "/health")[0] != 200 or get_loopback(port, "/v1/models", key)[0] != 200:
            raise process.error(f"{NAME} started and does not answer.", "Its health check failed.")
        if get_loopback(port, "/v1/models", "wrong")[0] != 401:
            raise process.error(f"{NAME} answers without the key and was stopped.", "It ignored --api-key.")
        props = get_loopback(port, "/props", key)[1] or {}
    except OSError as error:
        raise process.error(f"{NAME} started and does not answer.", str(error)) from error
    held = resident_bytes(process.pid)
    return Server(
        id=process.token,
        backend=start.backend,
        endpoint=f"http://127.0.0.1:{port}/v1",
        api_key=key,
        pid=process.pid,
        model=start.model_id,
        settings=start.settings,
        report=replace(read_back(process.log.text(), props, engine, load_seconds), process_memory=held),
    )

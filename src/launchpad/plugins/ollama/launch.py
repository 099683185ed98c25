"""Make a model ready in an Ollama server, ours or one that runs already, and read back what the server did."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from launchpad.plugins import (
    EngineLoading,
    EngineProcess,
    EngineStarting,
    LaunchError,
    LaunchpadError,
    Notice,
    Report,
    StartStep,
)
from launchpad.plugins import Server as Facts
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.detect import UPDATE, too_old, too_old_text
from launchpad.plugins.ollama.log import server_log
from launchpad.plugins.ollama.models import Shown, read_show
from launchpad.plugins.ollama.names import full, is_cloud, tag_of
from launchpad.plugins.ollama.readback import report as read_back
from launchpad.plugins.ollama.running import OllamaServer
from launchpad.plugins.ollama.serve import NAME, settings_of, start_server
from launchpad.plugins.ollama.store import derive, import_file, sweep

KEEP_ALIVE = (
    "30m"  # in a server that is not ours: long enough to think, not for ever should launchpad be killed
)
OWN_KEEP_ALIVE = "24h"  # ours ends with launchpad anyway
LAG = 2.0  # s in which a loaded model must show up in the server's list


@contextmanager
def a_server(
    address: Address, settings: Mapping[str, str], model: str, report: Report
) -> Iterator[tuple[Server, EngineProcess | None, str]]:
    """The server that runs, or one of our own with `settings`, and its version; stopped when the block fails."""
    server, process = Server(address), None
    version = _version(server)
    if version is None:
        if not address.local:
            raise LaunchError(
                f"The Ollama server at {address.url} does not answer.",
                hint="Start it there, or unset OLLAMA_HOST.",
                retryable=True,
            )
        server, process = start_server(settings, model, report)
        version = server.version() or ""
    elif too_old(version):
        raise LaunchError("Ollama is too old.", why=too_old_text(version), hint=UPDATE)
    else:
        report(EngineStarting(backend="ollama", model=model))
    try:
        yield server, process, version
    except BaseException:
        server.close()
        if process is not None:
            process.stop()
        raise


def _version(server: Server) -> str | None:
    try:
        return server.version()
    except OSError:
        return None


def launch(start: StartStep, report: Report, address: Address) -> OllamaServer:
    """Returns a server that has the model in memory with the plan's context. Raises `LaunchpadError`."""
    settings = settings_of(start.arguments, start.settings.parallel, start.settings.kv_type_k)
    with a_server(address, settings, start.model_name, report) as (server, process, version):
        if process is None:
            sweep(server)
        base = _model(server, start, report)
        shown = read_show(server.show(base))
        _refuse_embedding(start, shown)
        context = int(start.arguments["num_ctx"])
        # A server of ours has the context as its default, which only the model's own setting overrules.
        fixed = shown.num_ctx == context or (process is not None and shown.num_ctx is None)
        tag = base if fixed else derive(server, base, context, report)
        try:
            loaded, held, seconds = _load(server, tag, shown, context, start, process is not None, report)
        except BaseException:
            if tag != base:
                with suppress(LaunchpadError):
                    server.delete(tag)
            raise
        log = process.log.text() if process else server_log(address)
        did = read_back(f"{NAME} {version}", loaded, log, seconds)
        facts = Facts(
            id=process.token if process else f"ollama-{os.getpid()}",
            backend=start.backend,
            endpoint=f"{server.address.url}/v1",
            api_key="" if server.address.local else os.environ.get("OLLAMA_API_KEY", ""),
            pid=(process.pid or 0) if process else 0,
            model=tag,
            settings=start.settings,
            report=replace(
                did,
                context=did.context and did.context * start.settings.parallel,
                slots=start.settings.parallel,
                vision="vision" in shown.capabilities,
                abilities=shown.capabilities,
            ),
            dialect="ollama",
            keep_alive=OWN_KEEP_ALIVE if process else KEEP_ALIVE,
        )
        return OllamaServer(server, facts, process, derived=tag != base, unload=not held)


def _model(server: Server, start: StartStep, report: Report) -> str:
    """The name of the plan's model in the server's store; a file that launchpad has is imported."""
    tag = tag_of(start.build)
    if tag is not None and is_cloud(tag):
        raise LaunchError(f"{tag} runs in Ollama's cloud, not on a machine of yours.")
    here = {str(model["model"]).lower(): str(model["model"]) for model in server.tags()}
    if tag is not None and (found := here.get(full(tag).lower())):
        return found
    if start.model_path is not None:
        quantization = start.build.rpartition(":")[2] if tag is not None else "gguf"
        projector = Path(start.projector_path) if start.projector_path else None
        return import_file(server, Path(start.model_path), projector, start.model_id, quantization, report)
    raise LaunchError(
        f"Ollama does not have {start.model_name}.",
        why=f"Its store holds no {tag or start.build}.",
        hint=f"Pull it: launchpad pull {start.build} --backend ollama",
    )


def _refuse_embedding(start: StartStep, shown: Shown) -> None:
    """`/api/show` is right about this where the list of models is not."""
    if shown.capabilities and not {"completion", "tools", "thinking", "vision"} & set(shown.capabilities):
        raise LaunchError(
            f"{start.model_name} is a model for embeddings: it cannot chat.",
            hint="Take another: `launchpad recommend` shows what fits.",
        )


def _load(
    server: Server, tag: str, shown: Shown, context: int, start: StartStep, own: bool, report: Report
) -> tuple[dict[str, Any], bool, float]:
    """(the model in the list of loaded ones, whether others had it loaded before, seconds)."""
    before = _same_weights(server, server.loaded(), tag, shown)
    if others := [m for m in before if m.get("context_length") != context]:
        names = ", ".join(str(model["model"]) for model in others)
        report(
            Notice(
                message=f"{names} has the same weights with another context and makes room: Ollama holds them once. "
                "A program that uses it will make Ollama load it anew."
            )
        )
    report(EngineLoading(backend="ollama", detail=f"loading {tag}"))
    begin = time.monotonic()
    server.load(tag, context, OWN_KEEP_ALIVE if own else KEEP_ALIVE, start.model_name)
    seconds = time.monotonic() - begin
    return _find(server, tag, shown, context), len(others) < len(before), seconds


def _find(server: Server, tag: str, shown: Shown, context: int) -> dict[str, Any]:
    """The model in the list of loaded ones; of several names for one engine the list tells the first. {}: not there."""
    limit = time.monotonic() + LAG
    while True:
        same = _same_weights(server, server.loaded(), tag, shown)
        if same:
            return min(same, key=lambda m: (m["model"] != full(tag), m.get("context_length") != context))
        if time.monotonic() > limit:
            return {}
        time.sleep(0.05)


def _same_weights(
    server: Server, loaded: list[dict[str, Any]], tag: str, shown: Shown
) -> list[dict[str, Any]]:
    return [
        model for model in loaded if model["model"] == full(tag) or _weights(server, model) == shown.weights
    ]


def _weights(server: Server, model: Mapping[str, Any]) -> str | None:
    """None for a model that has been deleted while it is loaded: it is still listed."""
    try:
        return server.weights(str(model["model"])) or "unknown"
    except LaunchpadError:
        return "unknown"

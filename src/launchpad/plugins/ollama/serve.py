"""Start `ollama serve` where none runs: under the guard, on a free port of loopback, with the plan's settings.

The server is launchpad's own and ends with it, and so do the engines that it starts (killed alone, it would leave them
behind). It reads and writes the user's usual store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from launchpad.plugins import (
    EngineCommand,
    EngineMissing,
    EngineProcess,
    LaunchError,
    Report,
    free_port,
    require_private,
)
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.detect import UPDATE, find_binary, install_hint, too_old, too_old_text

NAME = "Ollama"
TRIES = 3  # another program may take the port first
_TAKEN = "address already in use"


def start_server(settings: Mapping[str, str], model: str, report: Report) -> tuple[Server, EngineProcess]:
    """A server that answers and its process. `settings` are OLLAMA_* variables. Raises `EngineError`."""
    binary = find_binary()
    if binary is None:
        raise EngineMissing(
            "Ollama cannot be started.", why="It is neither running nor installed.", hint=install_hint()
        )
    for attempt in range(TRIES):
        with contextlib.suppress(_PortTaken):
            return _start(binary, settings, model, report, last=attempt == TRIES - 1)
    raise AssertionError("the last try raises")


class _PortTaken(Exception):
    """Another program was quicker."""


def _start(
    binary: str, settings: Mapping[str, str], model: str, report: Report, *, last: bool
) -> tuple[Server, EngineProcess]:
    address = Address(port=free_port())
    host = {"OLLAMA_HOST": f"{address.host}:{address.port}"}
    command = EngineCommand(
        backend="ollama",
        model=model,
        argv=(binary, "serve"),
        environment={"OLLAMA_NO_CLOUD": "1", **settings, **host},
    )
    process = EngineProcess.start(command, report)
    server = Server(address)
    try:
        version = process.await_ready(lambda: _answers(server))
        assert process.pid is not None
        require_private(NAME, process.pid, address.port)
        if too_old(version):
            raise LaunchError("Ollama is too old.", why=too_old_text(version), hint=UPDATE)
    except LaunchError as error:
        taken = error.retryable or any(_TAKEN in line for line in process.log_tail())
        process.stop()
        if taken and not last:
            raise _PortTaken from error
        raise
    except BaseException:
        process.stop()
        raise
    return server, process


def _answers(server: Server) -> str | None:
    try:
        return server.version(timeout=2.0)
    except OSError:
        return None


def settings_of(arguments: Mapping[str, object], parallel: int, kv_type: str) -> dict[str, str]:
    """The variables of a server of our own: what a client cannot ask for with each request."""
    told = {
        "OLLAMA_CONTEXT_LENGTH": str(arguments["num_ctx"]),
        "OLLAMA_NUM_PARALLEL": str(parallel),
        "OLLAMA_KEEP_ALIVE": "-1",
    }
    if kv_type != "f16":
        told |= {"OLLAMA_KV_CACHE_TYPE": kv_type, "OLLAMA_FLASH_ATTENTION": "1"}
    return told

"""Start a `llama-server` of this machine: under the guard, on a free port of loopback, with a key that only it is told."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable

from launchpad.plugins import (
    EngineCommand,
    EngineProcess,
    EngineServer,
    LaunchError,
    Notice,
    Report,
    Server,
    StartStep,
    free_port,
    get_loopback,
)
from launchpad.plugins.llamacpp.environment import waiting
from launchpad.plugins.llamacpp.options import Words, private_words, server_words
from launchpad.plugins.llamacpp.program import Program

TRIES = 3  # another program may take the port first
POOLING = {1: "mean", 2: "cls", 3: "last"}
_TAKEN = ("address already in use", "couldn't bind", "failed to bind")
Inspect = Callable[[EngineProcess, int, str, float], Server]


def launch_server(
    program: Program, start: StartStep, pooling: int | None, report: Report, inspect: Inspect
) -> EngineServer:
    """A server that answers, is ours and private. Raises `LaunchError`."""
    for attempt in range(TRIES):
        key, port = secrets.token_urlsafe(32), free_port()
        process = EngineProcess.start(command(program, start, pooling, port, key, report), report)
        begin = time.monotonic()
        try:
            process.await_ready(lambda port=port: _answers(port))  # type: ignore[misc]
            return EngineServer(process, inspect(process, port, key, time.monotonic() - begin))
        except LaunchError as error:
            taken = error.retryable or any(word in line for line in process.log_tail() for word in _TAKEN)
            process.stop()
            if not taken or attempt == TRIES - 1:
                raise
        except BaseException:
            process.stop()
            raise
    raise AssertionError("the last try raises")


def command(
    program: Program, start: StartStep, pooling: int | None, port: int, key: str, report: Report
) -> EngineCommand:
    """How it is started. The key goes through its standard input; where that has no name, through its environment."""
    words = server_words(program, _fitting(start, pooling))
    words.value(("--model",), start.model_path)
    words.value(("--alias",), start.model_id)
    if start.projector_path is not None:
        words.value(("--mmproj",), start.projector_path)
    else:
        words.quietly("--no-mmproj")
    if start.draft_path is not None:
        words.value(("--spec-draft-model", "--model-draft"), start.draft_path)
        words.value(("--spec-draft-ngl", "--n-gpu-layers-draft"), 999 if start.settings.gpu_layers else 0)
        words.quietly("--spec-type", "draft-simple")
    for lora in start.loras:
        words.value(("--lora",), lora)
    if pooling is not None:
        words.switch(("--embedding", "--embeddings"))
        words.value(("--pooling",), POOLING[pooling])
    private_words(words, port, start.web_ui)
    by_stdin = os.name != "nt"
    if by_stdin:
        words.value(("--api-key-file",), "/dev/stdin")
    _tell_dropped(program, words, report)
    return EngineCommand(
        backend=start.backend,
        model=start.model_name,
        environment=waiting() | ({} if by_stdin else {"LLAMA_API_KEY": key}),
        argv=(*program.argv, *words.argv),
        stdin=f"{key}\n" if by_stdin else "",
        size=start.fit.total or None,
        of_user=("--lora",) if start.loras else (),
    )


def _fitting(start: StartStep, pooling: int | None) -> dict[str, str | int | float | bool]:
    """An embedder computes a text at once: its batch has to hold all of it."""
    arguments = dict(start.arguments)
    if pooling is not None:
        arguments["ubatch-size"] = max(int(arguments["batch-size"]), int(arguments["ubatch-size"]))
        arguments["batch-size"] = arguments["ubatch-size"]
    return arguments


def _tell_dropped(program: Program, words: Words, report: Report) -> None:
    if words.dropped:
        names = ", ".join(words.dropped)
        report(
            Notice(
                message=f"{program.name} has no {names}: it is started without, and does as it likes there."
            )
        )


def _answers(port: int) -> bool | None:
    """True once the model is loaded; None before."""
    try:
        return get_loopback(port, "/health", timeout=2.0)[0] == 200 or None
    except OSError:
        return None

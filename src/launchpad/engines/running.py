"""The handle on a ready engine that every backend returns."""

from __future__ import annotations

from launchpad.engines.process import EngineProcess
from launchpad.engines.server import Server


class EngineServer:
    """A `RunningServer` over an `EngineProcess`; leaves nothing behind when used as a context manager."""

    def __init__(self, process: EngineProcess, server: Server) -> None:
        self._process = process
        self._server = server
        process.publish(server.endpoint, server.report)

    @property
    def server(self) -> Server:
        """The facts."""
        return self._server

    @property
    def process(self) -> EngineProcess:
        """The process, for how it ended."""
        return self._process

    def alive(self) -> bool:
        """False once the engine process is gone."""
        return self._process.alive()

    def ended(self) -> str | None:
        """How the engine ended, when it did so unasked."""
        return str(self._process.exit) if self._process.exit else None

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""
        return self._process.log_tail(lines)

    def stop(self) -> None:
        """Stop the engine and all its descendants; idempotent; returns when they are gone."""
        self._process.stop()

    def __enter__(self) -> EngineServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

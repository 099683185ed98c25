"""The handle on a model in an Ollama server: what is ours ends, what is the user's stays as it was."""

from __future__ import annotations

from contextlib import suppress

from launchpad.plugins import EngineProcess, LaunchpadError
from launchpad.plugins import Server as Facts
from launchpad.plugins.ollama.client import Server


class OllamaServer:
    """A `RunningServer`. `process` is the server where it is ours; `derived` says that the model was made for this launch,
    `unload` that nobody else had it in memory before."""

    def __init__(
        self, client: Server, facts: Facts, process: EngineProcess | None, *, derived: bool, unload: bool
    ) -> None:
        self._client, self._facts, self._process = client, facts, process
        self._derived, self._unload = derived, unload
        self._stopped = False
        if process is not None:
            process.publish(facts.endpoint, facts.report)

    @property
    def server(self) -> Facts:
        """The facts."""
        return self._facts

    def alive(self) -> bool:
        """False once the server is gone."""
        if self._stopped:
            return False
        if self._process is not None:
            return self._process.alive()
        try:
            return self._client.version(timeout=2.0) is not None
        except OSError:
            return False

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines of a server of ours; of another, none."""
        return self._process.log_tail(lines) if self._process else ()

    def stop(self) -> None:
        """Take the model out of memory, remove what was made for this launch, end a server of ours; idempotent."""
        if self._stopped:
            return
        self._stopped = True
        if self._process is None or self._process.alive():
            self._tidy()
        self._client.close()
        if self._process is not None:
            self._process.stop()

    def _tidy(self) -> None:
        """A server that is gone, or went on with something else, is no reason to fail."""
        if self._unload and self._process is None:
            with suppress(LaunchpadError):
                self._client.unload(self._facts.model)
        if self._derived:
            with suppress(LaunchpadError):
                self._client.delete(self._facts.model)

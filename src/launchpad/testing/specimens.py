"""The smallest objects that keep each contract: starting points to copy, and what the broken ones are derived from."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Collection, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from launchpad.plugins import (
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    BadModelFile,
    Build,
    EngineReport,
    Fact,
    LocalModel,
    Machine,
    Memory,
    Model,
    ProbeResult,
    PullError,
    Reachability,
    RemoteFile,
    Report,
    Resolved,
    Server,
    StartStep,
)

SHA256 = "0" * 64
BUILD = Build(ref="specimen://model", format="gguf", quantization="Q4_K_M", size=4)
MODEL = Model(id="specimen/model", name="Specimen", lab="Specimen", lab_id="specimen", builds=(BUILD,))


class Probe:
    """Finds 1 GiB of memory."""

    name = "specimen"

    def probe(self) -> ProbeResult:
        """Look now."""
        return ProbeResult(memory=Memory(total=1 << 30), facts=(self.fact(),))

    def fact(self) -> Fact:
        """The one thing that it knows."""
        return Fact(subject="memory.total", value="1 GiB", evidence="simulated")


class Catalog:
    """One model."""

    name = "specimen"
    date: str | None = "2026-11-01"

    def models(self) -> Sequence[Model]:
        """All models."""
        return (MODEL,)


class Source:
    """One file, which nobody serves."""

    name = "specimen"

    @property
    def schemes(self) -> Collection[str]:
        """The scheme that it owns."""
        return ("specimen",)

    def reachable(self, timeout: float) -> Reachability:
        """Never from here."""
        return Reachability(ok=False, why="It is simulated.")

    def resolve(self, build: Build) -> Resolved:
        """Pin the one build."""
        if build.ref != BUILD.ref:
            raise PullError(f"{build.ref!a} is not here.", hint=f"Only {BUILD.ref} is.")
        return Resolved(
            ref=f"{BUILD.ref}@1",
            folder="models--specimen",
            revision="1",
            files=(self.file(),),
            entry=self.file().path,
            build=build,
        )

    def file(self) -> RemoteFile:
        """The one file."""
        return RemoteFile(path="model.gguf", urls=("https://example.org/model.gguf",), size=4, sha256=SHA256)

    def local(self) -> Iterable[LocalModel]:
        """Nothing."""
        return ()


class Backend(BackendBase):
    """Answers every chat with one word, from a thread of this process."""

    name = "specimen"
    capabilities = BackendCapabilities(formats=("gguf",))

    def status(self, machine: Machine) -> BackendStatus:
        """Always ready."""
        return BackendStatus(state="ready", version="1")

    def launch(self, start: StartStep, report: Report) -> Handle:
        """Start the thread."""
        if start.model_path is None or Path(start.model_path).name.startswith("broken"):
            raise BadModelFile("That is no model.")
        return Handle(start)


class Handle:
    """A running server in a thread."""

    answer = "Hello."

    def __init__(self, start: StartStep) -> None:
        self._key = secrets.token_urlsafe(16)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"handle_": self}))
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        self.server = Server(
            id="specimen",
            backend=start.backend,
            endpoint=f"http://127.0.0.1:{self._http.server_port}/v1",
            api_key=self._key,
            pid=os.getpid(),
            model=start.model_id,
            settings=start.settings,
            report=EngineReport(engine="specimen 1"),
        )

    def lets_in(self, authorization: str | None) -> bool:
        """Whether a request may be answered."""
        return authorization == f"Bearer {self._key}"

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """Nothing is logged."""
        return ()

    def stop(self) -> None:
        """End the thread and close the port."""
        if self.alive():
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    handle_: Handle

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""

    def do_GET(self) -> None:
        """List one model."""
        self._reply({"data": [{"id": "specimen"}]})

    def do_POST(self) -> None:
        """Answer a chat."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._reply({"choices": [{"message": {"role": "assistant", "content": self.handle_.answer}}]})

    def _reply(self, body: object) -> None:
        allowed = self.handle_.lets_in(self.headers.get("Authorization"))
        data = json.dumps(body if allowed else {"error": {"message": "Invalid API key"}}).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@click.command()
def command() -> None:
    """Do nothing."""

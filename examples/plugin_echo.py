"""A plugin in one file: the backend "echo", which repeats what it is told, and a diary of engines that became ready.

Try it, without installing anything:

    LAUNCHPAD_PLUGIN_PATH=examples/plugin_echo.py launchpad plugins
    LAUNCHPAD_PLUGIN_PATH=examples/plugin_echo.py launchpad run any-model.gguf --backend echo "Hello"

A real backend differs in one place: `_serve`, which here is a web server of thirty lines, is an engine of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from launchpad.plugins import (
    Backend,
    BackendBase,
    BackendCapabilities,
    BackendStatus,
    EngineCommand,
    EngineProcess,
    EngineReady,
    EngineReport,
    EngineServer,
    Event,
    Machine,
    Report,
    RunningServer,
    Server,
    StartStep,
    data_dir,
    hookimpl,
)


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """Hand over the backend. Nothing is started here."""
    return [Echo()]


@hookimpl
def launchpad_event(event: Event) -> None:
    """Keep a diary of what ran."""
    if isinstance(event, EngineReady):
        diary = data_dir() / "echo-diary.txt"
        diary.parent.mkdir(parents=True, exist_ok=True)
        with diary.open("a", encoding="utf-8") as file:
            file.write(f"{event.backend}: {event.summary}\n")


class Echo(BackendBase):
    """Needs no memory for a model, and so runs every one of them."""

    name = "echo"
    capabilities = BackendCapabilities(formats=("gguf", "safetensors"))

    def status(self, machine: Machine) -> BackendStatus:
        """Always ready: this file is all there is."""
        return BackendStatus(state="ready", version="1")

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start this very file as a process under launchpad's guard, which leaves no orphan behind."""
        key = secrets.token_urlsafe(32)
        command = EngineCommand(
            backend=self.name,
            model=start.model_name,
            argv=(sys.executable, "-P", __file__, "serve"),
            stdin=json.dumps({"api_key": key, "model": start.model_id}),  # secrets never stand in argv
        )
        process = EngineProcess.start(command, report)
        ready = process.await_ready(process.ready_message)
        assert process.pid is not None
        facts = Server(
            id=process.token,
            backend=self.name,
            endpoint=f"http://127.0.0.1:{ready['port']}/v1",
            api_key=key,
            pid=process.pid,
            model=start.model_id,
            settings=start.settings,
            report=EngineReport(engine="echo 1", context=start.settings.context, gpu_layers=0),
        )
        return EngineServer(process, facts)


# -- the engine: runs in a process of its own ---------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    api_key: str
    model: str

    def do_GET(self) -> None:
        if self._has_key():
            self._json(200, {"data": [{"id": self.model}]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._has_key():
            return
        if request.get("stream"):
            self._stream(request)
        else:
            message = {"role": "assistant", "content": _answer(request)}
            self._json(200, {"model": self.model, "choices": [{"message": message, "finish_reason": "stop"}]})

    def _has_key(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {self.api_key}":
            return True
        self._json(401, {"error": {"message": "Invalid API key"}})
        return False

    def _stream(self, request: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in _answer(request).split(" "):
            self._event({"choices": [{"delta": {"content": f"{word} "}, "finish_reason": None}]})
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, body: object) -> None:
        self.wfile.write(b"data: " + json.dumps(body).encode() + b"\n\n")

    def _json(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _answer(request: dict[str, Any]) -> str:
    return f"You said: {request['messages'][-1]['content']}"


def _serve() -> None:
    settings = json.load(sys.stdin)
    handler = type("Handler", (_Handler,), settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    ready = Path(os.environ["LAUNCHPAD_READY_FILE"])
    draft = ready.with_suffix(".draft")
    draft.write_text(json.dumps({"port": server.server_port}))
    draft.replace(ready)  # in one step, so that launchpad never reads half of it
    server.serve_forever()


if __name__ == "__main__":
    _serve()

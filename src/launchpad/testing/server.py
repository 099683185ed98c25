"""A server on loopback with the answers that a test gives it: for backends whose engine somebody else runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from launchpad.plugins.chat_server import answer_json

Answer = Any
"""JSON; or (status, JSON); or a function of the request's body that returns one of them."""


class SimulatedServer:
    """Answers `METHOD /path` as told, everything else with 404, and keeps what it was `asked`: (METHOD /path, body, key).

    A POST to a path that ends in `/chat/completions` is answered as OpenAI does, whole or as a stream, with the last message, unless
    an answer was given for it. Use as a context manager.
    """

    def __init__(self, answers: Mapping[str, Answer] = {}) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, Any, str]] = []
        handler = type("Handler", (_Handler,), {"simulated": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def requests(self) -> list[str]:
        """`METHOD /path` of all that was asked."""
        return [asked for asked, _, _ in self.asked]

    def close(self) -> None:
        """Stop answering."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def __enter__(self) -> SimulatedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    simulated: SimulatedServer

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept, not logged."""

    def do_GET(self) -> None:
        """Answer as told."""
        self._answer(None)

    def do_POST(self) -> None:
        """Answer as told, or a chat."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(json.loads(data) if data else None)

    def _answer(self, body: Any) -> None:
        asked = f"{self.command} {self.path}"
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.simulated.asked.append((asked, body, key))
        if asked in self.simulated.answers:
            answer_json(self, *_status(self.simulated.answers[asked], body))
        elif self.command == "POST" and self.path.endswith("/chat/completions"):
            self._chat(body)
        else:
            answer_json(self, 404, {"error": {"message": f"Unexpected endpoint or method. ({asked})"}})

    def _chat(self, body: Any) -> None:
        text = str(body["messages"][-1]["content"])
        if not body.get("stream"):
            message = {"role": "assistant", "content": text}
            answer_json(
                self,
                200,
                {"model": body["model"], "choices": [{"message": message, "finish_reason": "stop"}]},
            )
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta, reason in (({"content": text}, None), ({}, "stop")):
            event = {"choices": [{"delta": delta, "finish_reason": reason}]}
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")


def _status(answer: Answer, body: Any) -> tuple[int, Any]:
    given = answer(body) if callable(answer) else answer
    return given if isinstance(given, tuple) else (200, given)

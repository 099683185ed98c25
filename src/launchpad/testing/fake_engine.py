"""A simulated engine: a real child process with a real HTTP server and no model, which misbehaves on request.

    python -m launchpad.testing.fake_engine --workers 3 --ignore-term --crash-at-token 5

It reads `{"api_key": …}` from its standard input (or SIMULATED_ENGINE_KEY from its environment where that is empty), listens on 127.0.0.1, writes `{"port": …}` to the file that
LAUNCHPAD_READY_FILE names when it is ready, and answers chats in the OpenAI format: `The answer is: ` and then the words of the last
message, over and over, up to `max_tokens`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import Any

SSE_FAULTS = ("none", "no-done", "half-character", "crlf", "two-in-one", "error", "garbage", "silent", "huge")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A simulated engine for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0: open to the network, as many servers are"
    )
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="does nothing; that it is there counts"
    )
    parser.add_argument("--load-seconds", type=float, default=0.0, help="simulated loading, with log lines")
    parser.add_argument("--exit-at-load", type=int, metavar="CODE")
    parser.add_argument("--signal-at-load", metavar="NAME", help="die by this signal while loading")
    parser.add_argument(
        "--hang-at-load", action="store_true", help="never become ready, without a sign of life"
    )
    parser.add_argument("--ignore-term", action="store_true", help="ignore SIGTERM and SIGHUP")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="1: a child; 2: and one in its own session; 3: and one forked twice in its own session",
    )
    parser.add_argument("--token-seconds", type=float, default=0.0, help="time between two tokens")
    parser.add_argument("--slots", type=int, default=0, help="chats that are answered at once; others wait")
    parser.add_argument("--crash-at-token", type=int, metavar="N", help="SIGSEGV instead of token N")
    parser.add_argument("--sse", choices=SSE_FAULTS, default="none", help="how to break the event stream")
    parser.add_argument("--context", type=int, metavar="WORDS", help="refuse longer prompts")
    parser.add_argument(
        "--break-models", action="store_true", help="end the connection when asked for its models"
    )
    parser.add_argument("--burn", action="store_true", help="use the processor until SIGUSR1 comes")
    parser.add_argument("--hold", type=int, default=0, metavar="BYTES", help="really take so much memory")
    parser.add_argument(
        "--spam", type=int, default=0, metavar="BYTES", help="write so much to the log at start"
    )
    return parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    """OpenAI's chat endpoint, a list of one model, and a health check."""

    protocol_version = "HTTP/1.1"
    options: argparse.Namespace
    api_key: str
    slots: contextlib.AbstractContextManager[Any]

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def do_GET(self) -> None:
        """Answer /health to everyone and /v1/models to who has the key."""
        if self.path == "/health":
            self._json(200, {"status": "ok"})
        elif not self._authorized():
            self._json(401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}})
        elif self.path == "/v1/models" and self.options.break_models:
            self.close_connection = True
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": "simulated", "object": "model"}]})
        else:
            self._json(404, {"error": {"message": "File Not Found", "type": "not_found_error"}})

    def do_POST(self) -> None:
        """Answer chats."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._authorized():
            self._json(401, {"error": {"message": "Invalid API Key", "type": "authentication_error"}})
        elif self.path != "/v1/chat/completions":
            self._json(404, {"error": {"message": "File Not Found", "type": "not_found_error"}})
        elif (limit := self.options.context) and (words := _words(json.loads(body))) > limit:
            message = f"request ({words} tokens) exceeds the available context size ({limit} tokens)"
            self._json(
                400,
                {"error": {"code": 400, "message": message, "n_prompt_tokens": words, "n_ctx": limit}},
            )
        else:
            with self.slots:
                self._chat(json.loads(body))

    def _chat(self, request: dict[str, Any]) -> None:
        if request.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for part in _stream(self.options, request):
                self.wfile.write(part)
                self.wfile.flush()
            return
        text = "".join(_tokens(self.options, request))
        message = {"role": "assistant", "content": text}
        self._json(
            200,
            {
                "object": "chat.completion",
                "model": "simulated",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            },
        )

    def _authorized(self) -> bool:
        return not self.api_key or self.headers.get("Authorization") == f"Bearer {self.api_key}"

    def _json(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _words(request: dict[str, Any]) -> int:
    """Words stand for tokens."""
    return sum(len(str(message["content"]).split()) for message in request["messages"])


def _tokens(options: argparse.Namespace, request: dict[str, Any]) -> Iterator[str]:
    content = request["messages"][-1]["content"]
    words = ["The ", "answer ", "is: ", *(word + " " for word in str(content).split())]
    limit = request.get("max_tokens") or len(words)
    for number, word in zip(range(limit), cycle(words), strict=False):
        if number == options.crash_at_token:
            signal.raise_signal(signal.SIGSEGV)  # this thread's: another one would let it go on for a moment
        time.sleep(options.token_seconds)
        yield word


def _stream(options: argparse.Namespace, request: dict[str, Any]) -> Iterator[bytes]:
    fault, end = options.sse, b"\r\n\r\n" if options.sse == "crlf" else b"\n\n"
    if fault == "silent":
        time.sleep(3600)
    events = [_event({"role": "assistant", "content": ""}) + end]
    for number, word in enumerate(_tokens(options, request)):
        events.append(_event({"content": word}) + end)
        if fault == "two-in-one" and len(events) < 2:
            continue
        yield b"".join(events)
        events = []
        if number == 2 and fault == "error":
            yield b'data: {"error": {"message": "simulated failure", "type": "server_error"}}' + end
            return
        if number == 2 and fault == "garbage":
            yield b"data: {not json" + end
        if number == 2 and fault == "huge":
            yield _event({"content": "x" * 10_000_000}) + end
    yield b"".join(events)
    if fault == "half-character":
        whole = _event({"content": "€ "}, ascii_only=False) + end
        cut = whole.index("€".encode()) + 1
        yield whole[:cut]
        time.sleep(0.05)
        yield whole[cut:]
    yield _event({}, finish="stop") + end
    if fault != "no-done":
        yield b"data: [DONE]" + end


def _event(delta: dict[str, str], finish: str | None = None, ascii_only: bool = True) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"object": "chat.completion.chunk", "model": "simulated", "choices": [choice]}
    return b"data: " + json.dumps(chunk, ensure_ascii=ascii_only).encode()


# -- misbehavior --------------------------------------------------------------------------------------------------


def _start_workers(count: int) -> None:
    """Children that do nothing and end by no polite means; returns when each is deaf and where it wants to be."""
    settled, tell = os.pipe()
    for kind in range(count):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            if kind >= 1:
                os.setsid()
            if kind >= 2 and os.fork() > 0:
                os._exit(0)
            os.write(tell, b".")
            while True:
                time.sleep(3600)
    for _ in range(count):
        os.read(settled, 1)
    os.close(settled)
    os.close(tell)


def _burn() -> None:
    """Be busy, as with somebody else's request."""
    done = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: done.set())

    def burn() -> None:
        while not done.is_set():
            for _ in range(10_000):
                pass
            time.sleep(0.001)

    threading.Thread(target=burn, daemon=True).start()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _load(options: argparse.Namespace) -> None:
    _say("simulated engine: loading")
    if options.spam:
        _say("x" * 99 * (options.spam // 100) + "\nend of spam")
    if options.exit_at_load is not None:
        _say("error: simulated failure to load")
        sys.exit(options.exit_at_load)
    if options.signal_at_load:
        os.kill(os.getpid(), signal.Signals[options.signal_at_load])
    if options.hang_at_load:
        threading.Event().wait()
    end = time.monotonic() + options.load_seconds
    while time.monotonic() < end:
        _say(f"simulated engine: {end - time.monotonic():.2f} s to go")
        time.sleep(0.05)


def _settings() -> dict[str, Any]:
    """What stands on the standard input; where nothing does, the key comes from a variable, and none is asked for without it."""
    text = sys.stdin.read()
    return json.loads(text) if text.strip() else {"api_key": os.environ.get("SIMULATED_ENGINE_KEY", "")}


def main() -> None:
    """Load, serve, and fail as told."""
    options = _arguments()
    settings = _settings()
    if options.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _start_workers(options.workers)
    if options.burn:
        _burn()
    _load(options)
    held = bytearray(b"x") * options.hold
    slots = threading.Semaphore(options.slots) if options.slots else contextlib.nullcontext()
    own = {"options": options, "api_key": settings["api_key"], "slots": slots}
    handler = type("Handler", (Handler,), own)
    server = ThreadingHTTPServer((options.host, options.port), handler)
    _say(
        f"simulated engine: listening on port {server.server_port}"
    )  # before it is ready, as real engines do
    if path := os.environ.get("LAUNCHPAD_READY_FILE"):
        draft = Path(path).with_suffix(".draft")
        draft.write_text(json.dumps({"port": server.server_port}))
        draft.replace(path)
    server.serve_forever()
    del held


if __name__ == "__main__":
    main()

"""Record the scenarios of tests/data/ollama again, from any running Ollama.

    python tools/record_ollama.py --out /tmp/recorded --gguf SmolLM2-135M-Instruct.Q4_1.gguf
    python tools/record_ollama.py --server 127.0.0.1:11434 --out /tmp/recorded chat-stream prompt-too-long

Each scenario's own requests are sent again, in their order and, where they overlapped, at the same time; what the server
answers is written in the same form, with the arrival time of every HTTP chunk. A request that the client cut is cut after
as many chunks. `--gguf` is uploaded first and made the models that the scenarios speak of (`smol` and what is made of it);
they are removed at the end. Use a server whose store may be changed.

What a client cannot bring about is left out, and named: killed processes, other settings of the server, a registry that
fails, replaced engines (`synthetic-*`).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "ollama"
PREPARE = ("blob-upload", "create-stream", "create-nostream", "create-templates")
MODELS = ("smol", "smol-nosys", "smol-tools", "smol-think", "x5")
TIMEOUT = 300.0


def main() -> int:
    """Record what was asked for; returns 1 when a scenario could not be recorded."""
    options = _options()
    recorder = Recorder(options.server, options.gguf)
    version = recorder.send({"method": "GET", "path": "/api/version"})["response"]["json"]["version"]
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    if options.gguf:
        for name in PREPARE:
            recorder.scenario(_read(name))
    for name in options.names or sorted(path.stem for path in RECORDINGS.glob("*.json")):
        old = _read(name)
        if why := _not_by_a_client(old):
            print(f"{name}: left out, {why}")
            continue
        try:
            found = recorder.scenario(old)
        except (OSError, ValueError) as error:
            failed = 1
            print(f"{name}: failed, {error}", file=sys.stderr)
            continue
        made = {
            **old,
            "ollama": {"version": version},
            "server_log": [],
            "events": [],
            "cli": [],
            "exchanges": found,
        }
        (options.out / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {len(found)} exchanges{_difference(old['exchanges'], found)}")
    if options.gguf:
        for model in MODELS:
            recorder.send({"method": "DELETE", "path": "/api/delete", "json": {"model": model}})
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="127.0.0.1:11434", help="host:port of the server [%(default)s]")
    parser.add_argument("--gguf", type=Path, help="the small model to make the scenarios' models of")
    parser.add_argument("--out", type=Path, required=True, help="folder for the recordings")
    parser.add_argument("names", nargs="*", help="scenarios [all]")
    return parser.parse_args()


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text("utf-8"))
    return found


def _not_by_a_client(scenario: Mapping[str, Any]) -> str | None:
    """Why a scenario needs more than requests."""
    if scenario.get("by"):
        return f"tools/{scenario['by']} records it"
    if scenario["scenario"].startswith("synthetic-"):
        return "its engine was replaced"
    done = [event["what"] for event in scenario.get("events") or () if "client" not in event["what"]]
    if done:
        return f"it needs {done[0]}"
    if set(scenario.get("server_env") or ()) - {"OLLAMA_NO_CLOUD"}:
        return f"its server has {', '.join(scenario['server_env'])}"
    if scenario.get("cli"):
        return "it runs the program `ollama`"
    if any("127.0.0.1:50" in str(exchange["request"].get("json")) for exchange in scenario["exchanges"]):
        return "it needs a registry on loopback"
    return None


def _difference(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> str:
    """What a reader of the recordings wants to know first: other statuses."""
    statuses = [[x["response"] and x["response"]["status"] for x in exchanges] for exchanges in (old, new)]
    return "" if statuses[0] == statuses[1] else f", statuses {statuses[1]} instead of {statuses[0]}"


class Recorder:
    """Sends requests to one server and keeps what came, chunk by chunk."""

    def __init__(self, server: str, gguf: Path | None) -> None:
        host, _, port = server.removeprefix("http://").rpartition(":")
        self._place = (host or "127.0.0.1", int(port))
        self._gguf = gguf.read_bytes() if gguf else b""

    def scenario(self, old: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All exchanges of a scenario anew. A request that came before the one before it had ended runs beside it."""
        found: list[dict[str, Any]] = []
        begin = time.monotonic()
        threads: list[threading.Thread] = []
        ends = [x["start_ms"] + (x["response"] or {}).get("end_ms", 0) for x in old["exchanges"]]
        for index, exchange in enumerate(old["exchanges"]):
            made: dict[str, Any] = {}
            found.append(made)
            thread = threading.Thread(target=self._again, args=(exchange, made, begin), daemon=True)
            thread.start()
            threads.append(thread)
            after = old["exchanges"][index + 1]["start_ms"] if index + 1 < len(ends) else float("inf")
            if after >= ends[index]:
                for running in threads:
                    running.join(TIMEOUT)
            else:
                time.sleep(max(0.0, (after - exchange["start_ms"]) / 1000))
        if not all(made.get("done") for made in found):
            raise ValueError("an exchange did not end")
        for made in found:
            del made["done"]
        return found

    def _again(self, exchange: Mapping[str, Any], made: dict[str, Any], begin: float) -> None:
        start = (time.monotonic() - begin) * 1000
        made.update(
            start_ms=round(start, 1), **self.send(exchange["request"], _cut_after(exchange)), done=True
        )

    def send(self, request: Mapping[str, Any], cut_after: int | None = None) -> dict[str, Any]:
        """One request and its response. `cut_after` chunks the client hangs up."""
        body = self._body(request)
        headers = _headers(request, self._place, body)
        begin = time.monotonic()
        with socket.create_connection(self._place, timeout=TIMEOUT) as connection:
            head = f"{request['method']} {request['path']} HTTP/1.1\r\n" + "".join(
                f"{k}: {v}\r\n" for k, v in headers
            )
            with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                connection.sendall(head.encode() + b"\r\n" + body)
            response = (
                None if cut_after == 0 else _Response(connection, request["method"], begin).read(cut_after)
            )
        kept = {name: request[name] for name in ("method", "path", "json") if request.get(name) is not None}
        return {"request": {**kept, "headers": headers, "body": _kept(body)}, "response": response}

    def _body(self, request: Mapping[str, Any]) -> bytes:
        if request.get("json") is not None:
            return json.dumps(request["json"]).encode()
        body = request.get("body") or {}
        if body.get("encoding") == "omitted":
            return self._gguf
        return _decoded(body)


def _cut_after(exchange: Mapping[str, Any]) -> int | None:
    response = exchange["response"]
    if response is None:
        return 0
    return len(response["chunks"]) if response["end"] == "client_closed" else None


def _headers(request: Mapping[str, Any], place: tuple[str, int], body: bytes) -> list[list[str]]:
    """The recorded ones, for this server: Host and Origin are kept where they were not the server's own."""
    found = [["Content-Length", str(len(body))], ["Connection", "close"]]
    own = f"{place[0]}:{place[1]}"
    host = own
    for name, value in request.get("headers", ()):
        if name.lower() == "host" and not value.startswith("127.0.0.1"):
            host = value
        elif name.lower() in ("origin", "content-type", "access-control-request-method"):
            found.append([name, value])
    return [["Host", host], *found]


class _Response:
    """Reads one response from a connection."""

    def __init__(self, connection: socket.socket, method: str, begin: float) -> None:
        self._connection, self._method, self._begin = connection, method, begin
        self._held = b""

    def read(self, cut_after: int | None) -> dict[str, Any]:
        """The response in the recordings' form."""
        status, reason, headers = self._head()
        found: dict[str, Any] = {
            "status": status, "reason": reason, "headers": headers, "headers_ms": self._now(), "end": "complete",
        }  # fmt: skip
        lower = {name.lower(): value for name, value in headers}
        chunked = "chunked" in lower.get("transfer-encoding", "")
        length = 0 if self._method == "HEAD" else int(lower.get("content-length", "0"))
        found["framing"] = "chunked" if chunked else "length" if length else "none"
        chunks: list[dict[str, Any]] = []
        try:
            for piece in self._chunks() if chunked else self._pieces(length):
                chunks.append({"t_ms": self._now(), **_kept(piece)})
                if len(chunks) == cut_after:
                    found["end"] = "client_closed"
                    break
        except ConnectionError:
            found["end"] = "server_closed"
        text = b"".join(_decoded(chunk) for chunk in chunks)
        try:
            found["json"] = json.loads(text)
        except ValueError:
            found["lines"] = text.count(b"\n")
        return {**found, "chunks": chunks, "end_ms": self._now()}

    def _now(self) -> float:
        return round((time.monotonic() - self._begin) * 1000, 1)

    def _more(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._held += data

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            self._more()
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def _head(self) -> tuple[int, str, list[list[str]]]:
        _, status, reason = (self._line().decode("latin-1") + " ").split(" ", 2)
        headers = []
        while line := self._line():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append([name, value.strip()])
        return int(status), reason.strip(), headers

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._line().split(b";")[0], 16):
            while len(self._held) < size + 2:
                self._more()
            yield self._held[:size]
            self._held = self._held[size + 2 :]

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length:
            if not self._held:
                self._more()
            piece, self._held = self._held[:length], self._held[length:]
            length -= len(piece)
            yield piece


def _kept(data: bytes) -> dict[str, Any]:
    """Bytes as the recordings hold them."""
    if len(data) > 1 << 20:
        return {"encoding": "omitted", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        return {"encoding": "utf-8", "bytes": len(data), "text": data.decode()}
    except UnicodeDecodeError:
        return {"encoding": "base64", "bytes": len(data), "base64": base64.b64encode(data).decode()}


def _decoded(body: Mapping[str, Any]) -> bytes:
    if body.get("encoding") == "base64":
        return base64.b64decode(body["base64"])
    return str(body.get("text", "")).encode()


if __name__ == "__main__":
    sys.exit(main())

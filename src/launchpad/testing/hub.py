"""A simulated Hub and package index on loopback that misbehaves on request: for tests of pulls and source plugins.

    with SimulatedHub() as hub:
        hub.add_model("org/tiny-GGUF", {"tiny-Q4_K_M.gguf": content})
        hub.misbehave("tiny-Q4_K_M.gguf", Fault(cut_after=1000))
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        ...
        assert hub.bytes_sent("tiny-Q4_K_M.gguf") <= len(content) + 1000

It speaks `/api/models/{id}/revision/{rev}?blobs=true`, `HEAD`/`GET /{id}/resolve/{rev}/{file}` with `ETag`,
`X-Repo-Commit`, `X-Linked-*` and `Range`, and the JSON form of the simple repository API (PEP 691) under `/simple/`.
Only the standard library is used. It listens on 127.0.0.1 alone, on a free port.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from time import sleep
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CHUNK = 64 << 10


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one answer. Only the named things differ from a good answer; bytes, seconds, bytes/s.

    The offsets `cut_after` and `stall_after` count from the begin of the answer's body, `flip_at` from the begin of
    the file (negative: from its end).
    """

    times: int | None = 1  # how many answers it spoils; None: all
    ranges_only: bool = False  # spoil only requests with a Range header
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # added, or put in the place of the right ones
    without: tuple[str, ...] = ()  # headers left out
    content: bytes | None = None  # other content
    cut_after: int | None = None  # then the connection is closed
    flip_at: int | None = None
    stall_after: int | None = None  # then nothing more comes, with the connection open
    rate: int | None = None
    chunked: bool = False
    endless: bool = False  # the body is repeated for ever
    ignore_range: bool = False
    redirect: str | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it arrived: `headers` with lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range_start(self) -> int:
        """The offset that was asked for, 0 without a Range header."""
        match = _RANGE.fullmatch(self.headers.get("range", ""))
        return int(match[1]) if match else 0


@dataclass
class _Resource:
    content: bytes
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    challenge: str | None = None  # WWW-Authenticate of the answer to a request without authorization


class SimulatedHub:
    """The server. Use it as a context manager; `requests` grows with each request, in order of arrival."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.connections = 0  # accepted so far
        self._sent: dict[str, int] = {}
        self._resources: dict[str, _Resource] = {}
        self._projects: dict[str, list[dict[str, Any]]] = {}
        self._faults: list[tuple[str, Fault, list[int]]] = []
        self._lock = Lock()
        self.closing = Event()
        self._server = _Server(self)

    @property
    def endpoint(self) -> str:
        """The address to give as `HF_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def index_url(self) -> str:
        """The address to give as `LAUNCHPAD_PYPI_INDEX_URL`."""
        return f"{self.endpoint}/simple"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    # -- what it serves -----------------------------------------------------------------------------------------

    def add_model(
        self,
        repo: str,
        files: Mapping[str, bytes],
        *,
        revision: str | None = None,
        branch: str = "main",
        gated: bool = False,
        names: Mapping[str, str] | None = None,
        digests: Mapping[str, str] | None = None,
        in_git: tuple[str, ...] = (),
    ) -> str:
        """Serve a repository and return its commit.

        `names` and `digests` make its metadata lie about a file's name or sha256. Files listed in `in_git` have a git
        object id instead of a sha256, as the Hub's small files do.
        """
        commit = revision or hashlib.sha1(repo.encode(), usedforsecurity=False).hexdigest()
        siblings = []
        for path, content in files.items():
            sha256 = (digests or {}).get(path) or hashlib.sha256(content).hexdigest()
            entry: dict[str, Any] = {"rfilename": (names or {}).get(path, path), "size": len(content)}
            entry["blobId"] = hashlib.sha1(
                b"blob %d\0" % len(content) + content, usedforsecurity=False
            ).hexdigest()
            if path not in in_git:
                entry["lfs"] = {"size": len(content), "sha256": sha256, "pointerSize": 134}
            siblings.append(entry)
            headers = {
                "ETag": f'"{sha256}"',
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{sha256}"',
                "X-Linked-Size": str(len(content)),
            }
            resource = _Resource(content, headers=headers, gated=gated)
            for name in (commit, branch):
                self._resources[f"/{repo}/resolve/{name}/{path}"] = resource
        info = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "gated": gated}
        metadata = _Resource(json.dumps(info).encode(), "application/json", gated=gated)
        for name in ("", f"/revision/{commit}", f"/revision/{branch}"):
            self._resources[f"/api/models/{repo}{name}"] = metadata
        return commit

    def add_wheel(
        self,
        project: str,
        version: str,
        members: Mapping[str, bytes],
        *,
        sha256: str | None = None,
        yanked: bool = False,
        url: str | None = None,
        tag: str = "py3-none-any",
    ) -> bytes:
        """Serve a wheel with these members and return it. `sha256` and `url` make the index lie."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        wheel = buffer.getvalue()
        filename = f"{project.replace('-', '_')}-{version}-{tag}.whl"
        self._resources[f"/packages/{filename}"] = _Resource(wheel, headers={"ETag": f'"{filename}"'})
        files = self._projects.setdefault(project, [])
        entry = {
            "filename": filename,
            "url": url or f"../../packages/{filename}",
            "hashes": {"sha256": sha256 or hashlib.sha256(wheel).hexdigest()},
            "size": len(wheel),
            "yanked": yanked,
            "upload-time": f"2026-01-{len(files) + 1:02}T00:00:00Z",
        }
        files.append(entry)
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
        kind = "application/vnd.pypi.simple.v1+json"
        self._resources[f"/simple/{project}/"] = _Resource(json.dumps(page).encode(), kind)
        return wheel

    def add(self, path: str, content: bytes, *, kind: str = "application/octet-stream") -> str:
        """Serve `content` under `path` and return its address."""
        self._resources[path] = _Resource(content, kind)
        return self.endpoint + path

    def misbehave(self, ending: str, *faults: Fault) -> None:
        """Commit these faults, in order, in answers to requests whose path ends with `ending`."""
        with self._lock:
            self._faults += [
                (ending, fault, [fault.times if fault.times is not None else -1]) for fault in faults
            ]

    # -- what happened ------------------------------------------------------------------------------------------

    def gets(self, ending: str) -> list[Seen]:
        """The GET requests for paths that end with `ending`."""
        return [seen for seen in self.requests if seen.method == "GET" and seen.path.endswith(ending)]

    def bytes_sent(self, ending: str) -> int:
        """Body bytes that were written for paths that end with `ending`."""
        with self._lock:
            return sum(sent for path, sent in self._sent.items() if path.endswith(ending))

    # -- for the request handler --------------------------------------------------------------------------------

    def route(self, target: str) -> str:
        """The path that a request's target stands for: without its query."""
        return unquote(urlsplit(target).path)

    def find(self, path: str) -> _Resource | None:
        """What is served under `path`."""
        return self._resources.get(path)

    def next_fault(self, path: str, ranged: bool) -> Fault:
        """The fault to commit now; a `Fault()` spoils nothing."""
        with self._lock:
            for ending, fault, left in self._faults:
                if left[0] != 0 and path.endswith(ending) and (ranged or not fault.ranges_only):
                    left[0] -= 1
                    return fault
        return Fault()

    def note_connection(self) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1

    def note_sent(self, path: str, count: int) -> None:
        """Count body bytes."""
        with self._lock:
            self._sent[path] = self._sent.get(path, 0) + count


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: SimulatedHub) -> None:
        self.hub = hub
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30
    disable_nagle_algorithm = (
        True  # the head and the body are two writes: the second would wait 40 ms for an ACK
    )

    def setup(self) -> None:
        """A connection was accepted."""
        super().setup()
        self.server.hub.note_connection()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: `requests` has it all."""

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def _serve(self, *, body: bool) -> None:
        hub = self.server.hub
        path = hub.route(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.requests.append(Seen(method=self.command, path=path, headers=headers))
        resource = hub.find(path)
        fault = hub.next_fault(path, "range" in headers) if body else Fault()
        if resource is None:
            resource, fault = (
                _Resource(b"Entry not found"),
                Fault(status=fault.status or 404, redirect=fault.redirect),
            )
        elif resource.gated and "authorization" not in headers:
            gate = {"X-Error-Code": "GatedRepo"}
            resource, fault = _Resource(b"Access to model is restricted."), Fault(status=401, headers=gate)
        elif resource.challenge and "authorization" not in headers:
            gate = {"WWW-Authenticate": resource.challenge}
            resource, fault = _Resource(b"authentication required"), Fault(status=401, headers=gate)
        _Answer(self, path, resource, fault).send(body=body)


class _Answer:
    """One answer, with its fault."""

    def __init__(self, handler: _Handler, path: str, resource: _Resource, fault: Fault) -> None:
        self.handler, self.path, self.fault = handler, path, fault
        content = resource.content if fault.content is None else fault.content
        if fault.flip_at is not None:
            flipped = bytearray(content)
            flipped[fault.flip_at] ^= 1
            content = bytes(flipped)
        self.status, self.headers, self.body = self._plan(content, resource)

    def _plan(self, content: bytes, resource: _Resource) -> tuple[int, dict[str, str], bytes]:
        fault, total = self.fault, len(content)
        headers = {"Content-Type": resource.kind, "Accept-Ranges": "bytes", **resource.headers}
        status, body = 200, content
        match = _RANGE.fullmatch(self.handler.headers.get("Range", ""))
        validator = self.handler.headers.get("If-Range")
        changed = validator is not None and validator != {**headers, **fault.headers}.get("ETag")
        if match and not fault.ignore_range and not changed:
            start, end = int(match[1]), min(int(match[2] or total - 1), total - 1)
            status, body = 206, content[start : end + 1]
            headers["Content-Range"] = f"bytes {start}-{end}/{total}"
            if start >= total:
                status, body = 416, b""
                headers["Content-Range"] = f"bytes */{total}"
        if fault.redirect:
            status, body = 302, b""
            headers["Location"] = fault.redirect
        headers["Content-Length"] = str(len(body))
        headers |= fault.headers
        without = {*fault.without, *(("Content-Length",) if fault.chunked or fault.endless else ())}
        return fault.status or status, {k: v for k, v in headers.items() if k not in without}, body

    def send(self, *, body: bool) -> None:
        handler = self.handler
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        if self.fault.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        # A body of another length than announced can only end with the connection.
        handler.close_connection = not self.fault.chunked and self.headers.get("Content-Length") != str(
            len(self.body)
        )
        handler.end_headers()
        if body:
            self._send_body()

    def _send_body(self) -> None:
        fault = self.fault
        stop = min(x for x in (fault.cut_after, fault.stall_after, len(self.body)) if x is not None)
        taken = self._write(self.body[:stop])
        while taken and fault.endless and not self.handler.server.hub.closing.is_set():
            taken = self._write(self.body)
        if fault.stall_after is not None:
            self.handler.server.hub.closing.wait(60)
        if stop < len(self.body):
            self.handler.close_connection = True
        elif fault.chunked:
            self.handler.wfile.write(b"0\r\n\r\n")

    def _write(self, data: bytes) -> bool:
        """Whether the client has taken it all."""
        step = min(_CHUNK, max(1, self.fault.rate // 50)) if self.fault.rate else _CHUNK
        for begin in range(0, len(data), step):
            piece = data[begin : begin + step]
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) if self.fault.chunked else piece
            # Counted first: who has read the last byte must find it counted.
            self.handler.server.hub.note_sent(self.path, len(piece))
            try:
                self.handler.wfile.write(framed)
            except OSError:
                self.handler.close_connection = True
                return False
            if self.fault.rate:
                if self.handler.server.hub.closing.is_set():
                    return False
                sleep(len(piece) / self.fault.rate)
        return True

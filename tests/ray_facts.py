"""A simulated Ray dashboard: the replies of a real Ray 2.60 of two raylets, with GPUs that are made up; its jobs are real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

MIB = 2**20
H100 = {
    "index": 0,
    "name": "NVIDIA H100 80GB HBM3",
    "uuid": "GPU-1",
    "memory_used": 559,
    "memory_total": 81559,
}


def node(
    name: str, ip: str, head: bool, gpus: list[dict[str, Any]], **resources: float
) -> tuple[Any, Any, Any]:
    """A node's rows in the list, in the summary and in the load."""
    total = {"CPU": 32.0, "GPU": 2.0, "memory": 2.4e10, f"node:{ip}": 1.0, **resources}
    row = {"node_id": name, "node_ip": ip, "is_head_node": head, "state": "ALIVE", "resources_total": total}
    mem = [25276510208, 24366448640, 3.6, 910061568]
    return (
        row,
        {
            "cpus": [2, 2],
            "mem": mem,
            "raylet": {"nodeId": name, "nodeManagerAddress": ip, "nodeManagerPort": 0},
            "gpus": gpus,
        },
        {"GPU": [0.0, total["GPU"]]},
    )


def replies(*nodes: tuple[Any, Any, Any]) -> dict[str, Any]:
    rows = [row for row, _, _ in nodes]
    usage = {row["node_id"]: load for row, _, load in nodes}
    return {
        "/api/version": {"version": "4", "ray_version": "2.60.0", "session_name": "s"},
        "/api/v0/nodes": {"result": True, "data": {"result": {"total": len(rows), "result": rows}}},
        "/nodes": {"result": True, "data": {"summary": [summary for _, summary, _ in nodes]}},
        "/api/cluster_status": {
            "data": {"clusterStatus": {"loadMetricsReport": {"usage": {}, "usageByNode": usage}}}
        },
    }


TWO = replies(node("a", "10.0.0.1", True, [H100, H100]), node("b", "10.0.0.2", False, [H100, H100]))


class Jobs:
    """Runs what is submitted, as Ray's head does: in a session of its own, with its variables, its output in a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.submitted: dict[str, Any] = {}
        self.stopped: set[str] = set()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        name, _, verb = path.removeprefix("/api/jobs/").partition("/")
        if (method, name) == ("POST", ""):
            return self._submit(body)
        if name not in self.submitted:
            return 404, f"Job {name} does not exist"
        if verb == "logs":
            return 200, {"logs": self.log(name)}
        if verb == "stop":
            self.stopped.add(name)
            self._signal(name, signal.SIGTERM)
            return 200, {"stopped": True}
        if method == "DELETE":
            if self.running[name].poll() is None:
                return 500, f"RuntimeError: Attempted to delete job {name}, but it is in a non-terminal state"
            del self.submitted[name]
            return 200, {"deleted": True}
        return 200, self._look(name)

    def _submit(self, body: Any) -> tuple[int, Any]:
        name = body["submission_id"]
        if name in self.submitted:
            return 500, f"Traceback …\nValueError: Job with submission_id {name} already exists."
        self.submitted[name] = body
        with (self.folder / name).open("wb") as log:
            self.running[name] = subprocess.Popen(
                body["entrypoint"],
                shell=True,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **body["runtime_env"]["env_vars"], "RAY_ADDRESS": "127.0.0.1:6379"},
                start_new_session=True,
            )
        return 200, {"job_id": name, "submission_id": name}

    def _look(self, name: str) -> dict[str, Any]:
        code = self.running[name].poll()
        ended = "STOPPED" if name in self.stopped else "SUCCEEDED" if code == 0 else "FAILED"
        status = "RUNNING" if code is None else ended
        return {"status": status, "submission_id": name, "job_id": "01000000", "driver_exit_code": code}

    def log(self, name: str) -> str:
        return (self.folder / name).read_text()

    def _signal(self, name: str, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.running[name].pid, number)

    def close(self) -> None:
        """End what a test has left."""
        for name, process in self.running.items():
            if process.poll() is None:
                self._signal(name, signal.SIGKILL)
            process.wait()


@contextmanager
def serving(answers: dict[str, Any], token: str | None = None, jobs: Jobs | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = token is not None and self.headers.get("Authorization") != f"Bearer {token}"
            path = self.path.partition("?")[0]
            if jobs is not None and path.startswith("/api/jobs/") and not refused:
                length = int(self.headers.get("Content-Length") or 0)
                status, answer = jobs.answer(
                    self.command, path, json.loads(self.rfile.read(length) or "null")
                )
            else:
                answer = answers.get(path)
                answer = answer() if callable(answer) else answer
                status = 401 if refused else 404 if answer is None else 200
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            if isinstance(answer, str):
                body = answer.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET  # noqa: N815  (names of the standard library)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        if jobs is not None:
            jobs.close()

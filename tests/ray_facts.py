"""A simulated Ray dashboard: the replies of a real Ray 2.60 of two raylets, with GPUs that are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
        {"cpus": [2, 2], "mem": mem, "raylet": {"nodeId": name}, "gpus": gpus},
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


@contextmanager
def serving(answers: dict[str, Any], token: str | None = None) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            refused = token is not None and self.headers.get("Authorization") != f"Bearer {token}"
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(401 if refused else 404 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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

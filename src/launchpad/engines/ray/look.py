"""The job that looks at every node of a Ray cluster before an engine is started. Sent as text; the standard library and Ray.

What to look for is JSON in LAUNCHPAD_LOOK: `packages`, `path` or (`repository`, `revision`). What was seen is one line,
`launchpad-look [...]`, with one object per node that has GPUs.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SECONDS = 60.0


def look(wanted: dict[str, Any]) -> dict[str, Any]:
    """What one node has. It is sent to each of them whole: all that it needs is inside."""
    import hashlib
    import importlib.metadata
    import ipaddress
    import os
    import platform
    import socket
    import subprocess
    from pathlib import Path

    def version(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    def folder() -> Any:
        if wanted.get("path"):
            return Path(str(wanted["path"]))
        home = Path(os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser())
        cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
        kept = cache / ("models--" + wanted["repository"].replace("/", "--"))
        revision = wanted.get("revision")
        if revision is None or not (kept / "snapshots" / revision).is_dir():
            reference = kept / "refs" / (revision or "main")
            revision = reference.read_text().strip() if reference.is_file() else "none"
        return kept / "snapshots" / str(revision)

    def model() -> dict[str, Any] | None:
        try:
            config = (folder() / "config.json").read_bytes()
            weights = sorted((one.name, one.stat().st_size) for one in folder().glob("*.safetensors"))
        except OSError:
            return None
        return {"config": hashlib.sha256(config).hexdigest(), "weights": weights}

    def interface() -> str | None:
        try:
            import psutil

            mine = ipaddress.ip_address(wanted["address"])
            for name, rows in psutil.net_if_addrs().items():
                for row in rows:
                    if row.family == socket.AF_INET and row.netmask:
                        network = ipaddress.ip_network(f"{row.address}/{row.netmask}", strict=False)
                        if mine == ipaddress.ip_address(row.address) or (
                            mine.is_loopback and mine in network
                        ):
                            return str(name)
        except (ImportError, OSError, ValueError):
            pass
        return None

    def gpus() -> int | None:
        try:
            done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, timeout=20, text=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.count("GPU ") if done.returncode == 0 else None

    def reached() -> str | None:
        """Any port of the head from here, and any port of this node from there."""
        try:
            with socket.create_server(("", 0)) as door:
                with socket.create_connection(tuple(wanted["head"]), timeout=5.0) as head:
                    head.settimeout(10.0)
                    head.sendall(b"%d\n" % door.getsockname()[1])
                    failed = head.makefile().readline().strip()
                return f"the head does not reach it: {failed}" if failed else None
        except OSError as error:
            return f"it does not reach the head: {error}"

    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ["ray", *wanted["packages"]]},
        "model": model(),
        "interface": interface(),
        "named": [os.environ.get("GLOO_SOCKET_IFNAME"), os.environ.get("NCCL_SOCKET_IFNAME")],
        "gpus": gpus(),
        "unreached": reached(),
    }


def call_back(door: Any) -> None:
    """For each node that comes: try the port that it names, and tell it what failed."""
    import contextlib
    import socket
    import threading

    def answer(node: socket.socket, address: str) -> None:
        failed = ""
        with node:
            node.settimeout(10.0)
            try:
                port = int(node.makefile().readline())
                socket.create_connection((address, port), timeout=5.0).close()
            except (OSError, ValueError) as error:
                failed = str(error)
            with contextlib.suppress(OSError):  # it has not waited
                node.sendall(failed.encode() + b"\n")

    while True:
        node, (address, *_) = door.accept()
        threading.Thread(target=answer, args=(node, address), daemon=True).start()


def main() -> None:
    """Ask all nodes at once."""
    import socket
    import threading

    import ray  # type: ignore[import-not-found,unused-ignore]
    from ray.util.scheduling_strategies import (  # type: ignore[import-not-found,unused-ignore]
        NodeAffinitySchedulingStrategy,
    )

    wanted = json.loads(os.environ["LAUNCHPAD_LOOK"])
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    door = socket.create_server((ray.util.get_node_ip_address(), 0), backlog=len(nodes) + 1)
    threading.Thread(target=call_back, args=(door,), daemon=True).start()
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        mine = {**wanted, "address": node["NodeManagerAddress"], "head": door.getsockname()[:2]}
        asked[task.options(scheduling_strategy=there).remote(mine)] = node
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS) if asked else ([], [])
    seen = []
    for answer, node in asked.items():
        one = {"address": node["NodeManagerAddress"], "counted": node["Resources"]["GPU"]}
        try:
            one |= ray.get(answer) if answer in done else {"error": f"no answer in {SECONDS:.0f} s"}
        except Exception as error:
            one["error"] = str(error).strip().splitlines()[-1][:200]
        seen.append(one)
    sys.stdout.write(f"launchpad-look {json.dumps(seen)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A real Ray cluster of several nodes on this machine: each its own raylet, at its own loopback address.

The GPUs are logical (Ray counts what it is told), and of a kind whose memory launchpad knows. vLLM's Ray executor refuses the CPU;
a plugin of vLLM, for these tests only, lets it place its workers by those logical GPUs, and spares it compiling.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

HEAD, OTHER = "127.0.0.2", "127.0.0.3"
PLUGIN = """
import os

def register():
    return "vllm_raycpu.RayCpuPlatform" if os.environ.get("RAYCPU") == "1" else None

def __getattr__(name):
    if name != "RayCpuPlatform":
        raise AttributeError(name)
    from vllm.platforms.cpu import CpuPlatform

    class RayCpuPlatform(CpuPlatform):
        ray_device_key = "GPU"

        @classmethod
        def check_and_update_config(cls, vllm_config):
            from vllm.config import CompilationMode

            vllm_config.compilation_config.mode = CompilationMode.DYNAMO_TRACE_ONCE
            vllm_config.compilation_config.backend = "eager"
            super().check_and_update_config(vllm_config)

    globals()[name] = RayCpuPlatform
    return RayCpuPlatform
"""


def install_plugin(packages: Path) -> None:
    """Put the plugin beside the packages of an environment."""
    (packages / "vllm_raycpu.py").write_text(PLUGIN)
    info = packages / "vllm_raycpu-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm-raycpu\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vllm.platform_plugins]\nraycpu = vllm_raycpu:register\n")


class RayNodes:
    """The nodes of one cluster, by address. Close it, whatever happens."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._folder = Path(tempfile.mkdtemp(prefix="lpray"))  # a socket's path must be short
        self._mark = f"LAUNCHPAD_TEST_RAY={self._folder}"
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._port, self.dashboard = free_ports(2)
        self._start(
            HEAD,
            "--head",
            f"--port={self._port}",
            f"--dashboard-host={HEAD}",
            f"--dashboard-port={self.dashboard}",
        )
        self._wait(lambda: len(self.alive()) == 1)

    @property
    def named(self) -> str:
        """As `--on` names it."""
        return f"ray://{HEAD}:{self.dashboard}"

    def join(self, address: str = OTHER) -> None:
        """One more node; returns when the cluster has it."""
        before = len(self.alive())
        self._start(address, f"--address={HEAD}:{self._port}")
        self._wait(lambda: len(self.alive()) > before)

    def kill(self, address: str = OTHER) -> None:
        """As a power cut: every process of the node at once."""
        started = self._nodes.pop(address)
        node = psutil.Process(started.pid)
        for process in [node, *node.children(recursive=True)]:
            with suppress(psutil.Error):
                process.kill()
        started.wait()

    def hub_cache(self, address: str) -> Path:
        """Where this node keeps its models; nodes of one machine would share it."""
        return self._folder / f"hub-{address}"

    def alive(self) -> set[str]:
        """Addresses of the nodes that the cluster takes to be alive."""
        try:
            rows = self.ask("/api/v0/nodes")["data"]["result"]["result"]
        except (OSError, ValueError, KeyError):
            return set()
        return {row["node_ip"] for row in rows if row["state"] == "ALIVE"}

    def ask(self, path: str) -> Any:
        """What the dashboard answers."""
        with urlopen(f"http://{HEAD}:{self.dashboard}{path}", timeout=150) as answer:
            return json.load(answer)

    def of_engines(self) -> list[str]:
        """What of an engine lives on the nodes: names of processes."""
        names = []
        for process in self._processes():
            with suppress(psutil.Error):
                words = " ".join(process.cmdline())
                if process.status() != psutil.STATUS_ZOMBIE and ("VLLM" in words or "RayWorkerProc" in words):
                    names.append(words.strip())
        return names

    def close(self) -> None:
        """End all nodes; what does not end by itself is killed."""
        for node in reversed(self._nodes.values()):
            node.send_signal(signal.SIGTERM)
        for node in self._nodes.values():
            with suppress(subprocess.TimeoutExpired):
                node.wait(20)
        for process in self._processes():
            with suppress(psutil.Error):
                process.kill()
        for node in self._nodes.values():
            node.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, address: str, *words: str) -> None:
        unwanted = ("PYTHONDONTWRITEBYTECODE", "LAUNCHPAD_HOME")
        environment = {
            **{name: value for name, value in os.environ.items() if name not in unwanted},
            "LAUNCHPAD_TEST_RAY": str(self._folder),
            "RAYCPU": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_CACHE": str(self.hub_cache(address)),
        }
        command = [
            *(str(self._python), "-m", "ray.scripts.scripts", "start", *words),
            *(f"--node-ip-address={address}", "--num-cpus=2", "--num-gpus=1", "--block"),
            *("--resources", '{"accelerator_type:L4": 1}', "--object-store-memory=100000000"),
            *("--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"),
            f"--temp-dir={self._folder / address}",
        ]
        with (self._folder / f"{address}.log").open("wb") as log:
            self._nodes[address] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _wait(self, condition: Any) -> None:
        limit = time.monotonic() + 120
        while not condition():
            if time.monotonic() > limit or any(node.poll() is not None for node in self._nodes.values()):
                logs = [path.read_text()[-2000:] for path in self._folder.glob("*.log")]
                self.close()
                raise AssertionError("the Ray cluster does not start:\n" + "\n".join(logs))
            time.sleep(0.2)

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("LAUNCHPAD_TEST_RAY") == str(self._folder):
                    found.append(process)
        return found


def free_ports(number: int) -> list[int]:
    """Ports of the head that were free a moment ago."""
    probes = [socket.create_server((HEAD, 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports

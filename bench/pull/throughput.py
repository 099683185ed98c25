"""How fast a 2 GB file comes from loopback: launchpad (verifying) beside curl, wget, aria2 and huggingface_hub.

    python bench/pull/throughput.py [--size 2GiB] [--rounds 5] [--where FOLDER] [--only curl launchpad]

nginx (`apt-get install nginx-light`) serves the file, so that the server is not what is measured. The rounds are
interleaved, because the load of the machine changes; the best and the median of each are printed, and what the
processors did for it: seconds of the program and of the server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

CONFIG = """
worker_processes 1; daemon off; pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; sendfile_max_chunk 2m;
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port}; root {work}/www;
    location ~ ^/api/ {{ default_type application/json; }}
    location ~ /resolve/ {{ add_header X-Repo-Commit {commit}; add_header ETag '"{sha256}"'; add_header X-Linked-Etag '"{sha256}"'; }} }} }}
"""
COMMIT = "0" * 39 + "1"
PORT = 18181
FILE = "big.gguf"

# Who wants a model has asked its source for the files before: the HTTP library is there, as it is for huggingface_hub.
LAUNCHPAD = """
import sys, time
import httpx2
from launchpad.catalog.model import Build
from launchpad.events import ignore
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.store import pull
url, size, sha256 = sys.argv[1], int(sys.argv[2]), sys.argv[3]
file = RemoteFile(path="big.gguf", urls=(url,), size=size, sha256=sha256)
build = Build(ref="hf://org/big", format="gguf", quantization="X")
begin = time.monotonic()
pull(Resolved(ref="hf://org/big@" + "0" * 39 + "1", folder="models--org--big", revision="0" * 39 + "1",
              files=(file,), entry="big.gguf", build=build), ignore)
print(time.monotonic() - begin)
"""
HUB = """
import sys, time
from huggingface_hub import hf_hub_download
begin = time.monotonic()
hf_hub_download("org/big", "big.gguf", revision="0" * 39 + "1")
print(time.monotonic() - begin)
"""


def serve(work: Path, size: int) -> tuple[subprocess.Popen[bytes], str]:
    folder = work / "www" / "org" / "big" / "resolve" / COMMIT
    folder.mkdir(parents=True)
    hasher, left = hashlib.sha256(), size
    with (folder / FILE).open("wb") as file:
        while left:
            block = os.urandom(min(left, 1 << 24))
            file.write(block)
            hasher.update(block)
            left -= len(block)
    sha256 = hasher.hexdigest()
    info = {"id": "org/big", "sha": COMMIT, "siblings": [{"rfilename": FILE}]}
    api = work / "www" / "api" / "models" / "org" / "big" / "revision"
    api.mkdir(parents=True)
    (api / COMMIT).write_text(json.dumps(info))
    config = work / "nginx.conf"
    config.write_text(CONFIG.format(work=work, port=PORT, commit=COMMIT, sha256=sha256))
    server = subprocess.Popen(["nginx", "-c", config, "-p", work], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return server, sha256


def commands(url: str, size: int, sha256: str, target: Path) -> dict[str, list[str]]:
    out = str(target / "out.bin")
    return {
        "curl": ["curl", "-sf", "-o", out, url],
        "curl, tee, sha256sum": ["bash", "-c", f"curl -sf {url} | tee {out} | sha256sum"],
        "wget": ["wget", "-q", "-O", out, url],
        "aria2 -x8, checked": [
            "aria2c", "-q", "-x8", "-s8", "-d", str(target), "-o", "out.bin",
            f"--checksum=sha-256={sha256}", "--file-allocation=none", url,
        ],
        "huggingface_hub (HTTP)": [sys.executable, "-c", HUB],
        "launchpad, checked": [sys.executable, "-c", LAUNCHPAD, url, str(size), sha256],
    }  # fmt: skip


class Cost(NamedTuple):
    """Seconds of one transfer: on the clock (of the transfer alone where a Python process can tell), of the processors."""

    clock: float
    program: float
    server: float


def processor_seconds(pid: int) -> float:
    """What a process has had of the processors."""
    return float(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def worker_of(master: int) -> int:
    """The one worker of nginx."""
    return int(Path(f"/proc/{master}/task/{master}/children").read_text().split()[0])


def measure(command: list[str], target: Path, server: int) -> Cost:
    """Run one program."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{PORT}",
        "HF_HUB_CACHE": str(target / "hub"),
        "LAUNCHPAD_HOME": str(target / "own"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    target.mkdir()
    used, served = resource.getrusage(resource.RUSAGE_CHILDREN), processor_seconds(server)
    begin = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begin
    served = processor_seconds(server) - served
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(target)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-500:]}")
    clock = float(done.stdout) if command[0] == sys.executable else seconds
    return Cost(clock, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, served)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=[""], help="words with which the programs begin; curl is needed"
    )
    parser.add_argument("--where", type=Path, default=Path("/dev/shm"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # nginx's worker is another user when it is started by root
        server, sha256 = serve(Path(folder), options.size)
        url = f"http://127.0.0.1:{PORT}/org/big/resolve/{COMMIT}/{FILE}"
        target = options.where / f"launchpad-bench-{os.getpid()}"
        costs: dict[str, list[Cost]] = {}
        try:
            for _ in range(options.rounds):
                for name, command in commands(url, options.size, sha256, target).items():
                    if shutil.which(command[0]) and name.startswith(tuple(options.only)):
                        costs.setdefault(name, []).append(measure(command, target, worker_of(server.pid)))
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(target, ignore_errors=True)
    print("| program | best, MB/s | median, MB/s | ratio to curl | processor, s | nginx, s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, mine in costs.items():
        ratio = statistics.median(
            curl.clock / one.clock for curl, one in zip(costs["curl"], mine, strict=True)
        )
        times = [one.clock for one in mine]
        best, middle = options.size / min(times) / 1e6, options.size / statistics.median(times) / 1e6
        program, nginx = (statistics.median(column) for column in list(zip(*mine, strict=True))[1:])
        print(f"| {name} | {best:,.0f} | {middle:,.0f} | {ratio:.2f} | {program:.2f} | {nginx:.2f} |")


if __name__ == "__main__":
    main()

"""Whether N replicas behind the gateway serve N times the load: the real command, with one replica and with several.

    python bench/serve/replicas.py MODEL.gguf [--replicas 1 2 4] [--seconds 10] [--rounds 3] [--json]

The simulated engine answers one chat at a time and sleeps between tokens, so that it needs no core: what is left is whether the
gateway spreads the load. llama.cpp gets as many cores as it has replicas (one thread each), as far as there are cores. Each
figure is answers per second of clients that ask again at once, four for each replica. Rounds alternate.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLIENTS = 4  # for each replica
TOKENS = 16
TOKEN_SECONDS = 0.02
SIMULATED = f"""\
[backends.simulated]
command = [{json.dumps(sys.executable)}, "-m", "launchpad.testing.fake_engine", "--slots", "1",
           "--token-seconds", "{TOKEN_SECONDS}", "--port", "{{port}}"]
env = {{ SIMULATED_ENGINE_KEY = "{{api_key}}" }}
"""


@contextlib.contextmanager
def serving(model: str, replicas: int, backend: str, home: Path) -> Iterator[tuple[int, str]]:
    """The gateway with so many replicas, on so many cores where the engine computes; its port and key."""
    words = [
        "serve",
        model,
        "--replicas",
        str(replicas),
        "--backend",
        backend,
        "--context",
        "1024",
        "--parallel",
        "1",
    ]
    cores = sorted(os.sched_getaffinity(0))
    own = cores if backend == "simulated" else cores[:replicas]
    process = subprocess.Popen(
        [sys.executable, "-m", "launchpad", *words, "--offline", "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "LAUNCHPAD_HOME": str(home)}, preexec_fn=lambda: os.sched_setaffinity(0, own),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = ""
        while True:
            line = process.stdout.readline()
            assert line, "the gateway did not start"
            lines += line
            with contextlib.suppress(json.JSONDecodeError):
                document = json.loads(lines)
                break
        assert "url" in document, document
        yield int(document["url"].rpartition(":")[2]), Path(document["key_file"]).read_text().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def rate(port: int, key: str, clients: int, seconds: float) -> tuple[float, int]:
    """(answers per second, answers that failed) while so many clients ask."""
    end = time.monotonic() + seconds
    done: list[float] = []
    failed: list[float] = []

    def client(number: int) -> None:
        body = {"messages": [{"role": "user", "content": f"Count from {number}."}], "max_tokens": TOKENS}
        while time.monotonic() < end:
            (done if ask(port, key, body) == 200 else failed).append(time.monotonic())

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(done) / (time.monotonic() - begin), len(failed)


def ask(port: int, key: str, body: dict[str, Any]) -> int:
    """The status of one whole answer; 0 where it was cut."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def measure(options: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Rates by engine and number of replicas."""
    found: dict[str, Any] = {}
    cores = len(os.sched_getaffinity(0))
    for backend in ("simulated", "llamacpp"):
        counts = [n for n in options.replicas if backend == "simulated" or n <= cores]
        rates: dict[int, list[float]] = {n: [] for n in counts}
        failed = 0
        for _ in range(options.rounds):
            for n in counts:
                with serving(options.model, n, backend, home) as (port, key):
                    rate(port, key, n * CLIENTS, 1.0)  # until everything is warm
                    speed, bad = rate(port, key, n * CLIENTS, options.seconds)
                rates[n].append(speed)
                failed += bad
        medians = {n: statistics.median(speeds) for n, speeds in rates.items()}
        found[backend] = {
            "answers_per_second": medians,
            "times_one": {n: speed / medians[counts[0]] for n, speed in medians.items()},
            "failed": failed,
            "load": os.getloadavg()[0],
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config").mkdir()
        (Path(home) / "config" / "config.toml").write_text(SIMULATED)
        found = measure(options, Path(home))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    for backend, result in found.items():
        for n, speed in result["answers_per_second"].items():
            sys.stdout.write(
                f"{backend:10} {n} replicas: {speed:6.2f} answers/s, {result['times_one'][n]:.2f} times\n"
            )
        sys.stdout.write(f"{'':10} failed: {result['failed']}, load {result['load']:.1f}\n")


if __name__ == "__main__":
    main()

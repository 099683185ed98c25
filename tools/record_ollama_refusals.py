r"""Record what a running Ollama says where its disk or memory is full, or where a registry wants a newer Ollama.

    python tools/record_ollama_refusals.py --server 127.0.0.1:11434 --out tests/data/ollama pull-too-new
    python tools/record_ollama_refusals.py --server 127.0.0.1:11435 --out tests/data/ollama disk-full \
        --gguf SmolLM2-135M-Instruct.Q4_1.gguf --models FOLDER

    python tools/record_ollama_refusals.py --server 127.0.0.1:11436 --out tests/data/ollama load-oom-cpu \
        --gguf SmolLM2-135M-Instruct.Q4_1.gguf

The registry is `launchpad.testing.registry` on loopback. For `disk-full` start the server with OLLAMA_MODELS on a disk that
is smaller than the model (Linux: `mount -t tmpfs -o size=40m tmpfs FOLDER`), for `load-oom-cpu`
with an engine that gets too little memory (`ulimit -v 900000` in a script in front of its llama-server). Other scenarios:
record_ollama.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from record_ollama import Recorder

from launchpad.testing.hub import Fault
from launchpad.testing.registry import SimulatedRegistry

# What registry.ollama.ai sends with status 412 to an Ollama that is too old for a model.
TOO_OLD = (
    "The model you are attempting to pull requires a newer version of Ollama.\n\n"
    "Please download the latest version at:\n\n\thttps://ollama.com/download\n\n"
)
TITLES = {
    "pull-too-new": "POST /api/pull of a model whose registry answers its manifest with 412; the same with stream false",
    "load-oom-cpu": "POST /api/generate (load) with a context for which the engine gets no memory, on a CPU",
    "disk-full": "a blob, then POST /api/pull (streamed, then not), with a disk that has less room than the model",
}

STATES = {"disk-full": "the disk is nearly full", "load-oom-cpu": "the engine gets too little memory"}


def main() -> int:
    """Record one scenario; returns 1 when the server did not refuse."""
    options = _options()
    recorder = Recorder(options.server, options.gguf)
    version = recorder.send({"method": "GET", "path": "/api/version"})["response"]["json"]["version"]
    with SimulatedRegistry() as registry:
        if options.name == "disk-full":
            found = _disk_full(recorder, registry, options.gguf.read_bytes())
        elif options.name == "load-oom-cpu":
            found = [_load(recorder, options.gguf.read_bytes())]
        else:
            found = _too_new(recorder, registry)
    refused = all('"error"' in str(exchange["response"]["chunks"]) for exchange in found)
    made = {
        "schema": 1,
        "scenario": options.name,
        "title": TITLES[options.name],
        "by": Path(__file__).name,
        "ollama": {"version": version},
        "server_env": {"OLLAMA_NO_CLOUD": "1"},
        "state": STATES.get(options.name, ""),
        "exchanges": found,
        "events": [],
        "cli": [],
        "server_log": [],
    }
    text = json.dumps(made, indent=1) + "\n"
    if options.models:
        text = text.replace(options.models, "<MODELS>")
    (options.out / f"{options.name}.json").write_text(text, encoding="utf-8")
    print(f"{options.name}: {len(found)} exchanges{'' if refused else ', NOT ALL REFUSED'}")
    return 0 if refused else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="127.0.0.1:11434", help="host:port of the server [%(default)s]")
    parser.add_argument("--gguf", type=Path, help="a model that is larger than the disk (disk-full)")
    parser.add_argument("--models", help="the server's OLLAMA_MODELS, which the recording calls <MODELS>")
    parser.add_argument("--out", type=Path, required=True, help="folder for the recording")
    parser.add_argument("name", choices=sorted(TITLES))
    return parser.parse_args()


def _pull(recorder: Recorder, registry: SimulatedRegistry, *, stream: bool) -> dict[str, Any]:
    body = {"model": f"{registry.host}/library/smol", "insecure": True, "stream": stream}
    found = recorder.send({"method": "POST", "path": "/api/pull", "json": body})
    return {"start_ms": 0, **found}


def _too_new(recorder: Recorder, registry: SimulatedRegistry) -> list[dict[str, Any]]:
    registry.add_ollama("smol:latest", {"model": b"GGUF"})
    registry.misbehave("manifests/latest", Fault(times=None, status=412, content=TOO_OLD.encode()))
    return [_pull(recorder, registry, stream=stream) for stream in (True, False)]


def _disk_full(recorder: Recorder, registry: SimulatedRegistry, gguf: bytes) -> list[dict[str, Any]]:
    registry.add_ollama("smol:latest", {"model": gguf})
    port = registry.host.rpartition(":")[2]
    for blob in (gguf, b"{}"):  # Ollama wants to be sent to another host name for its blobs
        sha256 = hashlib.sha256(blob).hexdigest()
        registry.add(f"/elsewhere/{sha256[:8]}", blob)
        elsewhere = f"http://localhost:{port}/elsewhere/{sha256[:8]}"
        registry.misbehave(f"blobs/sha256:{sha256}", Fault(times=None, status=307, redirect=elsewhere))
    sha256 = hashlib.sha256(gguf).hexdigest()
    upload = {"method": "POST", "path": f"/api/blobs/sha256:{sha256}", "body": {"encoding": "omitted"}}
    uploaded = {"start_ms": 0, **recorder.send(upload)}
    return [uploaded, *(_pull(recorder, registry, stream=stream) for stream in (True, False))]


def _load(recorder: Recorder, gguf: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(gguf).hexdigest()
    recorder.send({"method": "POST", "path": f"/api/blobs/sha256:{sha256}", "body": {"encoding": "omitted"}})
    files = {"smol.gguf": f"sha256:{sha256}"}
    recorder.send({"method": "POST", "path": "/api/create", "json": {"model": "smol", "files": files}})
    body = {"model": "smol", "options": {"num_ctx": 8192}}
    loaded = recorder.send({"method": "POST", "path": "/api/generate", "json": body})
    recorder.send({"method": "DELETE", "path": "/api/delete", "json": {"model": "smol"}})
    return {"start_ms": 0, **loaded}


if __name__ == "__main__":
    sys.exit(main())

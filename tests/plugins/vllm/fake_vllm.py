"""A simulated vLLM: prints the real one's milestones, answers its endpoints, and misbehaves as FAKE_VLLM tells.

It becomes the module `vllm.entrypoints.cli.main` of a test's own environment. FAKE_VLLM is a list of words:

    fail=KEY          print the text that the file FAKE_VLLM_LOG holds, and end with code 1
    hang              never get ready
    swallow           ignore TERM while loading, as the real one does
    orphans           start a worker that ignores TERM
    deaf              ignore TERM and INT for ever
    mute              say healthy, and answer 500 to a request for a token
    keyless           take any key
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HABITS = os.environ.get("FAKE_VLLM", "").split()
MILESTONES = (
    "(APIServer pid=1) INFO 11-27 12:00:00 [api_utils.py:286] non-default args: {}",
    "(APIServer pid=1) INFO 11-27 12:00:00 [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(EngineCore pid=2) INFO 11-27 12:00:00 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m', dtype=torch.bfloat16, max_seq_len=512",
    "(Worker pid=3) INFO 11-27 12:00:00 [cpu_model_runner.py:68] Starting to load model m...",
    "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00, 118.19it/s]",
    "(Worker pid=3) INFO 11-27 12:00:00 [default_loader.py:501] Loading weights took 0.15 seconds",
    "(EngineCore pid=2) INFO 11-27 12:00:00 [kv_cache_utils.py:2327] CPU KV cache size: 131,072 tokens, Maximum concurrency for 512 tokens per request: 256.00x",
)


def option(name: str) -> str:
    return sys.argv[sys.argv.index(f"--{name}") + 1]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200, None)
        elif self._has_key():
            entry = {"id": option("served-model-name"), "max_model_len": int(option("max-model-len"))}
            self._answer(200, {"data": [entry]})
        else:
            self._answer(401, {"error": "Unauthorized"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if "mute" in HABITS:
            self._answer(500, {"error": {"message": "EngineDeadError"}})
        elif self._has_key():
            self._answer(200, {"choices": [{"text": "a", "message": {"content": "simulated"}}]})
        else:
            self._answer(401, {"error": "Unauthorized"})

    def _has_key(self) -> bool:
        own = os.environ["VLLM_API_KEY"]
        return "keyless" in HABITS or self.headers.get("Authorization") == f"Bearer {own}"

    def _answer(self, status: int, body: object) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    if "swallow" in HABITS or "deaf" in HABITS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "deaf" in HABITS:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "orphans" in HABITS:
        worker = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"
        subprocess.Popen([sys.executable, "-c", worker], start_new_session=True)
    if log := os.environ.get("FAKE_VLLM_LOG"):
        print(Path(log).read_text(), flush=True)
        sys.exit(1)
    for line in MILESTONES:
        print(line, flush=True)
    while "hang" in HABITS:
        time.sleep(0.05)
    server = ThreadingHTTPServer((option("host"), int(option("port"))), Handler)
    if "deaf" not in HABITS:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("Application startup complete.", flush=True)
    server.serve_forever()

"""A program like llama-server, with the real llama.cpp inside: what a user would name in `[backends.NAME]`.

python llama_server.py --model FILE --port N --ctx N --ngl N       the key comes from LLAMA_API_KEY
"""

from __future__ import annotations

import argparse
import os
import threading

import xllamacpp


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    for name in ("--port", "--ctx", "--ngl"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.n_ctx = options.ctx
    params.n_gpu_layers = options.ngl
    params.use_jinja = True
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.api_keys = [os.environ["LLAMA_API_KEY"]]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()

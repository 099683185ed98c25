"""Asks the embedded llama.cpp about a model file in its dry-run mode. A process of its own: success ends in a crash.

    python -P engine_child.py FILE.gguf '{"n_ctx": 4096, …}' LOG

Attributes of the JSON are those of xllamacpp's `CommonParams`; the log is all there is to read.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    path, wanted, log = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.no_alloc = params.fit_params = params.no_extra_bufts = True
    params.warmup = False
    params.verbosity = 4
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    for name, value in wanted.items():
        if name == "flash_attn_type":
            value = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{value}")
        elif name.startswith("cache_type"):
            value = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{value.upper()}")
        setattr(params, name, value)
    xllamacpp.Server(params)


if __name__ == "__main__":
    main()

"""The engine process: llama.cpp's own HTTP server, embedded by xllamacpp. Started by path; imports nothing of launchpad.

    python -P child.py serve      settings as JSON on standard input (they hold the API key)
    python -P child.py dry-run    the same settings; tells in the log what memory they would take, and dies of it
    python -P child.py devices    prints what this build can compute on, as JSON

`serve` writes `{"port": …, "load_seconds": …}` to the file that LAUNCHPAD_READY_FILE names when the model is loaded.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPERTS_ON_CPU = r"blk\.({layers})\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
VERBOSITY = 4  # the level that tells buffers and placement, and nothing of what is asked or answered


def serve() -> None:
    """Load the model and serve it until killed."""
    settings = json.load(sys.stdin)
    begin = time.monotonic()
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(xllamacpp, settings))
    except (RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
    port = int(server.listening_address.rpartition(":")[2])
    ready = Path(os.environ["LAUNCHPAD_READY_FILE"])
    draft = ready.with_suffix(".draft")
    draft.write_text(json.dumps({"port": port, "load_seconds": time.monotonic() - begin}))
    draft.replace(ready)
    threading.Event().wait()  # TERM ends it on the spot: there is nothing to save, and the driver frees the memory


def parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    """llama.cpp's parameters. Raises `ValueError` for an argument that launchpad does not know."""
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    if settings.get("projector"):
        params.mmproj.path = settings["projector"]
    params.model_alias = {settings["alias"]}
    if settings.get("draft"):
        _guess_ahead(xllamacpp, params, settings["draft"], settings["arguments"])
    if settings.get("loras"):
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in settings["loras"]]
    _keep_private(params, settings)
    params.ctx_shift = False  # a full context is an error that the user sees, never a silent cut
    params.use_jinja = True
    params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_DEEPSEEK
    params.warmup = True
    params.verbosity = VERBOSITY
    setters = _setters(xllamacpp, params)
    for name, value in settings["arguments"].items():
        if name not in setters:
            raise ValueError(f"unknown engine argument {name}")
        setters[name](value)
    params.cache_idle_slots = params.cache_ram_mib != 0
    if settings.get("pooling") is not None:
        _make_embedder(xllamacpp, params, settings["pooling"])
    return params


def _guess_ahead(xllamacpp: Any, params: Any, path: str, arguments: dict[str, Any]) -> None:
    """A small model writes a few tokens, which the large one checks at once; all of it is where the large one's output is."""
    params.speculative.draft.mparams.path = path
    params.speculative.draft.n_gpu_layers = 999 if arguments.get("n-gpu-layers") else 0
    params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]


def _make_embedder(xllamacpp: Any, params: Any, pooling: int) -> None:
    """Vectors instead of text. A text must be computed at once, so that a batch has to hold all of it."""
    kinds = {1: "MEAN", 2: "CLS", 3: "LAST"}
    params.embedding = True
    params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{kinds[pooling]}")
    params.n_batch = params.n_ubatch = max(params.n_batch, params.n_ubatch)


def _keep_private(params: Any, settings: dict[str, Any]) -> None:
    """Loopback, a key, no web page unasked, no other origin, no network, no endpoint that changes or tells more than needed."""
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings["api_key"]]
    params.ui = settings.get("ui", False)
    params.cors_origins = ""
    params.cors_origins_explicit = True
    params.cors_credentials = False
    params.endpoint_slots = False
    params.endpoint_props = False
    params.endpoint_metrics = False
    params.offline = True


def _setters(xllamacpp: Any, params: Any) -> dict[str, Callable[[Any], object]]:
    """Every argument that is known, and how it is set."""

    def plain(attribute: str) -> Callable[[Any], object]:
        return lambda value: setattr(params, attribute, value)

    def inverse(attribute: str) -> Callable[[Any], object]:
        return lambda value: setattr(params, attribute, not value)

    def ggml_type(attribute: str) -> Callable[[Any], object]:
        return lambda value: setattr(
            params, attribute, getattr(xllamacpp.ggml_type, f"GGML_TYPE_{value.upper()}")
        )

    flash, load = xllamacpp.llama_flash_attn_type, xllamacpp.llama_load_mode
    flash_types = {"on": flash.LLAMA_FLASH_ATTN_TYPE_ENABLED, "off": flash.LLAMA_FLASH_ATTN_TYPE_DISABLED}
    split_modes = {"none": xllamacpp.llama_split_mode.LLAMA_SPLIT_MODE_NONE}
    load_modes = {True: load.LLAMA_LOAD_MODE_MMAP, False: load.LLAMA_LOAD_MODE_NONE}

    def threads(value: int) -> None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = value

    def tensor_split(value: str) -> None:
        shares = [float(share) for share in value.split(",")]
        params.tensor_split = shares + [0.0] * (len(params.tensor_split) - len(shares))

    def cpu_moe(value: int) -> None:
        layers = "|".join(map(str, range(value)))
        params.tensor_buft_overrides = EXPERTS_ON_CPU.format(layers=layers)

    return {
        "ctx-size": plain("n_ctx"),
        "parallel": plain("n_parallel"),
        "kv-unified": plain("kv_unified"),
        "batch-size": plain("n_batch"),
        "ubatch-size": plain("n_ubatch"),
        "cache-type-k": ggml_type("cache_type_k"),
        "cache-type-v": ggml_type("cache_type_v"),
        "flash-attn": lambda value: setattr(params, "flash_attn_type", flash_types[value]),
        "swa-full": plain("swa_full"),
        "mmap": lambda value: setattr(params, "load_mode", load_modes[value]),
        "repack": inverse("no_extra_bufts"),
        "n-gpu-layers": plain("n_gpu_layers"),
        "fit": lambda value: setattr(params, "fit_params", value == "on"),
        "cache-ram": plain("cache_ram_mib"),
        "ctx-checkpoints": plain("n_ctx_checkpoints"),
        "threads": threads,
        "n-cpu-moe": cpu_moe,
        "tensor-split": tensor_split,
        "split-mode": lambda value: setattr(params, "split_mode", split_modes[value]),
        "main-gpu": plain("main_gpu"),
    }


def dry_run() -> None:
    """Size every buffer and allocate none. The server object does not survive that: its end says nothing."""
    settings = json.load(sys.stdin)
    import xllamacpp

    params = parameters(xllamacpp, settings)
    params.warmup = False
    params.no_alloc = True
    params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    params.fit_params = True  # the step of llama.cpp that prints the sums; it changes nothing that was set
    xllamacpp.Server(params)


def devices() -> None:
    """Print the devices of this build."""
    import xllamacpp

    keys = ("name", "description", "memory_total", "memory_free")
    found = [{key: device.get(key) for key in keys} for device in xllamacpp.get_device_info()]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    {"serve": serve, "dry-run": dry_run, "devices": devices}[sys.argv[1]]()

"""The first process of a vLLM: run by the Python that vLLM is installed for; imports nothing of launchpad.

    PYTHON -P child.py      {"words": [the words after `vllm serve`], "api_key": …} on standard input

The key must stand neither in the command line nor in the environment that the process was started with.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import runpy
import sys


def main() -> None:
    """Become `vllm serve`; where the distribution has another name, which that command cannot bear, its server module."""
    settings = json.load(sys.stdin)
    os.environ["VLLM_API_KEY"] = settings["api_key"]
    model, *words = settings["words"]
    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        sys.argv = ["vllm", "--model", model, *words]
        runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)
        return
    sys.argv = ["vllm", "serve", model, *words]
    from vllm.entrypoints.cli.main import main as vllm

    vllm()


if __name__ == "__main__":
    main()

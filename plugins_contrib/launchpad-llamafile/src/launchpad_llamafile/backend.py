"""How llamafile's server is started: llama.cpp in one file for every system, with the weights that launchpad pulled."""

from __future__ import annotations

import os
import shutil
import sys

from launchpad.plugins import BackendConfig, BackendStatus, GuestBackend, Machine

VARIABLE = "LLAMAFILE"


class Llamafile(GuestBackend):
    """llamafile 0.10 or newer, as a server on 127.0.0.1 with a key."""

    slowest = 1.0
    remark = "llamafile is a llama.cpp: the memory is that of launchpad's formulas for it; which build of it, is not known."

    def __init__(self) -> None:
        self.program = shutil.which(os.environ.get(VARIABLE) or "llamafile")
        # Its format is a program for a shell; many a kernel does not start it itself.
        shell = () if sys.platform == "win32" else ("/bin/sh",)
        options = (
            "--server", "--model", "{model_path}", "--host", "127.0.0.1", "--port", "{port}", "--ctx-size", "{context}",
            "--n-gpu-layers", "{gpu_layers}", "--parallel", "{parallel}", "--jinja", "--no-webui",
        )  # fmt: skip
        settings = BackendConfig(
            command=(*shell, self.program or "llamafile", *options),
            env={"LLAMA_API_KEY": "{api_key}"},
            accelerators=("cuda", "rocm", "metal", "vulkan"),
        )
        super().__init__("llamafile", settings, tools=True, json_schema=True, parallel=True)

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when the program is there; on a simulated machine it is taken to be."""
        if machine.simulated:
            return BackendStatus(state="ready")
        if self.program is not None:
            return BackendStatus(state="ready", place=self.program)
        why = f"There is no program {os.environ.get(VARIABLE) or 'llamafile'}."
        return BackendStatus(state="unusable", why=why, hint=self.how_to_get())

    def how_to_get(self) -> str:
        """What to do where the program is missing."""
        return f"Get llamafile 0.10 or newer from its project, make it executable, and put it on PATH or name it: {VARIABLE}"

"""vLLM in a container: whether an image of it lies here. It is told, and not started."""

from __future__ import annotations

import shutil
import subprocess

from launchpad.plugins import clean_environment

TIMEOUT = 3.0  # s


def image() -> str | None:
    """ "docker: vllm/vllm-openai:v0.33.0" where such an image is here; None where there is none, or no engine answers."""
    for program in ("docker", "podman"):
        if shutil.which(program) is None:
            continue
        command = [program, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=clean_environment()
            )
        except (OSError, subprocess.SubprocessError):
            continue
        names = [line for line in done.stdout.splitlines() if "vllm" in line and "<none>" not in line]
        if names:
            return f"{program}: {names[0]}"
    return None

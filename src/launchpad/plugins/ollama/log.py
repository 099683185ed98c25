"""The log of a server that launchpad did not start, where this user can read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from launchpad.plugins.ollama.address import Address

LONGEST = 1 << 20  # bytes of its end that are read


def server_log(address: Address) -> str:
    """The end of its log; "" where it cannot be read, or the server is elsewhere or not the usual one."""
    if not address.local or address.port != 11434:
        return ""
    for place in _places():
        try:
            with place.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST))
                return file.read().decode("utf-8", "replace")
        except OSError:
            continue
    return _journal()


def _places() -> list[Path]:
    """Where Ollama's own programs keep it (docs/troubleshooting of Ollama)."""
    if sys.platform == "win32":
        return [Path(os.path.expandvars(r"%LOCALAPPDATA%\Ollama\server.log"))]
    if sys.platform == "darwin":
        return [Path("~/.ollama/logs/server.log").expanduser()]
    return []


def _journal() -> str:
    """What systemd keeps of the service that Ollama's installer sets up; only some users may read it."""
    if sys.platform != "linux" or shutil.which("journalctl") is None:
        return ""
    command = [
        "journalctl",
        "-u",
        "ollama",
        "-n",
        "400",
        "-o",
        "cat",
        "--no-pager",
        "-q",
        "--since",
        "-30min",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=3, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout

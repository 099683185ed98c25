"""Is there an Ollama, does it run, and is it new enough?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from launchpad.plugins import BackendStatus, clean_environment
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.client import Server

FLOOR = (0, 12, 6)  # the first that can be told not to cut a prompt (`truncate`, `shift`)
UPDATE = "Update it: https://ollama.com/download"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_PLACES = {
    "darwin": ("/Applications/Ollama.app/Contents/Resources/ollama",),
    "win32": (r"%LOCALAPPDATA%\Programs\Ollama\ollama.exe",),
}
_INSTALL = {
    "win32": "irm https://ollama.com/install.ps1 | iex",
    "darwin": "curl -fsSL https://ollama.com/install.sh | sh",
    "linux": "curl -fsSL https://ollama.com/install.sh | sh",
}


def status(address: Address) -> BackendStatus:
    """Whether Ollama can be used: a server that answers, or a program that can be started."""
    if address.cloud:
        return BackendStatus(
            state="unusable",
            why=f"OLLAMA_HOST is {address.host}, Ollama's cloud; launchpad runs models on machines of your own.",
            hint="Unset OLLAMA_HOST, or set it to a server of yours.",
        )
    try:
        version = Server(address).version(timeout=2.0)
    except OSError as error:
        return _not_running(address, error)
    if version is None:
        return BackendStatus(
            state="unusable",
            why=f"What answers at {address.url} is no Ollama server.",
            hint="Set OLLAMA_HOST to the address of yours.",
        )
    return _answers(address, version)


def _answers(address: Address, version: str) -> BackendStatus:
    if too_old(version):
        return BackendStatus(state="unusable", version=version, why=too_old_text(version), hint=UPDATE)
    why = (
        None if address.local else f"Ollama runs on {address.host}: how much memory it has is not known here."
    )
    return BackendStatus(state="ready", version=version, why=why)


def _not_running(address: Address, error: OSError) -> BackendStatus:
    if not address.local:
        return BackendStatus(
            state="unusable",
            why=f"The Ollama server at {address.url} does not answer: {error}.",
            hint="Start it there, or unset OLLAMA_HOST.",
        )
    binary = find_binary()
    if binary is None:
        return BackendStatus(
            state="installable", why="Ollama is neither running nor installed.", hint=install_hint()
        )
    version = _version_of(binary)
    if version is not None and too_old(version):
        return BackendStatus(state="unusable", version=version, why=too_old_text(version), hint=UPDATE)
    return BackendStatus(state="ready", version=version)


def too_old(version: str) -> bool:
    """Whether a server of this version would cut prompts without a word. A version that says nothing counts as new."""
    found = _VERSION.match(version)
    return found is not None and (0, 0, 0) < tuple(map(int, found.groups())) < FLOOR


def too_old_text(version: str) -> str:
    """Why not."""
    floor = ".".join(map(str, FLOOR))
    return f"Ollama {version} is too old: it cuts prompts silently. From {floor} on it can be told not to."


def find_binary() -> str | None:
    """The program `ollama`: on the PATH, or where its installers put it."""
    if found := shutil.which("ollama"):
        return found
    places = (os.path.expandvars(place) for place in _PLACES.get(sys.platform, ()))
    return next((place for place in places if Path(place).is_file()), None)


def install_hint() -> str:
    """The official way to install it here."""
    command = _INSTALL.get(sys.platform)
    return f"{command}   (or https://ollama.com/download)" if command else "https://ollama.com/download"


def _version_of(binary: str) -> str | None:
    try:
        done = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env=clean_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else None

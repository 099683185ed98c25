"""What a `llama-server` can do: asked of the program itself, never assumed.

Asked once per program, boot, visible devices and set of accelerators; free memory changes by the second and is asked
anew where no probe knows it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import msgspec

from launchpad.plugins import EngineDevice, EngineError, Machine, boot_id, cache_dir, clean_environment
from launchpad.plugins.llamacpp.program import Program, api_of, read_version

TIMEOUT = 20.0  # s; a driver that lists its devices for the first time takes seconds
_DEVICE = re.compile(r"^ +(\w+): (.+) \((\d+) MiB, (\d+) MiB free\)$", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")
_SEEN_BY = ("GGML_", "VK_", "CUDA_", "HIP_", "ROCR_", "ONEAPI_", "LD_LIBRARY_PATH")
MIB = 2**20


def look(argv: tuple[str, ...], owner: str, machine: Machine) -> Program:
    """The server that this command starts. Raises `EngineError` when it is none, or does not run."""
    return _with_fresh_memory(_remembered(argv, owner, machine), machine)


def _with_fresh_memory(program: Program, machine: Machine) -> Program:
    """Free memory from the engine where it sees a GPU whose memory no probe knows."""
    known = sum(accelerator.memory_free is not None for accelerator in machine.accelerators)
    if sum(device.api is not None for device in program.devices) > known:
        return msgspec.structs.replace(program, devices=_devices(program.argv))
    devices = tuple(msgspec.structs.replace(device, memory_free=None) for device in program.devices)
    return msgspec.structs.replace(program, devices=devices)


def _remembered(argv: tuple[str, ...], owner: str, machine: Machine) -> Program:
    file = cache_dir() / f"llama-server-{hashlib.sha256(' '.join(argv).encode()).hexdigest()[:12]}.json"
    key = _key(argv, machine)
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=tuple[str, Program])
        if kept[0] == key:
            return msgspec.structs.replace(kept[1], owner=owner)
    except (OSError, msgspec.MsgspecError):
        pass
    found = ask(argv, owner)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_bytes(msgspec.json.encode((key, found)))
        draft.replace(file)
    except OSError:
        pass  # it is only a cache
    return found


def _key(argv: tuple[str, ...], machine: Machine) -> str:
    try:
        state = Path(argv[0]).stat()
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be run.", why=str(error)) from error
    seen_by = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_SEEN_BY)}
    cards = [[card.name, card.driver] for card in machine.accelerators if card.driver is not None]
    facts = [argv, state.st_mtime_ns, state.st_size, boot_id(), cards, seen_by]
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def ask(argv: tuple[str, ...], owner: str) -> Program:
    """Its version, options and devices, from itself. Raises `EngineError`."""
    told = read_version(_run((*argv, "--version")))
    if told is None:
        raise EngineError(f"{' '.join(argv)} is no llama-server.", why="It does not tell a version.")
    text = _run((*argv, "--help"))
    options = frozenset(
        _OPTION.findall("\n".join(line for line in text.splitlines() if line.startswith("-")))
    )
    if not {"--model", "--host", "--port"} <= options:
        raise EngineError(
            f"{' '.join(argv)} is no llama-server.", why="Its help names no --model and --port."
        )
    return Program(
        kind="server",
        argv=argv,
        version=told[0],
        build=told[1],
        owner=owner,
        options=options,
        help=text,
        devices=_devices(argv) if "--list-devices" in options else (),
    )


def _devices(argv: tuple[str, ...]) -> tuple[EngineDevice, ...]:
    return read_devices(_run((*argv, "--list-devices")))


def read_devices(text: str) -> tuple[EngineDevice, ...]:
    """The rows of `--list-devices`."""
    return tuple(
        EngineDevice(
            name=name,
            api=api_of(name),
            description=description,
            memory_total=int(total) * MIB or None,
            memory_free=int(free) * MIB,
        )
        for name, description, total, free in _DEVICE.findall(text)
    )


def _run(command: tuple[str, ...]) -> str:
    """What it says; some builds say it on stderr."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            env=clean_environment(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"{command[0]} cannot be run.", why=str(error)) from error
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EngineError(f"{' '.join(command)} fails.", why=words[:300])
    return f"{done.stdout}\n{done.stderr}"

"""What a running gateway tells other commands of the same user: `state/serve/<port>.json`, without the key."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.engines.identity import Identity, identify, lives
from launchpad.errors import EngineError, UnknownModel
from launchpad.paths import state_dir


class ServedModel(Struct, frozen=True, kw_only=True):
    """A model of the gateway. `context` is what one conversation has, in tokens."""

    name: str
    context: int
    vision: bool = False
    tools: bool = False
    thinking: bool = False


class Record(Struct, frozen=True, kw_only=True):
    """A gateway. `url` is its root, without `/v1`; the key is in `key_file`."""

    process: Identity
    url: str
    port: int
    key_file: str
    models: tuple[ServedModel, ...]
    version: int = 1

    @property
    def base_url(self) -> str:
        """The base of the OpenAI-compatible API."""
        return f"{self.url}/v1"


def _folder() -> Path:
    return state_dir() / "serve"


def write(url: str, port: int, key_file: Path, models: tuple[ServedModel, ...]) -> Path:
    """Tell of this process's gateway; returns the file, which its owner removes at the end."""
    me = identify(os.getpid())
    assert me is not None
    record = Record(process=me, url=url, port=port, key_file=str(key_file.absolute()), models=models)
    _folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _folder() / f"{port}.json"
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(path)
    return path


def running() -> list[Record]:
    """The gateways that live, by port. What a dead one left behind, or nobody can read, is removed."""
    found = []
    for path in sorted(_folder().glob("*.json")):
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            continue
        except msgspec.MsgspecError:
            path.unlink(missing_ok=True)
            continue
        if lives(record.process):
            found.append(record)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda record: record.port)


def the_one(port: int | None = None) -> Record:
    """The running gateway, or that on `port`. Raises `EngineError` when there is none, or more than one to choose from."""
    found = [record for record in running() if port in (None, record.port)]
    if len(found) == 1:
        return found[0]
    if found:
        ports = ", ".join(str(record.port) for record in found)
        raise EngineError(f"Several gateways run, on the ports {ports}.", hint="Say which one: --port")
    where = "" if port is None else f" on port {port}"
    raise EngineError(
        f"No gateway runs{where}.",
        why="Its address and its models are known once it runs.",
        hint="Start one in another terminal: launchpad serve",
    )


def served(record: Record, name: str | None = None) -> ServedModel:
    """The model of that name, or the first. Raises `UnknownModel`."""
    if name is None:
        return record.models[0]
    for model in record.models:
        if model.name.casefold() == name.casefold():
            return model
    known = ", ".join(model.name for model in record.models)
    raise UnknownModel(f"The gateway does not serve {name}.", why=f"It serves {known}.")

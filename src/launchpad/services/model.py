"""What a service needs to know, and what comes out. PURE."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["systemd", "quadlet", "launchd", "compose"]


class Service(Struct, frozen=True, kw_only=True):
    """One gateway as a service. `model` is what `serve` is told; paths are those of this machine.

    `user` is `uid:gid`, `gpu` the vendor whose devices a container needs. `arguments` are the further arguments of `serve`.
    """

    name: str
    title: str
    version: str
    python: str
    model: str
    model_file: str | None
    arguments: tuple[str, ...]
    port: int
    hub_cache: str
    store: str
    home: str
    user: str
    environment: dict[str, str]
    gpu: str | None


class ServiceFile(Struct, frozen=True, kw_only=True):
    """A file to put somewhere. `place` is the folder where its supervisor looks for it."""

    name: str
    place: str
    text: str


class Generated(Struct, frozen=True, kw_only=True):
    """`generate --json`: the files, and the commands that put them to work, in order."""

    kind_of_service: Kind
    files: tuple[ServiceFile, ...]
    steps: tuple[str, ...]

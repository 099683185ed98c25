"""A running engine and what it really did: frozen data."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from msgspec import Struct

from launchpad.fit.result import Settings


class EngineBuffers(Struct, frozen=True, kw_only=True):
    """Bytes that the engine allocated on one of its devices, read from the engine itself."""

    device: str
    model: int = 0
    context: int = 0
    compute: int = 0


class EngineReport(Struct, frozen=True, kw_only=True):
    """What the engine did, read back after loading. None = the engine did not say."""

    engine: str  # name and version: "llama.cpp b11549 (xllamacpp 2026.10.11549)"
    context: int | None = None
    slots: int | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    layers: int | None = None
    flash_attention: bool | None = None
    kv_type: str | None = None
    kv_tokens: int | None = None  # tokens of all conversations that its cache holds
    dtype: str | None = None  # in which it computes
    buffers: tuple[EngineBuffers, ...] = ()
    load_seconds: float | None = None
    process_memory: int | None = None  # bytes of its process that were resident when it was ready
    vision: bool | None = None
    gpu_share: float | None = None  # 0 to 1: the part of its memory that is on accelerators
    untold: str | None = None  # why a dry run told no sums
    template: str | None = None  # sha256 of the chat template that it uses
    abilities: tuple[str, ...] | None = None  # what the engine says that the model can do, in its own words


class Server(Struct, frozen=True, kw_only=True):
    """A ready engine. `endpoint` is the base of its OpenAI-compatible API (`…/v1`); `api_key` is never printed.

    `dialect` is the API that a chat speaks with it; "ollama" lies beside `/v1`. `keep_alive` is how long a server that
    is not launchpad's own should keep the model after each request, in its own words. `pid` is 0 when the server is not
    launchpad's own.
    """

    id: str
    backend: str
    endpoint: str
    api_key: str
    pid: int
    model: str
    settings: Settings
    report: EngineReport
    dialect: Literal["openai", "ollama"] = "openai"
    keep_alive: str | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """All fields but the key: a repr ends up in logs and bug reports."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "api_key"]

    def __repr__(self) -> str:
        return f"Server({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


class RunningServer(Protocol):
    """A handle on a server that this process started and must stop."""

    @property
    def server(self) -> Server:
        """The facts."""
        ...

    def alive(self) -> bool:
        """False once the engine process is gone."""
        ...

    def log_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that the engine wrote."""
        ...

    def stop(self) -> None:
        """Stop the engine and all its descendants; idempotent; returns when they are gone."""
        ...

"""Docker Model Runner by its management API (`/models`) and its engines' OpenAI API (`/engines/v1`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from launchpad.plugins import (
    Served,
    ServerAddress,
    ServerBackend,
    ServerRefused,
    UsageError,
    is_name,
    parse_size,
    positive,
    server_config,
)

NAME = "docker-model-runner"


class RunnerAddress(ServerAddress, frozen=True, kw_only=True):
    """Where the runner is."""

    def models(self, timeout: float = 2.0) -> tuple[Served, ...]:
        """What it has pulled, by each tag: of its management API, else of OpenAI's list. Raises `OSError`."""
        try:
            answer = self.ask("/models", timeout=timeout)
        except ServerRefused:
            answer = None
        return tuple(_served(answer)) if isinstance(answer, list) else super().models(timeout)


class DockerModelRunner(ServerBackend):
    """Chats with models of Docker Model Runner, which loads one when it is first asked for."""

    address_type = RunnerAddress

    def __init__(self) -> None:
        default = "http://127.0.0.1:12434/engines/v1"
        super().__init__(
            NAME, server_config(NAME, default, "DOCKER_MODEL_RUNNER_URL"), tools=True, json_schema=True
        )

    def how_to_start(self) -> str:
        """What to do where nothing answers."""
        return "Docker Desktop: docker desktop enable model-runner --tcp 12434. Docker Engine: docker model install-runner"


def _served(answer: list[Any]) -> Iterator[Served]:
    for one in answer:
        config = one.get("config") if isinstance(one, dict) else None
        if not isinstance(config, dict) or not isinstance(one.get("tags"), list):
            continue
        for tag in one["tags"]:
            if is_name(tag):
                yield Served(
                    id=tag,
                    context=positive(config.get("context_size")),
                    size=_bytes(config.get("size")),
                    quantization=_quantization(config.get("quantization")),
                )


def _quantization(value: Any) -> str | None:
    """`Q4_K_M`: the runner writes what llama.cpp calls the file (`MOSTLY_Q4_K_M`), or several (`IQ2_XXS/Q4_K_M`)."""
    name = value.removeprefix("MOSTLY_").rpartition("/")[2] if isinstance(value, str) else None
    return name if is_name(name) else None


def _bytes(text: Any) -> int | None:
    """Of `256.35 MiB`, as the runner rounds; None for anything else."""
    try:
        return parse_size(text) if isinstance(text, str) else None
    except UsageError:
        return None

"""Docker Model Runner: its models, in its engine."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, ModelSource, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """Hand over the backend. Nothing is asked here."""
    from launchpad_docker_model_runner.backend import DockerModelRunner

    return [DockerModelRunner()]


@hookimpl
def launchpad_sources() -> Sequence[ModelSource]:
    """`docker-model-runner://ai/smollm2:latest`: what it has pulled."""
    from launchpad_docker_model_runner.backend import DockerModelRunner

    return [DockerModelRunner().source()]

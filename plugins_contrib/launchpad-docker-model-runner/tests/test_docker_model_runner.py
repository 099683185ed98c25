"""Docker Model Runner's documented API, spoken by a simulated server on loopback: listing, chatting, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import launchpad_docker_model_runner
import pytest
from launchpad_docker_model_runner.backend import DockerModelRunner

from launchpad.testing import BackendContract, CliRun, PluginContract, SimulatedServer, run_cli

pytestmark = pytest.mark.usefixtures("launchpad_home")

SMOLLM = {
    "id": "sha256:354bf30d0aa3af413d2aa5ae4f23c66d78980072d1e07a5b0d776e9606a2f0b9",
    "tags": ["ai/smollm2", "ai/smollm2:360M-Q4_K_M"], "created": 1742816981,
    "config": {"format": "gguf", "quantization": "IQ2_XXS/Q4_K_M", "parameters": "361.82 M", "architecture": "llama",
               "size": "256.35 MiB"},
}  # fmt: skip
QWEN = SMOLLM | {
    "tags": ["ai/qwen3:0.6B-F16"],
    "config": {"quantization": "MOSTLY_F16", "size": "1.2GB", "context_size": 40960},
}
ODD: list[Any] = [
    7,
    {},
    {"tags": "x", "config": {}},
    {"tags": ["a b", 5], "config": {}},
    {"tags": ["odd"], "config": {"size": "1.2.3 MB", "quantization": 4}},
]


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedServer]:
    """A simulated runner."""
    with SimulatedServer({"GET /models": [SMOLLM, QWEN]}) as server:
        monkeypatch.setenv("DOCKER_MODEL_RUNNER_URL", f"{server.url}/engines/v1")
        yield server


def run(*arguments: str) -> CliRun:
    return run_cli("run", *arguments, "hello there")


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_docker_model_runner


@pytest.mark.usefixtures("runner")
class TestBackend(BackendContract):
    """The rules without an engine: launchpad neither starts nor stops this one."""

    def backend(self) -> DockerModelRunner:
        return DockerModelRunner()


def test_each_tag_is_a_model_with_what_is_known_of_it(runner: SimulatedServer) -> None:
    smollm, tagged, qwen = DockerModelRunner().source().local()
    assert (smollm.ref, smollm.size, smollm.quantization, smollm.context) == (
        "docker-model-runner://ai/smollm2", round(256.35 * 2**20), "Q4_K_M", None,
    )  # fmt: skip
    assert tagged.ref.endswith(":360M-Q4_K_M")
    assert (qwen.size, qwen.quantization, qwen.context) == (1_200_000_000, "F16", 40960)


def test_what_cannot_be_is_left_out_and_what_is_unknown_is_unknown(runner: SimulatedServer) -> None:
    runner.answers["GET /models"] = ODD
    (odd,) = DockerModelRunner().source().local()
    assert (odd.ref, odd.size, odd.quantization) == ("docker-model-runner://odd", 0, None)


def test_without_its_management_api_the_list_of_its_engine_is_read(runner: SimulatedServer) -> None:
    runner.answers = {"GET /engines/v1/models": {"data": [{"id": "ai/smollm2"}]}}
    assert [one.ref for one in DockerModelRunner().source().local()] == ["docker-model-runner://ai/smollm2"]


def test_a_model_answers_by_its_tag(runner: SimulatedServer) -> None:
    done = run("docker-model-runner://ai/smollm2:360M-Q4_K_M")
    assert (done.code, done.stdout) == (0, "hello there\n"), done.stderr
    (*_, chat) = [body for asked, body, _ in runner.asked if asked == "POST /engines/v1/chat/completions"]
    assert chat["model"] == "ai/smollm2:360M-Q4_K_M"


def test_what_the_runner_says_is_passed_on(runner: SimulatedServer) -> None:
    runner.answers["POST /engines/v1/chat/completions"] = (
        500,
        {"error": {"message": "unable to load runner"}},
    )
    done = run("docker-model-runner://ai/smollm2")
    assert done.code != 0 and not done.stdout
    assert "does not run ai/smollm2" in done.stderr and "unable to load runner" in done.stderr


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_MODEL_RUNNER_URL", "http://127.0.0.1:9/engines/v1")
    done = run("--backend", "docker-model-runner")
    assert done.code != 0 and "docker model install-runner" in done.stderr

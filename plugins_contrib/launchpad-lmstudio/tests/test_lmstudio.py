"""LM Studio's documented API, spoken by a simulated server on loopback: listing, loading as planned, chatting, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import launchpad_lmstudio
import pytest
from launchpad_lmstudio.backend import UNTOLD, LmStudio

from launchpad.testing import BackendContract, CliRun, PluginContract, SimulatedServer, run_cli

pytestmark = pytest.mark.usefixtures("launchpad_home")

LOADED = {
    "type": "llm", "publisher": "lmstudio-community", "key": "gemma-3-270m-it-qat", "architecture": "gemma3",
    "quantization": {"name": "Q4_0", "bits_per_weight": 4}, "size_bytes": 241410208, "params_string": "270M",
    "loaded_instances": [{"id": "gemma-3-270m-it-qat", "config": {"context_length": 4096}}],
    "max_context_length": 32768, "format": "gguf", "capabilities": {"vision": False, "trained_for_tool_use": False},
}  # fmt: skip
UNLOADED = LOADED | {
    "key": "openai/gpt-oss-20b", "loaded_instances": [], "max_context_length": 131072, "size_bytes": 12_000_000_000,
    "quantization": {"name": "MXFP4", "bits_per_weight": 4},
    "capabilities": {"vision": False, "trained_for_tool_use": True},
}  # fmt: skip
EMBEDDING = {
    "type": "embedding",
    "key": "text-embedding-nomic",
    "loaded_instances": [],
    "max_context_length": 2048,
}
OLD = {
    "object": "list",
    "data": [
        {"id": "qwen2-vl-7b", "type": "vlm", "quantization": "4bit", "state": "not-loaded", "max_context_length": 32768},
        {"id": "llama-3.1-8b", "type": "llm", "quantization": "Q4_K_M", "state": "loaded", "max_context_length": 131072,
         "loaded_context_length": 8192},
        {"id": "nomic", "type": "embeddings", "state": "loaded", "max_context_length": 2048},
    ],
}  # fmt: skip
UNKNOWN = {"error": "Unexpected endpoint or method."}  # older ones say so with status 200


def loads(body: Any) -> Any:
    return {
        "type": "llm", "instance_id": body["model"], "status": "loaded", "load_time_seconds": 0.1,
        "load_config": {"context_length": body["context_length"]},
    }  # fmt: skip


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedServer]:
    """A simulated LM Studio 0.4."""
    listing = {"models": [LOADED, UNLOADED, EMBEDDING]}
    with SimulatedServer({"GET /api/v1/models": listing, "POST /api/v1/models/load": loads}) as server:
        monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{server.url}/v1")
        yield server


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedServer]:
    """A simulated LM Studio 0.3."""
    answers = {"GET /api/v1/models": UNKNOWN, "GET /api/v0/models": OLD, "POST /api/v1/models/load": UNKNOWN}
    with SimulatedServer(answers) as server:
        monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{server.url}/v1")
        yield server


def run(*arguments: str, **more: Any) -> CliRun:
    return run_cli("run", *arguments, "hello there", **more)


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_lmstudio


@pytest.mark.usefixtures("new")
class TestBackend(BackendContract):
    """The rules without an engine: launchpad neither starts nor stops this one."""

    def backend(self) -> LmStudio:
        return LmStudio()


def test_it_lists_models_for_chats_with_what_is_known_of_them(new: SimulatedServer) -> None:
    loaded, unloaded = LmStudio().source().local()
    assert (loaded.ref, loaded.size, loaded.quantization, loaded.context) == (
        "lmstudio://gemma-3-270m-it-qat", 241410208, "Q4_0", 4096,
    )  # fmt: skip
    assert (unloaded.ref, unloaded.context, unloaded.capabilities) == (
        "lmstudio://openai/gpt-oss-20b", 131072, ("tools",),
    )  # fmt: skip


def test_an_old_one_is_asked_in_its_own_words(old: SimulatedServer) -> None:
    vision, loaded = LmStudio().source().local()
    assert (vision.ref, vision.capabilities, vision.context) == ("lmstudio://qwen2-vl-7b", ("vision",), 32768)
    assert (loaded.ref, loaded.context) == ("lmstudio://llama-3.1-8b", 8192)


def test_a_model_is_loaded_with_the_planned_context_and_answers(new: SimulatedServer) -> None:
    done = run("lmstudio://openai/gpt-oss-20b", "--context", "2048")
    assert (done.code, done.stdout) == (0, "hello there\n"), done.stderr
    (load,) = [body for asked, body, _ in new.asked if asked == "POST /api/v1/models/load"]
    assert (load["model"], load["context_length"]) == ("openai/gpt-oss-20b", 2048)
    assert "context 2,048" in done.stderr


def test_what_is_loaded_is_used_as_it_is(new: SimulatedServer) -> None:
    done = run("lmstudio://gemma-3-270m-it-qat")
    assert (done.code, done.stdout) == (0, "hello there\n"), done.stderr
    assert "POST /api/v1/models/load" not in new.requests
    assert "context 4,096" in done.stderr


def test_without_a_wish_a_huge_context_is_not_loaded(new: SimulatedServer) -> None:
    assert run("lmstudio://openai/gpt-oss-20b").code == 0
    (load,) = [body for asked, body, _ in new.asked if asked == "POST /api/v1/models/load"]
    assert load["context_length"] == 8192


def test_an_old_one_that_cannot_be_told_a_context_says_so(old: SimulatedServer) -> None:
    done = run("lmstudio://qwen2-vl-7b")
    assert (done.code, done.stdout) == (0, "hello there\n"), done.stderr
    assert UNTOLD in done.stderr


def test_a_model_that_cannot_be_loaded_is_said_with_its_reason(new: SimulatedServer) -> None:
    new.answers["POST /api/v1/models/load"] = (500, {"error": {"message": "insufficient system resources"}})
    done = run("lmstudio://openai/gpt-oss-20b")
    assert done.code != 0 and not done.stdout
    assert (
        "does not load openai/gpt-oss-20b" in done.stderr and "insufficient system resources" in done.stderr
    )


def test_the_key_is_sent_and_a_wrong_one_is_said(new: SimulatedServer) -> None:
    assert run("lmstudio://gemma-3-270m-it-qat", environment={"LM_API_TOKEN": "abc"}).code == 0
    assert {key for _, _, key in new.asked} == {"abc"}
    new.answers["GET /api/v1/models"] = (401, {"error": "invalid token"})
    done = run("lmstudio://gemma-3-270m-it-qat")
    assert done.code != 0 and "401" in done.stderr


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("--backend", "lmstudio", environment={"LMSTUDIO_BASE_URL": "http://127.0.0.1:9/v1"})
    assert done.code != 0 and "lms server start" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"models": "none"},
        {"models": [{"type": "llm", "key": 5}, 7]},
        {"models": [{"type": "llm", "key": "a b"}]},
    ],
)
def test_an_answer_that_is_none_leaves_nothing(new: SimulatedServer, answer: Any) -> None:
    new.answers["GET /api/v1/models"] = answer
    assert list(LmStudio().source().local()) == []


def test_a_key_does_not_cross_the_network_in_the_clear() -> None:
    done = run("--backend", "lmstudio", environment={"LMSTUDIO_BASE_URL": "http://10.0.0.5:1234/v1"})
    assert done.code != 0 and "in the clear" in done.stderr


def test_it_is_not_picked_unasked(new: SimulatedServer, tmp_path: Path) -> None:
    done = run_cli("run", "--dry-run", "--offline", "--json")
    assert done.code != 0 or done.document["start"]["backend"] != "lmstudio"

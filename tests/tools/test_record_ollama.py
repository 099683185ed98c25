"""The recorder makes of a server's traffic what the recordings hold: tried on a server that plays one back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from launchpad.testing.registry import SimulatedRegistry
from launchpad.testing.replay import Replay
from ollama_traffic import FOLDER, recording

TOOLS = Path(__file__).parents[2] / "tools"


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return _tool("record_ollama")


@pytest.mark.parametrize(
    "name", ["version", "chat-stream", "not-found", "prompt-too-long", "v1-chat", "root", "cancel-stream"]
)  # fmt: skip
def test_what_is_recorded_again_is_the_same(tool: ModuleType, name: str) -> None:
    old = recording(name)
    with Replay(old) as replay:
        found = tool.Recorder(f"127.0.0.1:{replay.port}", None).scenario(old)
        assert replay.unknown == []
    assert len(found) == len(old["exchanges"])
    for new, before in zip(found, old["exchanges"], strict=True):
        for part in ("status", "framing", "end"):
            assert new["response"][part] == before["response"][part], part
        assert [chunk.get("text") for chunk in new["response"]["chunks"]] == [
            chunk.get("text") for chunk in before["response"]["chunks"]
        ]
        assert new["request"].get("json") == before["request"].get("json")


def test_what_a_client_cannot_bring_about_is_named(tool: ModuleType) -> None:
    reasons = {path.stem: tool._not_by_a_client(recording(path.stem)) for path in FOLDER.glob("*.json")}
    assert reasons["disk-full"] == "tools/record_ollama_refusals.py records it"
    assert reasons["synthetic-load-oom"] == "its engine was replaced"
    assert "registry" in reasons["pull-local"]
    assert "OLLAMA_MAX_QUEUE" in reasons["busy"]
    assert [reasons[name] for name in ("chat-stream", "prompt-too-long", "show", "v1-chat")] == [None] * 4
    assert sum(why is None for why in reasons.values()) > 40


def test_a_refusal_is_recorded_in_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    refusals, old = _tool("record_ollama_refusals"), recording("pull-too-new")
    with Replay(old) as replay, SimulatedRegistry() as registry:
        recorder = refusals.Recorder(f"127.0.0.1:{replay.port}", None)
        found = refusals._too_new(recorder, registry)
    assert [new["request"]["json"]["stream"] for new in found] == [True, False]
    for new, before in zip(found, old["exchanges"], strict=True):
        said = [[chunk["text"] for chunk in x["response"]["chunks"]] for x in (new, before)]
        assert said[0] == said[1]

"""The recorder makes of a server's traffic what the recordings hold: tried on a server that plays one back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from launchpad.testing.replay import Replay
from ollama_traffic import FOLDER, recording


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = Path(__file__).parents[2] / "tools" / "record_ollama.py"
    spec = importlib.util.spec_from_file_location("record_ollama", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert reasons["synthetic-load-oom"] == "its engine was replaced"
    assert "registry" in reasons["pull-local"]
    assert "OLLAMA_MAX_QUEUE" in reasons["busy"]
    assert [reasons[name] for name in ("chat-stream", "prompt-too-long", "show", "v1-chat")] == [None] * 4
    assert sum(why is None for why in reasons.values()) > 40

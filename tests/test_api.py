"""launchpad from Python."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

import launchpad
from gguf_bytes import gguf
from launchpad import errors
from launchpad.cli import _run
from launchpad.engines import registry
from launchpad.launcher import unattended
from launchpad.testing.processes import engine_processes


def test_everything_exported_is_there():
    for name in dir(launchpad):
        assert getattr(launchpad, name) is not None
    with pytest.raises(AttributeError, match="nope"):
        launchpad.nope  # noqa: B018


def test_detect_and_recommend_make_no_connection(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    machine = launchpad.detect()
    assert machine.memory.total
    choice = launchpad.recommend(launchpad.Wish(purpose="code"), on="RTX 4090")
    assert choice.pick is not None
    assert choice.pick.fit.placement.kind == "gpu"


@pytest.mark.engine
def test_launch_answers_and_leaves_nothing(smollm2):
    before = {p.pid for p in psutil.process_iter()}
    with launchpad.launch(str(smollm2), system="You are a helpful assistant.") as chat:
        assert "Paris" in chat.ask("What is the capital of France?", temperature=0).text
        rivers = chat.ask("Name a river.", schema={"enum": ["Rhine", "Main"]}, temperature=0)
        assert rivers.json in ("Rhine", "Main")
        assert chat.server.report.context == 8192
        assert list(chat.stream("Say hi.", max_tokens=5))
        pid = chat.server.pid
        assert pid not in before
    assert not psutil.pid_exists(pid)


def test_a_download_needs_consent(monkeypatch):
    from launchpad.testing.hub import SimulatedHub

    with SimulatedHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", hub.index_url)
        with pytest.raises(errors.RefusedError, match="download"):
            launchpad.launch("smollm2-135m-instruct", max_download=1000)


@pytest.mark.parametrize("way", ["same wish", "smaller context"])
def test_an_engine_that_is_kept_is_used_and_left(tmp_path, monkeypatch, private_home, way):
    plugin = Path(__file__).parent / "cli" / "simulated_backend.py"
    monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", str(plugin))
    unattended.host.cache_clear()
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    asked = {"context": 1024} if way == "smaller context" else {}
    try:
        assert _run(["start", str(path), "--backend", "simulated"]) == 0
        (pid,) = (record.engine.pid for record in registry.records())
        for _ in range(2):
            with launchpad.Chat(str(path), backend="simulated", **asked) as chat:
                assert chat.ask("hello there").text.strip() == "The answer is: hello there"
                assert chat.server.pid == pid
        assert len(list(registry.records())) == 1
    finally:
        assert _run(["stop", "--all"]) == 0
        unattended.host.cache_clear()
    assert not engine_processes(private_home)

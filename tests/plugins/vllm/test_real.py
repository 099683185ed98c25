"""The real vLLM on the CPU, with a model of 768 KB that is made here: what it says, does and leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from launchpad.config import set_value
from launchpad.engines.process import EngineProcess, _alive
from launchpad.engines.running import EngineServer
from launchpad.engines.state import State
from launchpad.errors import EngineCrashed
from launchpad.events import EngineLoading, Event, ignore
from launchpad.plugins.vllm.find import look
from launchpad.plugins.vllm.launch import launch
from launchpad.testing.processes import engine_processes, eventually
from vllm_facts import step

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"enum": ["yes", "no"]}},
    "required": ["answer"],
    "additionalProperties": False,
}


@pytest.fixture(autouse=True)
def no_orphans(private_home: Path) -> Iterator[None]:
    """After every test: no process of an engine that it started is left."""
    yield
    eventually(lambda: not engine_processes(private_home))


@pytest.fixture(scope="module")
def running(
    real_python: Path, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineServer]:
    """One engine for all tests that only ask."""
    home = tmp_path_factory.mktemp("home")
    found = look(real_python, "test")
    assert found is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCHPAD_HOME", str(home))
        # A model of random weights writes blanks for ever where a schema allows them.
        no_blanks = {"structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}'}
        server = launch(step(tiny_llama, **no_blanks), ignore, found)
    yield server
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAUNCHPAD_HOME", str(home))
        server.stop()
        assert server.process.exit is not None
        assert not engine_processes(home)


@pytest.fixture
def client(running: EngineServer) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=running.server.endpoint, api_key=running.server.api_key) as found:
        yield found


def get(server: EngineServer, path: str, key: str | None = None) -> tuple[int, str]:
    host, port = server.server.endpoint.split("/")[2].split(":")
    connection = HTTPConnection(host, int(port), timeout=150)
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read().decode()


def ask(client: openai.OpenAI, text: str = "hello", **options: Any) -> Any:
    return client.chat.completions.create(
        model="tiny",
        messages=[{"role": "user", "content": text}],
        **{"temperature": 0, "max_tokens": 16, **options},
    )


def test_it_says_what_it_did(running: EngineServer) -> None:
    did = running.server.report
    assert did.engine == "vLLM 0.32.0 (cpu)"
    assert (did.context, did.dtype, did.gpu_share) == (512, "bfloat16", 0.0)
    assert (
        did.kv_tokens == 131_072
    )  # 64 MiB of 512 bytes: 2 layers of 2 heads of 32, keys and values, 2 bytes each


def test_it_answers_and_the_same_question_gets_the_same_answer(client: openai.OpenAI) -> None:
    first, second = ask(client), ask(client)
    assert first.choices[0].message.content
    assert first.choices[0].message.content == second.choices[0].message.content
    assert first.usage.completion_tokens == 16


def test_a_stream_is_the_same_text_in_parts(client: openai.OpenAI) -> None:
    whole = ask(client).choices[0].message.content
    parts = [chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True) if chunk.choices]
    assert "".join(parts) == whole
    assert len(parts) > 2


def test_structured_output_keeps_the_schema(client: openai.OpenAI) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    text = ask(client, response_format=wanted, max_tokens=64).choices[0].message.content
    assert json.loads(text)["answer"] in ("yes", "no")


def test_its_metrics_count_what_was_asked(running: EngineServer, client: openai.OpenAI) -> None:
    def generated() -> float:
        text = get(running, "/metrics")[1]
        lines = [line for line in text.splitlines() if line.startswith("vllm:generation_tokens_total")]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = generated()
    ask(client)
    assert generated() - before == 16


def test_its_key_guards_only_part_of_it_which_is_why_the_gateway_stands_in_front(
    running: EngineServer,
) -> None:
    assert get(running, "/v1/models")[0] == 401
    assert get(running, "/v1/models", "wrong")[0] == 401
    assert get(running, "/v1/models", running.server.api_key)[0] == 200
    assert get(running, "/metrics")[0] == 200
    assert running.server.endpoint.startswith("http://127.0.0.1:")


def test_too_many_tokens_are_an_error_that_a_client_understands(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="512"):
        ask(client, "word " * 600)


def test_too_little_cache_is_explained_with_the_context_that_fits(
    real_python: Path, tiny_llama: Path
) -> None:
    found = look(real_python, "test")
    assert found is not None
    with pytest.raises(EngineCrashed) as caught:
        launch(step(tiny_llama, context=1024, **{"kv-cache-memory-bytes": 200_000}), ignore, found)
    assert caught.value.memory
    assert "1,024 tokens of context need" in (caught.value.why or "")
    assert "--context" in (caught.value.hint or "")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, with nothing of others in it; its path is short, as sockets need it."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stop_while_it_loads_leaves_nothing(
    real_python: Path,
    tiny_llama: Path,
    private_home: Path,
    temporary: Path,
    processes: int,
) -> None:
    """Whether it ends by itself in time, or has to be killed (its own clean-up takes 2 to 6 s on two cores)."""
    found = look(real_python, "test")
    assert found is not None
    seen: list[EngineProcess] = []
    before = shared_memory()

    def interrupt(event: Event) -> None:
        to_leave = sockets(temporary) and (processes == 1 or shared_memory() != before)
        if isinstance(event, EngineLoading) and to_leave:
            seen.extend(one for one in _alive if one.state is State.LOADING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(step(tiny_llama, **{"tensor-parallel-size": processes}), interrupt, found)
    (engine,) = seen
    assert engine.exit is not None
    assert not engine_processes(private_home)
    assert not sockets(temporary)
    assert not list(temporary.glob("launchpad-*"))
    assert shared_memory() == before


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_socket()]


def shared_memory() -> set[Path]:
    """What Python programs share; the collectives' own files on a CPU outlive a worker that was killed."""
    return set(Path("/dev/shm").glob("psm_*"))


def cli(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "launchpad", *words], capture_output=True, text=True, timeout=300, check=False,
        **options,
    )  # fmt: skip


def test_a_path_that_is_none_costs_no_start(real_python: Path) -> None:
    set_value("vllm.program", str(real_python))
    done = cli("run", "/nowhere/model", "hello")
    assert done.returncode == 3
    assert "There is no model file at /nowhere/model" in done.stderr


def test_a_killed_worker_ends_the_engine_and_the_command_line_says_so_and_the_next_run_works(
    real_python: Path, tiny_llama: Path, private_home: Path
) -> None:
    set_value("vllm.program", str(real_python))
    started = cli("start", str(tiny_llama), "--context", "512")
    assert started.returncode == 0, started.stderr
    assert "tiny-llama" in cli("ps").stdout
    again = cli("run", str(tiny_llama), "hello", "--max-tokens", "4", "--context", "512")
    assert again.returncode == 0, again.stderr
    assert "loaded" in again.stderr
    (worker,) = _of_the_engine(private_home, "VLLM::EngineCore")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: not _of_the_engine(private_home, "VLLM"), seconds=30)
    # vLLM's own API process notices the death of its worker only some seconds later, and ends then.
    eventually(lambda: "ended by" in cli("ps").stderr, seconds=30)
    assert "EngineCore" in cli("logs").stdout
    after = cli("run", str(tiny_llama), "hello", "--max-tokens", "4", "--context", "512")
    assert after.returncode == 0, after.stderr


def _of_the_engine(home: Path, words: str) -> list[int]:
    """Processes of the engine itself that bear these words; the keeper and the guard are not meant."""
    found = []
    for pid in engine_processes(home):
        with suppress(psutil.Error):  # it has ended since the list was made
            found += [pid] if words in "".join(psutil.Process(pid).cmdline()) else []
    return found

"""End to end with a real Ollama and a real small model: what recordings cannot show.

Not run where no Ollama is installed; LAUNCHPAD_TEST_OLLAMA names its program.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import ollama
import psutil
import pytest
from msgspec.structs import replace

from gguf_bytes import STRING, U32, key
from launchpad.chat.delta import Finish, Text
from launchpad.chat.dialect import stream_from
from launchpad.chat.options import ChatOptions, Message
from launchpad.engines.process import EngineProcess
from launchpad.errors import AnswerError
from launchpad.events import Event, Notice, PullFinished, PullProgress
from launchpad.plugins import Build, ignore
from launchpad.plugins.ollama.backend import Ollama
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.launch import launch
from launchpad.plugins.ollama.names import mark_of
from launchpad.plugins.ollama.serve import start_server
from launchpad.testing.hub import Fault
from launchpad.testing.processes import engine_processes, eventually
from launchpad.testing.registry import SimulatedRegistry
from plugins.ollama.test_launch import start

pytestmark = pytest.mark.engine
GREEDY = ChatOptions(temperature=0.0, seed=1, max_tokens=24)


@pytest.fixture
def shared(real_ollama: Path) -> Iterator[tuple[Server, EngineProcess]]:
    """A server that runs already, as far as the backend can tell."""
    server, process = start_server({}, "a user's own", ignore)
    with closing(server):
        yield server, process
        process.stop()


def ask(running: object, *messages: Message, options: ChatOptions = GREEDY) -> tuple[str, Finish]:
    deltas = list(stream_from(running.server, messages, options))  # type: ignore[attr-defined]
    finish = deltas[-1]
    assert isinstance(finish, Finish)
    return "".join(delta.text for delta in deltas if isinstance(delta, Text)), finish


def test_a_file_of_launchpads_in_a_server_of_its_own(
    real_ollama: Path, smollm2: Path, private_home: Path
) -> None:
    events: list[Event] = []
    running = Ollama().launch(start("file:///smol.gguf", context=1024, path=str(smollm2)), events.append)
    try:
        report = running.server.report
        assert (report.context, report.gpu_share, report.vision) == (1024, 0.0, False)
        assert report.buffers  # from its own log
        assert running.server.pid
        text, finish = ask(running, Message("user", "What is the capital of France?"))
        assert "Paris" in text
        assert finish.usage is not None
        assert finish.timings is not None
        assert finish.timings.decode_speed
        assert any("Imported" in e.message for e in events if isinstance(e, Notice))
    finally:
        running.stop()
    assert not running.alive()
    assert not engine_processes(private_home)


def test_structured_output(real_ollama: Path, smollm2: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "rainy": {"type": "boolean"}},
        "required": ["city", "rainy"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}
    running = Ollama().launch(start("file:///smol.gguf", context=1024, path=str(smollm2)), ignore)
    try:
        options = replace(GREEDY, max_tokens=100, response_format=wanted)
        text, _ = ask(running, Message("user", "The weather in Paris, as JSON."), options=options)
    finally:
        running.stop()
    assert set(json.loads(text)) == {"city", "rainy"}


def test_rule_3_a_prompt_that_is_too_long_is_refused(real_ollama: Path, smollm2: Path) -> None:
    running = Ollama().launch(start("file:///smol.gguf", context=256, path=str(smollm2)), ignore)
    try:
        with pytest.raises(AnswerError) as caught:
            ask(running, Message("user", "A small wooden box. " * 200))
        assert "the context holds 256" in (caught.value.why or "")
        _, finish = ask(running, Message("user", "Count."), options=replace(GREEDY, max_tokens=1000))
        assert finish.usage is not None
        assert finish.usage.total <= 256  # nothing was shifted out to make room
    finally:
        running.stop()


def test_a_server_that_runs_is_left_as_it_was(shared: tuple[Server, EngineProcess], smollm2: Path) -> None:
    server, process = shared
    step = start("file:///smol.gguf", context=1024, path=str(smollm2))
    running = launch(step, ignore, server.address)
    tag = running.server.model
    assert mark_of(tag)
    (loaded,) = server.loaded()
    assert (loaded["model"], loaded["context_length"]) == (tag, 1024)
    # The path that other programs take gets the context, too, without a reload.
    body = {"model": tag, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi."}]}
    request = Request(
        f"{running.server.endpoint}/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=150) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"]
    (loaded,) = server.loaded()
    assert loaded["context_length"] == 1024
    running.stop()
    assert process.alive()
    assert [mark_of(str(model["model"])) for model in server.tags()] == [None]  # the import stays
    eventually(lambda: not server.loaded())
    again = launch(step, ignore, server.address)  # neither uploaded nor made anew
    again.stop()


def test_what_a_killed_launch_left_goes_at_the_next(
    shared: tuple[Server, EngineProcess], smollm2: Path
) -> None:
    server, _ = shared
    program = f"""
import os, sys
sys.path[:0] = {sys.path!r}
from plugins.ollama.test_launch import start
from launchpad.plugins import ignore
from launchpad.plugins.ollama.address import Address
from launchpad.plugins.ollama.launch import launch
launch(start("file:///smol.gguf", context=512, path={str(smollm2)!r}), ignore, Address(port={server.address.port}))
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    subprocess.run([sys.executable, "-c", program], check=False, timeout=150)
    marks = [mark_of(str(model["model"])) for model in server.tags()]
    assert len([mark for mark in marks if mark]) == 1
    launch(start("file:///smol.gguf", context=1024, path=str(smollm2)), ignore, server.address).stop()
    assert not [m for m in server.tags() if mark_of(str(m["model"]))]


def test_rule_12_nothing_survives_a_launcher_that_is_killed(
    real_ollama: Path, smollm2: Path, private_home: Path
) -> None:
    program = f"""
import sys, time
sys.path[:0] = {sys.path!r}
from plugins.ollama.test_launch import start
from launchpad.plugins import ignore
from launchpad.plugins.ollama.backend import Ollama
running = Ollama().launch(start("file:///smol.gguf", context=512, path={str(smollm2)!r}), ignore)
print(running.server.pid, flush=True)
time.sleep(60)
"""
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    with launcher.stdout, launcher:
        serve = psutil.Process(int(launcher.stdout.readline()))
        runners = serve.children(recursive=True)
        assert runners  # the llama-server that `ollama serve` started
        launcher.kill()
    eventually(lambda: not engine_processes(private_home))
    assert not serve.is_running()
    assert not any(runner.is_running() and runner.status() != "zombie" for runner in runners)


def test_embeddings_unload_and_delete(
    shared: tuple[Server, EngineProcess], smollm2: Path, tmp_path: Path
) -> None:
    server, _ = shared
    path = tmp_path / "embed.gguf"
    path.write_bytes(_with_pooling(smollm2.read_bytes()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    server.upload(path, digest)
    assert list(server.create("embed", files={"embed.gguf": f"sha256:{digest}"}))[-1]["status"] == "success"
    assert server.show("embed")["capabilities"] == ["embedding"]
    client = ollama.Client(server.address.url, trust_env=False)
    found = client.embed("embed", ["one", "two"]).embeddings
    assert [len(vector) for vector in found] == [576, 576]
    client.close()  # type: ignore[no-untyped-call]
    assert server.loaded()
    server.unload("embed")
    eventually(lambda: not server.loaded())
    server.delete("embed")
    assert server.tags() == []


def _with_pooling(gguf: bytes) -> bytes:
    """The same model with a pooling type, which makes it one for embeddings. The data stays aligned to 32 bytes."""
    added = key("llama.pooling_type", U32, 1)
    filler = key("test.filler", STRING, "")
    added += key("test.filler", STRING, " " * (-(len(added) + len(filler)) % 32))
    count = int.from_bytes(gguf[16:24], "little") + 2
    return gguf[:16] + count.to_bytes(8, "little") + added + gguf[24:]


def test_a_pull_from_a_plain_registry_on_loopback(
    shared: tuple[Server, EngineProcess], smollm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = shared
    content = smollm2.read_bytes()
    with SimulatedRegistry() as registry:
        registry.add_ollama("smol:latest", {"model": content})
        port = registry.host.rpartition(":")[2]
        for blob in (content, b"{}"):  # Ollama wants to be sent to another host name for its blobs
            sha256 = hashlib.sha256(blob).hexdigest()
            registry.add(f"/v2/library/smol/blobs/sha256:{sha256}", blob)
            registry.add(f"/elsewhere/{sha256[:8]}", blob)
            elsewhere = f"http://localhost:{port}/elsewhere/{sha256[:8]}"
            registry.misbehave(f"blobs/sha256:{sha256}", Fault(times=None, status=307, redirect=elsewhere))
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.address.port}")
        build = Build(
            ref=f"ollama://{registry.host}/library/smol:latest", format="ollama", quantization="Q4_1"
        )
        events: list[Event] = []
        local = Ollama().pull(build, events.append)
    assert local.size >= len(content)
    done = [event.done for event in events if isinstance(event, PullProgress)]
    assert done == sorted(done)
    assert isinstance(events[-1], PullFinished)
    running = launch(start(build.ref, context=1024), ignore, server.address)
    assert ask(running, Message("user", "What is the capital of France?"))[0].strip()
    running.stop()

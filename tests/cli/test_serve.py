"""`launchpad serve` and `launchpad env` as a user runs them, with the echo engine of the examples: real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from gguf_bytes import gguf
from launchpad.testing.processes import engine_processes, eventually

ECHO = Path(__file__).parents[2] / "examples" / "plugin_echo.py"
ENVIRONMENT = {"LAUNCHPAD_PLUGIN_PATH": str(ECHO), "LAUNCHPAD_PLUGINS_TIMEOUT": "20"}


class Serving:
    """A gateway that runs as a process of its own."""

    def __init__(self, *arguments: str, cwd: Path, ready: bool = True, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launchpad", "serve", "--offline", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT, **env}, cwd=cwd, text=True,
        )  # fmt: skip
        self.notes = ""
        assert self.process.stderr is not None
        while ready and "ready: " not in self.notes:
            line = self.process.stderr.readline()
            assert line, self.notes
            self.notes += line

    @property
    def url(self) -> str:
        return self.notes.rpartition("ready: ")[2].split()[0].removesuffix("/v1")

    @property
    def key(self) -> str:
        return Path(self.notes.rpartition("key in ")[2].partition(" · ")[0]).read_text().strip()

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Authorization": f"Bearer {self.key}", **headers})
        with urlopen(request, timeout=150) as answer:
            return json.loads(answer.read())

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send the signal; exit code, stdout, and what was said on stderr since it was ready."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=150)
        return self.process.returncode, out, err


Serve = Callable[..., Serving]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(gguf())
    return path


@pytest.fixture
def serve(tmp_path: Path, private_home: Path, model: Path) -> Iterator[Serve]:
    """Start a gateway on any free port; it is killed after the test, and leaves no engine."""
    running: list[Serving] = []

    def run(*arguments: str, backend: str = "echo", **more: Any) -> Serving:
        running.append(
            Serving(*(arguments or (str(model),)), "--backend", backend, "--port", "0", cwd=tmp_path, **more)
        )
        return running[-1]

    yield run
    for one in running:
        one.process.kill()
        one.process.communicate()
    eventually(lambda: engine_processes(private_home) == [])


@pytest.mark.skipif(sys.platform == "win32", reason="systemd's protocol is one of Unix sockets")
def test_a_supervisor_is_told_when_requests_are_answered(serve: Serve) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor,
        tempfile.TemporaryDirectory(dir="/tmp") as short,
    ):
        supervisor.bind(place := f"{short}/notify")
        supervisor.settimeout(150)
        one = serve(NOTIFY_SOCKET=place)
        assert supervisor.recv(100) == b"READY=1"
        assert one.ask("/v1/models")["data"]
    assert one.end()[0] == 143
    gone = serve(NOTIFY_SOCKET=place)  # inherited from a service that is no more
    assert gone.ask("/v1/models")["data"]


def test_from_the_first_line_to_the_last(serve: Serve, launchpad: Any, private_home: Path) -> None:
    one = serve()
    assert "serving tiny · context " in one.notes
    assert one.key not in one.notes  # what is not a terminal may be a log that others read
    assert "also" in one.notes
    assert one.ask("/v1/models")["data"][0]["id"] == "tiny"
    got = one.ask("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": "hi"}]})
    assert got["choices"][0]["message"]["content"] == "You said: hi"
    listeners = {
        (c.laddr.ip, c.laddr.port)
        for p in [psutil.Process(one.process.pid), *psutil.Process(one.process.pid).children(True)]
        for c in p.net_connections("tcp")
        if c.status == "LISTEN"
    }
    assert {ip for ip, _ in listeners} == {"127.0.0.1"}
    assert len(listeners) == 2
    code, out, err = one.end(signal.SIGINT)
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert engine_processes(private_home) == []
    assert launchpad("env").code == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_cleanly(serve: Serve, private_home: Path, number: int, code: int) -> None:
    got = serve().end(number)
    assert (got[0], got[1]) == (code, "")
    assert "Traceback" not in got[2]
    assert engine_processes(private_home) == []


@pytest.mark.parametrize("answering", [False, True], ids=["idle", "in mid-answer"])
def test_a_second_interrupt_does_not_wait_and_says_no_more(
    serve: Serve, tmp_path: Path, private_home: Path, answering: bool
) -> None:
    simulated = {
        "LAUNCHPAD_PLUGIN_PATH": str(ECHO.parents[1] / "tests" / "cli" / "simulated_backend.py"),
        "SIMULATED_ENGINE": "--token-seconds 1",
    }
    one = serve("tiny.gguf", backend="simulated", **simulated)
    with contextlib.ExitStack() as stack:
        if answering:
            body = {"messages": [{"role": "user", "content": "word " * 300}], "stream": True}
            request = Request(
                one.url + "/v1/chat/completions",
                json.dumps({"model": "auto", **body}).encode(),
                {"Authorization": f"Bearer {one.key}"},
            )
            answer = stack.enter_context(urlopen(request, timeout=150))
            assert answer.readline()
        one.process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # two that wait at once are one
        code, _, err = one.end(signal.SIGINT)
    assert code == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "stopped"
    assert engine_processes(private_home) == []


def test_kill_9_leaves_no_engine(serve: Serve, private_home: Path, launchpad: Any) -> None:
    one = serve()
    assert engine_processes(private_home)
    one.process.kill()
    eventually(lambda: engine_processes(private_home) == [])
    ran = launchpad("env")
    assert ran.code == 5
    assert "launchpad serve" in ran.err


def test_the_key_stays_until_another_is_wanted(serve: Serve) -> None:
    first = serve()
    key = first.key
    first.end()
    second = serve()
    assert second.key == key
    second.end()
    third = serve(*("tiny.gguf", "--new-key"))
    assert third.key != key


def test_env_in_every_shells_words(serve: Serve, launchpad: Any) -> None:
    one = serve()
    wanted = {
        "OPENAI_BASE_URL": one.url + "/v1", "OPENAI_API_KEY": one.key, "ANTHROPIC_BASE_URL": one.url,
        "ANTHROPIC_AUTH_TOKEN": one.key, "ANTHROPIC_MODEL": "tiny", "ANTHROPIC_SMALL_FAST_MODEL": "tiny",
        "LAUNCHPAD_API_KEY": one.key,
    }  # fmt: skip
    ran = launchpad("env")
    assert ran.code == 0
    shell = subprocess.run(["sh", "-c", ran.out + "env"], capture_output=True, text=True, check=True, env={})
    assert (
        wanted.items()
        <= dict(line.split("=", 1) for line in shell.stdout.splitlines() if "=" in line).items()
    )
    assert f"set -gx OPENAI_API_KEY '{one.key}'" in launchpad("env", "--shell", "fish").out
    assert f"$env:ANTHROPIC_BASE_URL = '{one.url}'" in launchpad("env", "--shell", "powershell").out
    for arguments in (("--json",), ("--shell", "json")):
        assert launchpad("env", *arguments).document["variables"] == wanted
    ran = launchpad("env", "--model", "gpt")
    assert (ran.code, "tiny" in ran.err) == (3, True)


def test_beyond_this_machine_only_with_a_key_of_ones_own(launchpad: Any, model: Path) -> None:
    ran = launchpad("serve", str(model), "--host", "0.0.0.0", "--port", "0", env=ENVIRONMENT)
    assert ran.code == 7
    assert "--key-file" in ran.err


def test_beyond_this_machine_it_says_where(serve: Serve, model: Path) -> None:
    key = model.with_name("key")
    key.write_text("0123456789abcdef0123\n")
    key.chmod(0o600)
    one = serve(str(model), "--host", "0.0.0.0", "--key-file", str(key))
    assert "other machines can reach this server at http://" in one.notes
    assert one.key == "0123456789abcdef0123"
    assert one.key not in one.notes
    assert one.ask("/v1/models", Host=f"{socket.gethostname()}:1")["object"] == "list"


def test_a_port_in_use(launchpad: Any, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ran = launchpad("serve", str(model), "--port", str(port), env=ENVIRONMENT)
    assert ran.code == 8
    assert f"(process {os.getpid()})" in ran.err
    assert f"--port {port + 1}" in ran.err


def test_a_model_that_cannot_be_started_ends_it(serve: Serve, model: Path) -> None:
    one = serve(str(model.with_name("none.gguf")), ready=False)
    _, err = one.process.communicate(timeout=150)
    assert one.process.returncode in (2, 3)
    assert "none.gguf" in err


def test_two_models_by_name_and_health_while_cold(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(gguf())
    one = serve("tiny.gguf", "other.gguf", "--lazy")
    assert one.ask("/health") == {"status": "ok"}
    states = {m["id"]: m["launchpad"]["state"] for m in one.ask("/v1/models")["data"]}
    assert states == {"tiny": "cold", "other": "cold"}
    got = one.ask("/v1/chat/completions", {"model": "OTHER", "messages": [{"role": "user", "content": "x"}]})
    assert got["model"] == "other"
    states = {m["id"]: m["launchpad"]["state"] for m in one.ask("/v1/models")["data"]}
    assert states == {"tiny": "cold", "other": "ready"}
    code, _, err = one.end()
    assert code == 143
    assert "echo 1" in err


def test_answers_under_way_are_finished_before_it_ends(serve: Serve) -> None:
    one = serve()
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    request = Request(one.url + "/v1/chat/completions", body, {"Authorization": f"Bearer {one.key}"})
    with contextlib.closing(urlopen(request, timeout=150)) as answer:
        one.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert answer.read().endswith(b"data: [DONE]\n\n")
    assert one.process.wait(150) == 143


def test_connect_and_back(serve: Serve, launchpad: Any, private_home: Path, model: Path) -> None:
    assert launchpad("connect", "zed").code == 5  # no gateway runs
    assert launchpad("connect", "emacs").code == 2
    one = serve(str(model), "--context", "65536")
    context = one.ask("/v1/models")["data"][0]["context_length"]
    file = private_home / ".claude" / "settings.json"
    dry = launchpad("connect", "claude-code", "--dry-run")
    assert (dry.code, file.exists()) == (0, False)
    assert f'"ANTHROPIC_BASE_URL": "{one.url}"' in dry.out
    assert "needs 32,768 tokens (launchpad's estimate) and works better from 100,000 tokens on" in dry.err
    ran = launchpad("connect", "claude-code", "--json")
    assert ran.document["context"] == context
    assert (ran.document["least_context"], ran.document["least_basis"]) == (32768, "estimate")
    settings = json.loads(file.read_text())
    assert settings["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == str(context)
    shell = subprocess.run(settings["apiKeyHelper"], shell=True, capture_output=True, text=True, check=True)
    assert shell.stdout.strip() == one.key
    assert "lp-" not in launchpad("connect", "aider", "--dry-run").out
    records = launchpad("connect", "--json").document["agents"]
    assert {one["name"] for one in records if one["least_basis"] == "source"} == {"aider"}
    table = launchpad("connect")
    assert "~32,768" in table.out and "~8,192" in table.out and "launchpad's own estimate" in table.err
    listed = {one["name"]: one["connected"] for one in records}
    assert listed["claude-code"]
    assert not listed["zed"]
    assert launchpad("connect", "claude-code", "--undo").out.startswith("removed ")
    assert not file.exists()


def test_connect_refuses_too_small_a_context(
    serve: Serve, launchpad: Any, private_home: Path, model: Path
) -> None:
    serve(str(model), "--context", "4096")
    ran = launchpad("connect", "opencode")
    assert ran.code == 3
    assert "32,768" in ran.err
    assert not list(private_home.rglob("opencode*"))


def test_ready_as_a_document(serve: Serve, model: Path) -> None:
    one = serve(str(model), "--json")
    code, out, _ = one.end()
    found = json.loads(out)
    assert code == 143
    assert (found["kind"], found["base_url"], found["pid"]) == ("gateway", one.url + "/v1", one.process.pid)
    assert found["models"][0]["name"] == "tiny"
    assert one.key not in out

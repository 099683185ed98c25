"""What launchpad adds to an engine: from spawn to the first token, of a `run` that uses a loaded engine, and while it streams.

    python bench/launch/launch.py MODEL.gguf [RUNS]

Bare is the same engine program with the same settings, started without guard, records, checks and read-back, in a session
of its own as every supervised program is: Linux gives each session its own share of a busy processor (sched_autogroup), and
an engine in the session of the benchmark would be compared for that. It is measured, too (`bare_in_our_session`). Runs
alternate, so that a machine that is busy with other things is equally so for all; medians are compared. JSON on stdout.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from launchpad.plan import Plan, StartStep
    from launchpad.plugins.host import Host

QUESTION = "What is the capital of France?"
STORY = "Write a numbered list of thirty animals of the sea, one in each line."  # longer than TOKENS with the model of the figures
TOKENS = 200
SYSTEM = "You are a helpful assistant."
KEY = "bench-key-bench-key"
BODY = {
    "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}],
    "max_tokens": 1,
    "temperature": 0,
    "stream": True,
}
LONG = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": STORY}]


def first_token(endpoint: str, key: str) -> float:
    """Seconds until the first piece of the answer has come."""
    begin, came = time.perf_counter(), _pieces(endpoint, key, BODY)
    took = next(came)[0] - begin
    for _ in came:
        pass
    return took


class Pace:
    """How a long answer came to a plain client: the text, and when each of its characters was there."""

    def __init__(self, endpoint: str, key: str) -> None:
        came = list(_pieces(endpoint, key, {**BODY, "messages": LONG, "max_tokens": TOKENS}))
        assert len(came) > TOKENS * 0.9, f"the answer ended after {len(came)} of {TOKENS} tokens"
        self.text, self._times = "", []
        for at, line in came:
            piece = json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"]["content"]
            self.text += piece
            self._times += [at] * len(piece)

    def since(self, characters: int) -> float:
        """Seconds from the time when so many characters were there to the last one."""
        return self._times[-1] - self._times[characters - 1]


def _pieces(endpoint: str, key: str, body: dict[str, Any]) -> Iterator[tuple[float, bytes]]:
    """Each piece of the answer as it was sent, and when it came."""
    url = urlsplit(endpoint)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    content = False
    while line := response.readline():
        if b'"content":"' in line:
            content = True
            yield time.perf_counter(), line
    assert content, "no content came"
    connection.close()


def plan_for(model: str) -> tuple[Host, Plan]:
    from launchpad.config import load_config
    from launchpad.decide import make_plan_for
    from launchpad.plugins.host import Host
    from launchpad.wish import Wish

    config = load_config()
    host = Host.load(config, third_party=False)
    return host, make_plan_for(host, config, Wish(model=model, context=2048, offline=True), starts_next=True)


def bare(start: StartStep, *, own_session: bool) -> float:
    """The engine's own program, told the same."""
    from launchpad.engines.command import clean_environment
    from launchpad.plugins.llamacpp.launch import CHILD

    settings = {"model": start.model_path, "alias": "bench", "api_key": KEY, "arguments": start.arguments}
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        environment = {
            **clean_environment(),
            "LAUNCHPAD_READY_FILE": str(ready),
            "OMP_WAIT_POLICY": "passive",
        }
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD), "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=own_session,
        )
        assert process.stdin
        with process.stdin:
            process.stdin.write(json.dumps(settings).encode())
        while not ready.exists():
            time.sleep(0.001)
        first_token(f"http://127.0.0.1:{json.loads(ready.read_text())['port']}/v1", KEY)
        took = time.perf_counter() - begin
        process.kill()
        process.wait()
    return took


def launched(host: Host, plan: Plan) -> float:
    """The same through launchpad: guard, record, checks, read-back."""
    from launchpad.config import Config
    from launchpad.events import ignore
    from launchpad.gguf.reader import _of_path as read_header
    from launchpad.launcher.run import RealEffects, execute

    read_header.cache_clear()  # as in a process of its own
    begin = time.perf_counter()
    _, server = execute(plan, RealEffects(host, Config()), ignore)
    first_token(server.server.endpoint, server.server.api_key)
    took = time.perf_counter() - begin
    server.stop()
    return took


def run_command(
    model: str, *options: str, question: str = QUESTION, tokens: int = 1, terminal: bool = False
) -> Shown:
    """What `run` wrote on stdout, a pipe or a terminal, and when."""
    command = [sys.executable, "-m", "launchpad", "run", model, question, "--system", SYSTEM]
    command += ["--temperature", "0", "--max-tokens", str(tokens), "--context", "2048", *options]
    read, write = os.openpty() if terminal else os.pipe()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.DEVNULL, env=environment
    )
    os.close(write)
    came = []
    with suppress(OSError):  # how a terminal says that it was closed
        while data := os.read(read, 65536):
            came.append((time.perf_counter(), data))
    os.close(read)
    assert process.wait() == 0, "run failed"
    assert came, "no answer"
    return Shown(begin, came)


class Shown:
    """What a command wrote, and when."""

    def __init__(self, begin: float, came: list[tuple[float, bytes]]) -> None:
        self.first_byte = came[0][0] - begin
        self.first = came[0][1].decode("utf-8", "replace").rstrip("\r\n")
        last = next(at for at, data in reversed(came) if data.strip())  # the end of the line comes later
        self.streamed = last - came[0][0]


def speed_ratio(pace: Pace, shown: Shown) -> float:
    """Tokens/s of what was shown, times those of a plain client, over the part of the answer that both saw come."""
    assert pace.text.startswith(shown.first), f"two answers: {shown.first!r}, {pace.text!r}"
    return pace.since(len(shown.first)) / shown.streamed


def warm(model: str, runs: int) -> dict[str, Any]:
    """`run` with the engine loaded, beside the engine's own first token for the same question."""
    from launchpad.engines import kept

    cold = run_command(model, "--keep", "10m").first_byte
    record = next(kept.usable())
    handle = kept.attach(record.token)
    assert handle
    where = handle.server.endpoint, handle.server.api_key
    commands, engine, streamed = [], [], []
    for _ in range(runs):
        engine.append(first_token(*where))
        commands.append(run_command(model).first_byte)
    for _ in range(runs):
        before = Pace(*where)
        ratios = [
            speed_ratio(before, run_command(model, question=STORY, tokens=TOKENS, terminal=terminal))
            for terminal in (False, True)
        ]
        streamed.append((*ratios, before.since(1) / Pace(*where).since(1)))
    handle.stop()
    subprocess.run([sys.executable, "-m", "launchpad", "stop", "--all"], capture_output=True, check=True)
    pipe, terminal, noise = (sorted(one[index] for one in streamed) for index in range(3))
    return {
        "cold_run": cold,
        "warm_run": median(commands),
        "engine_first_token": median(engine),
        "warm_run_before_engine": median(commands) - median(engine),
        "fastest_warm_run_before_engine": min(commands) - min(engine),
        "streaming_ratio_pipe": median(pipe),  # tokens/s of `run`, times those of a plain client
        "streaming_ratio_terminal": median(terminal),
        "streaming_ratio_of_none": median(noise),  # of one plain client to the next
    }


def main() -> None:
    """Measure and print."""
    model, runs = str(Path(sys.argv[1]).resolve()), int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAUNCHPAD_HOME"] = home
        host, plan = plan_for(model)
        bare(plan.start, own_session=True)  # the file is in memory for all that follow
        rounds = [
            (bare(plan.start, own_session=True), launched(host, plan), bare(plan.start, own_session=False))
            for _ in range(runs)
        ]
        own, ours, same = ([one[index] for one in rounds] for index in range(3))
        found = {
            "runs": runs,
            "bare": median(own),
            "launched": median(ours),
            "launch_ratio": median(ours) / median(own),
            "fastest_ratio": min(ours) / min(own),
            "bare_in_our_session": median(same),
            **warm(model, runs),
            "load_average": os.getloadavg()[0],
        }
    print(json.dumps({key: round(value, 4) for key, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()

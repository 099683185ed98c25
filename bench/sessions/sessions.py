"""What launchpad adds to a talk, and how often an answer has the form that was asked for.

    python bench/sessions/sessions.py start|turn|cases|spaces|schemas|same|bad [--model MODEL] [--backend NAME] [--home FOLDER]

start    `launchpad run --backend echo` as a process, wall time
turn     a turn of a kept chat, and of a prompt file with a transcript, with the echo in place of an engine
cases    a prompt file with 100 and with 10,000 cases: peak memory of the process
spaces   a simulated engine that sends only spaces: how soon its answer is cut
schemas  the fifty schemas of schemas.py with a real engine (--model and --backend; --home where vLLM's environment lies),
         then with the engine that sends only spaces
same     a deterministic script of twenty equal cases with a real engine: how many different answers
bad      each malformed prompt file of the tests, refused by `launchpad test` as a process: how soon
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from schemas import SCHEMAS

SPACE = b'data: {"choices":[{"index":0,"delta":{"content":" "},"finish_reason":null}]}\n\n'
PAUSE = 0.005  # seconds between two tokens of the simulated engine: 200 tokens/s


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--model")
    parser.add_argument("--backend")
    parser.add_argument("--home", help="LAUNCHPAD_HOME; an empty folder unless it is given")
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAUNCHPAD_HOME"] = options.home or home
        found = MEASURES[options.what](options)
    found |= {"what": options.what, "python": platform.python_version(), "load": round(os.getloadavg()[0], 1)}
    print(json.dumps(found, indent=1))


def start(options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "launchpad", "run", "--backend", "echo", "hello there"]
    return {
        "ms": spread(
            timed(
                lambda: subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True),
                options.repeat,
            )
        )
    }


def turn(options: argparse.Namespace) -> dict[str, Any]:
    from launchpad.chat.session import Session
    from launchpad.cli.partner import stand_in

    echo = stand_in("echo")
    assert echo is not None
    session = Session(echo.server, source=echo.source)
    text = "word " * 200
    chat = timed(lambda: list(session.ask(text)), 200)
    session.close()
    pieces = chat[20:100], chat[-20:]
    return {
        "chat of 200 tokens, ms": spread(chat),
        "last 20 of 200 turns, ms": spread(pieces[1]),
        "file, ms": file_turns(),
    }


def file_turns() -> dict[str, float]:
    """Milliseconds for each of 2,000 cases, beyond a run of 100."""
    few, many = run_cases(100), run_cases(2_100)
    return {
        name: round((many[at] - few[at]) / 2_000 * 1000, 2) for name, at in (("wall", 0), ("of a core", 2))
    }


def cases(options: argparse.Namespace) -> dict[str, Any]:
    return {
        f"{count} cases": {
            "seconds": round(seconds, 1),
            "peak MiB": round(peak / 2**20),
            "seconds of a core": round(cpu, 1),
        }
        for count in (100, 10_000)
        for seconds, peak, cpu in [run_cases(count)]
    }


def run_cases(count: int) -> tuple[float, int, float]:
    """Seconds, peak memory (bytes) and seconds of a core of a prompt file with so many cases and a transcript."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "cases.jsonl")
        data.write_text("".join(json.dumps({"n": n, "text": f"text {n} " * 20}) + "\n" for n in range(count)))
        file = Path(folder, "x.prompt.yml")
        file.write_text(
            "messages: [{role: user, content: '{{n}}: {{text}}', expect: [{contains: text}]}]\ncases: {jsonl: cases.jsonl}\n"
        )
        command = [sys.executable, "-m", "launchpad", "test", str(file), "--backend", "echo"]
        command += ["--transcript", str(Path(folder, "t.jsonl")), "--output-format", "jsonl"]
        begin = time.monotonic()
        with Path(folder, "out").open("w") as out:
            process = subprocess.Popen(command, stdout=out, stdin=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert Path(folder, "out").read_bytes().count(b"\n") == count
        return time.monotonic() - begin, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime


def spaces(options: argparse.Namespace) -> dict[str, Any]:
    with engine_of_spaces() as answerer:
        times = [asked(answerer, schema, 1000)[1] for schema in list(SCHEMAS.values())[: options.repeat]]
    return {"three tries, s": spread(times, 1), "each try, s": spread([each / 3 for each in times], 1)}


def schemas(options: argparse.Namespace) -> dict[str, Any]:
    from launchpad.launcher.unattended import planned, started
    from launchpad.script.engine import EngineAnswerer
    from launchpad.wish import Wish

    found: dict[str, Any] = {}
    if options.model:
        plan = planned(
            Wish(model=options.model, backend=options.backend, context=4096), None, lambda event: None
        )
        answerer = EngineAnswerer(
            plan, lambda plan, fresh: started(plan, lambda event: None), deterministic=False
        )
        try:
            fingerprint = answerer.begin()
            found[fingerprint["engine"]] = shares(answerer, 400)
        finally:
            answerer.close()
    with engine_of_spaces() as simulated:
        found["simulated, only spaces"] = shares(simulated, 1000)
    return found


def same(options: argparse.Namespace) -> dict[str, Any]:
    from launchpad import Script

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "same.prompt.yml")
        rows = ", ".join(f"{{id: n{number}}}" for number in range(20))
        path.write_text(
            "deterministic: true\nmodelParameters: {maxTokens: 40}\n"
            f"messages: [{{role: user, content: Tell a short story.}}]\ntestData: [{rows}]\n"
        )
        report = Script.load(path).run(
            models=[options.model], backend=options.backend, transcript=Path(folder, "t.jsonl")
        )
        lines = [json.loads(line) for line in Path(folder, "t.jsonl").read_text().splitlines()]
    engine = next(line["fingerprint"]["engine"] for line in lines if line["type"] == "env")
    return {"engine": engine, "answers": 20, "different": len({str(each.answer) for each in report.results})}


def bad(options: argparse.Namespace) -> dict[str, Any]:
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from cli.test_bad_prompt_files import FILES

    times, cores, codes = [], [], set()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.prompt.yml")
        command = [sys.executable, "-m", "launchpad", "test", str(path), "--backend", "echo"]
        for text in FILES.values():
            path.write_text(text, encoding="utf-8")
            begin = time.monotonic()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            times.append(time.monotonic() - begin)
            cores.append(usage.ru_utime + usage.ru_stime)
            codes.add(process.returncode)
    return {
        "files": len(times),
        "exit codes": sorted(codes),
        "s": spread(times),
        "s of a core": spread(cores),
    }


def shares(answerer: Any, tokens: int) -> dict[str, Any]:
    """How many of the schemas were satisfied at the first try, after another, or not at all."""
    outcomes: dict[str, tuple[int | str, float]] = {}
    for name, schema in SCHEMAS.items():
        outcomes[name] = asked(answerer, schema, tokens)
        print(name, *outcomes[name], sep="\t", file=sys.stderr, flush=True)
    tries = [outcome for outcome, _ in outcomes.values()]
    return {
        "first try": tries.count(1),
        "after retry": sum(each in (2, 3) for each in tries),
        "failed": {name: why for name, (why, _) in outcomes.items() if isinstance(why, str)},
        "seconds": spread([seconds for _, seconds in outcomes.values()], 1),
    }


def asked(answerer: Any, schema: dict[str, Any], tokens: int) -> tuple[int | str, float]:
    """The number of tries, or why it failed; and the seconds."""
    from launchpad.chat.options import ChatOptions, Message
    from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
    from launchpad.script.model import JsonSchema
    from launchpad.script.referee import RealReferee

    question = Message(
        "user", "Invent a short example and answer with JSON of this schema: " + json.dumps(schema)
    )
    wanted = Wanted(format="json_schema", schema=JsonSchema(schema=schema))
    referee = RealReferee(lambda model, messages, schema: "")
    begin = time.monotonic()
    try:
        options = answerer.options(ChatOptions(temperature=0.0, seed=1, max_tokens=tokens))
        outcome: int | str = ask(answerer, [question], options, wanted, Limits(), referee).tries
    except FailedAnswer as failed:
        outcome = f"{failed.error.what} {failed.error.why}"
    finally:
        referee.close()
    return outcome, time.monotonic() - begin


@contextmanager
def engine_of_spaces() -> Iterator[Any]:
    """A simulated engine over HTTP that sends a space every 5 ms until it is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(SPACE)
                    self.wfile.flush()
                    time.sleep(PAUSE)
            except OSError:
                self.close_connection = True

        log_message: Callable[..., None] = lambda *_: None

    class Answerer:
        def stream(self, messages: Any, options: Any) -> Any:
            from launchpad.chat.client import stream

            return stream(f"http://127.0.0.1:{server.server_address[1]}/v1", "", messages, options)

        def options(self, asked: Any) -> Any:
            return asked

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Answerer()
    finally:
        server.shutdown()
        server.server_close()


def timed(deed: Callable[[], object], count: int) -> list[float]:
    """Milliseconds of each time."""
    found = []
    for _ in range(count):
        begin = time.monotonic()
        deed()
        found.append((time.monotonic() - begin) * 1000)
    return found


def spread(values: list[float], digits: int = 2) -> dict[str, float]:
    """Median and the ends."""
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), digits),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], digits),
        "least": round(ordered[0], digits),
        "most": round(ordered[-1], digits),
    }


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "start": start,
    "turn": turn,
    "cases": cases,
    "spaces": spaces,
    "schemas": schemas,
    "same": same,
    "bad": bad,
}

if __name__ == "__main__":
    main()

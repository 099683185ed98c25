"""What the gateway costs: the same requests to the same engine, past the gateway and through it, in turns.

    python bench/serve/overhead.py MODEL.gguf [--pairs 30] [--tokens 200] [--json]

Two engines are measured. The real one is llama.cpp with the given model: the ratios are what a user feels. The
simulated one sends ready-made events at a fixed rate and computes nothing, so that what is left is the gateway alone.
Prints medians over the pairs with their 95 % intervals; a ratio above 1 means that the gateway is slower.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

KEY = "bench-key-0123456789"
EVENT = b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" word"}}],"created":1795776517,"id":"chatcmpl-lbXnT7KtUR6AOY1ylhWo27gGCjRFqEJW","model":"simulated","system_fingerprint":"b0-unknown","object":"chat.completion.chunk"}\n\n'
END = b'data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}\n\ndata: [DONE]\n\n'


# -- the engines --------------------------------------------------------------------------------------------------


def simulated(pipe: Connection, pause: float) -> None:
    """A server that answers every request with as many events as it asks for, one each `pause` seconds."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split()[0])
            count = json.loads(await reader.readexactly(size))["max_tokens"]
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            loop = asyncio.get_running_loop()
            begin = loop.time()
            for number in range(count):
                if (wait := begin + number * pause - loop.time()) > 0:
                    await asyncio.sleep(wait)
                writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
                await writer.drain()
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(END), END))
            await writer.drain()
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


def gateway(pipe: Connection, facts: Any, plan: Any) -> None:
    """The gateway in a process of its own, in front of an engine that runs already."""
    import uvicorn

    from launchpad.serve.app import Gateway, build
    from launchpad.serve.forward import Limits
    from launchpad.serve.metrics import Metrics
    from launchpad.serve.models import offers
    from launchpad.serve.pool import Pool
    from launchpad.serve.protocol import configured

    class Running:
        server = facts

        def alive(self) -> bool:
            return True

        def stop(self) -> None:
            pass

    class Loader:
        def load(self, offer: Any, alone: bool) -> Any:
            return Running()

    metrics, offered = Metrics(), offers([("m", plan)], 0)
    pool = Pool(offered, Loader(), metrics, idle_seconds=900.0, tell=lambda line: None)
    app = build(Gateway(offered, pool, metrics, Limits()), key=KEY)
    server = uvicorn.Server(configured(app, port=0, lifespan="off"))

    async def run() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        pipe.send(server.servers[0].sockets[0].getsockname()[1])
        await serving

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


@contextlib.contextmanager
def process(target: Any, *arguments: Any) -> Iterator[tuple[int, int]]:
    """Run in a process of its own; (port, pid)."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(
        target=target, args=(theirs, *arguments), daemon=True
    )
    child.start()
    try:
        yield ours.recv(), child.pid or 0
    finally:
        child.terminate()
        child.join()


# -- measuring ----------------------------------------------------------------------------------------------------


def ask(port: int, key: str, tokens: int) -> tuple[float, float, int]:
    """(seconds to the first event with a text, events per second after it, events)."""
    body = json.dumps({
        "messages": [{"role": "user", "content": "Write a long story about a river."}], "stream": True,
        "max_tokens": tokens, "temperature": 0, "cache_prompt": True,
    })  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    begin = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    first = last = 0.0
    count = 0
    for line in response:
        if b'"content":"' in line:
            last = time.perf_counter()
            first = first or last
            count += 1
    connection.close()
    assert count > 1, response.status
    return first - begin, (count - 1) / (last - first), count


def cpu(pid: int) -> float:
    """Seconds of processor time that the process has used."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def compare(
    direct: tuple[int, str], through: tuple[int, str], pid: int, pairs: int, tokens: int
) -> dict[str, Any]:
    """Ask in turns, the order swapped each time; past the gateway twice, which shows how much is noise."""
    for place in (direct, through):
        ask(*place, tokens)
    rows: list[tuple[float, float, float, float, float]] = []
    used, events = cpu(pid), 0
    for number in range(pairs):
        order = [direct, through] if number % 2 else [through, direct]
        got = {place: ask(*place, tokens) for place in order}
        rows.append((*got[direct][:2], *got[through][:2], ask(*direct, tokens)[1]))
        events += got[through][2]
    used = cpu(pid) - used
    return {
        "speed_direct": spread([r[1] for r in rows]),
        "speed_through": spread([r[3] for r in rows]),
        "speed_ratio": spread([r[1] / r[3] for r in rows]),
        "speed_ratio_of_none": spread([r[1] / r[4] for r in rows]),
        "first_direct_ms": spread([1000 * r[0] for r in rows]),
        "first_through_ms": spread([1000 * r[2] for r in rows]),
        "first_added_ms": spread([1000 * (r[2] - r[0]) for r in rows]),
        "gateway_cpu_us_per_event": round(1e6 * used / events, 1),
        "pairs": pairs,
        "tokens": tokens,
    }


def spread(values: list[float]) -> dict[str, float]:
    """The median, and the values between which it lies with 95 % confidence (order statistics, no distribution assumed)."""
    ordered = sorted(values)
    reach = 0.98 * len(ordered) ** 0.5
    low = ordered[max(0, int(len(ordered) / 2 - reach))]
    high = ordered[min(len(ordered) - 1, int(len(ordered) / 2 + reach))]
    return {"median": round(statistics.median(ordered), 4), "low": round(low, 4), "high": round(high, 4)}


# -----------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure both engines and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, help="of the real engine; by default what launchpad plans")
    parser.add_argument("--real-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAUNCHPAD_HOME"] = home
        results = measure(options)
    if options.json:
        sys.stdout.write(json.dumps(results, indent=1) + "\n")
        return
    for name, result in results.items():
        sys.stdout.write(
            f"{name}: {result['pairs']} pairs of {result['tokens']} tokens, load {os.getloadavg()[0]:.1f}\n"
        )
        for key, value in result.items():
            if isinstance(value, dict):
                sys.stdout.write(
                    f"  {key:26} {value['median']:9.4g}   ({value['low']:.4g} to {value['high']:.4g})\n"
                )
        sys.stdout.write(f"  {'gateway_cpu_us_per_event':26} {result['gateway_cpu_us_per_event']:9.4g}\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from msgspec.structs import replace

    from launchpad.config import load_config
    from launchpad.decide import make_plan_for
    from launchpad.events import ignore
    from launchpad.launcher.run import RealEffects, execute
    from launchpad.plugins.host import Host
    from launchpad.wish import Wish

    config = load_config()
    host = Host.load(config, third_party=False)
    plan = make_plan_for(
        host, config, Wish(model=options.model, context=4096, offline=True), starts_next=True
    )
    if options.threads:
        arguments = {**plan.start.arguments, "threads": options.threads}
        plan = replace(plan, start=replace(plan.start, arguments=arguments))
    results: dict[str, Any] = {}
    _, running = execute(plan, RealEffects(host, config), ignore)
    try:
        facts = running.server
        with process(gateway, facts, plan) as (port, pid):
            own = int(facts.endpoint.rpartition(":")[2].partition("/")[0])
            results["llama.cpp"] = compare(
                (own, facts.api_key), (port, KEY), pid, options.pairs, options.tokens
            )
    finally:
        running.stop()
    if options.real_only:
        return results
    for name, pause in (("simulated, 500 events/s", 0.002), ("simulated, as fast as it can", 0.0)):
        with process(simulated, pause) as (own, _):
            fast = replace(facts, endpoint=f"http://127.0.0.1:{own}/v1", pid=0)
            with process(gateway, fast, plan) as (port, pid):
                results[name] = compare((own, ""), (port, KEY), pid, options.pairs, options.tokens)
    return results


if __name__ == "__main__":
    main()

"""The job on the head of a Ray cluster: the engine's parent, its only door, and its leash. Sent as text; standard library alone.

    companion ──leash──▶ head ──▶ engine ──▶ Ray's workers on every node
              ◀──log────      ◀─output─
              ──talk───▶      ──▶ 127.0.0.1:port of the engine

It says where it listens in one line, `launchpad-head {"address": …, "port": …}`, and waits for the one who holds the
secret whose SHA-256 is in LAUNCHPAD_LEASH. Each connection begins with a line of JSON that holds the secret and, for the
first, the leash, what to start. The engine listens on loopback alone: without the secret nobody on the network reaches any of
it. The engine ends when the leash says so, breaks, or is silent for too long: whoever was to watch over it is gone.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import hashlib
import hmac
import json
import math
import os
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Two errors before Python 3.11, which a cluster may run.
TIMEOUTS = (TimeoutError, asyncio.TimeoutError)
READY = "Application startup complete"  # from then on it ends its workers by itself
LONGEST_LINE = 1 << 20
WAIT_FOR_LEASH = 60.0  # s
BEAT = 5.0  # s between two signs of life
SILENCE = 30.0  # s without one
QUICK = 1.0  # s that an engine gets whose owner is gone


class Head:
    """One engine, from the first word of its owner to its end."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._engine: asyncio.subprocess.Process | None = None
        self._port = 0
        self._ready = False
        self._leash: asyncio.StreamWriter | None = None
        self._leashed = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._deadline = math.inf
        self._asked = False

    async def run(self) -> int:
        """Until the engine has ended; returns the exit code of the job: 0 when that was asked for."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end, QUICK)
        self._address = own_address()
        server = await asyncio.start_server(self._met, self._address, 0, limit=LONGEST_LINE)
        port = server.sockets[0].getsockname()[1]
        self._say("launchpad-head " + json.dumps({"address": self._address, "port": port}) + "\n")
        try:
            await asyncio.wait_for(self._leashed.wait(), WAIT_FOR_LEASH)
        except TIMEOUTS:
            self._say(f"launchpad: nobody came to {self._address}:{port} for {WAIT_FOR_LEASH:.0f} s\n")
            return 1
        if self._engine is None:
            return 1
        await self._copy_output(self._engine)
        code = await self._engine.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._engine.pid, signal.SIGKILL)  # what it has left
        if not self._asked:
            self._say(f"launchpad: the engine ended with {code}\n")
        self._tell(ended=code)
        with contextlib.suppress(OSError):
            if self._leash is not None:
                await asyncio.wait_for(self._leash.drain(), 1.0)
        return 0 if self._asked else 1

    # -- who comes ------------------------------------------------------------------------------------------------

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = await self._hello(reader)
            if hello is None:
                return
            if hello.get("kind") == "talk":
                await self._talk(reader, writer)
            elif self._leash is None:
                self._leash = writer
                await self._obey(hello, reader)
        except (OSError, ValueError, *TIMEOUTS):
            pass
        finally:
            writer.close()

    async def _hello(self, reader: asyncio.StreamReader) -> dict[str, Any] | None:
        """The first line of somebody who knows the secret."""
        hello = json.loads(await asyncio.wait_for(reader.readline(), 10.0))
        secret = hashlib.sha256(str(hello.get("secret")).encode()).hexdigest()
        return hello if hmac.compare_digest(secret, self._digest) else None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(pump(reader, out), pump(there, writer))
        finally:
            out.close()

    async def _obey(self, hello: dict[str, Any], reader: asyncio.StreamReader) -> None:
        """Start what the owner wants, and do as he says until he is gone."""
        try:
            await self._start(hello)
        finally:
            self._leashed.set()
        beat = asyncio.create_task(self._beat())
        try:
            while line := await asyncio.wait_for(reader.readline(), SILENCE):
                said = json.loads(line)
                if "stop" in said:
                    self._asked = True
                    self._end(float(said["stop"]))
        except (OSError, *TIMEOUTS):
            pass
        finally:
            beat.cancel()
            self._end(QUICK)

    async def _beat(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(BEAT)

    # -- the engine -----------------------------------------------------------------------------------------------

    async def _start(self, job: dict[str, Any]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        settings = {**job["settings"], "words": [*job["settings"]["words"], "--port", str(self._port)]}
        told = {**os.environ, "VLLM_HOST_IP": self._address, **job["environment"]}
        told.pop("LAUNCHPAD_JOB", None)
        self._engine = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", job["child"]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=told,
            start_new_session=True,
            preexec_fn=tied(),
        )
        assert self._engine.stdin
        self._engine.stdin.write(json.dumps(settings).encode())
        self._engine.stdin.write_eof()

    async def _copy_output(self, engine: asyncio.subprocess.Process) -> None:
        assert engine.stdout
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        ended = asyncio.create_task(engine.wait())
        while not ended.done() or not engine.stdout.at_eof():
            part = asyncio.create_task(engine.stdout.read(1 << 16))
            await asyncio.wait({part, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not part.done():  # it has ended; a worker that it left may hold its output open
                await asyncio.wait({part}, timeout=0.5)
            if not part.done():
                part.cancel()
                break
            if not (data := part.result()):
                break
            self._say(decoder.decode(data))

    def _say(self, text: str) -> None:
        """To the job's log, and to the owner."""
        self._ready = self._ready or READY in text
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()
        self._tell(log=text)

    def _tell(self, **message: object) -> None:
        if self._leash is not None and not self._leash.is_closing():
            self._leash.write(json.dumps(message).encode() + b"\n")

    def _end(self, grace: float) -> None:
        """Ask the engine to end, and end it by force `grace` seconds later. A later call can only shorten that."""
        if self._engine is None:
            sys.exit(1)
        self._deadline = min(self._deadline, asyncio.get_running_loop().time() + grace)
        if self._ending is None:
            self._ending = asyncio.create_task(self._ended(self._engine))

    async def _ended(self, engine: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._ready:
                os.kill(engine.pid, signal.SIGTERM)
            else:  # while it loads, TERM is swallowed
                os.killpg(engine.pid, signal.SIGINT)
        while engine.returncode is None and asyncio.get_running_loop().time() < self._deadline:
            await asyncio.sleep(0.05)
        if engine.returncode is None:
            os.killpg(engine.pid, signal.SIGKILL)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes in goes out; then the other side is told that there is no more."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def own_address() -> str:
    """This node's address in the cluster: the head's, or the one by which the head is reached."""
    host, _, port = os.environ["RAY_ADDRESS"].rpartition(":")
    head = socket.gethostbyname(host.strip("[]"))
    with socket.socket() as probe:
        try:
            probe.bind((head, 0))
        except OSError:
            pass
        else:
            return head
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((head, int(port)))
        return str(route.getsockname()[0])


def tied() -> Any:
    """Runs in the engine before its program: it does not outlive this process."""
    import ctypes

    libc, parent = ctypes.CDLL(None), os.getpid()

    def tie() -> None:
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


if __name__ == "__main__":
    sys.exit(asyncio.run(Head(os.environ["LAUNCHPAD_LEASH"]).run()))

"""D10, D12, D14, D17: a pull that is killed, fails or loses power at each call that changes a file.

The method is SQLite's: commit the fault at the first call, then at the second, and so on until the pull gets through.
`nursery.py` commits it in real processes. The default suite tries a sample of the calls; `pytest -m long` tries all.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from launchpad.plugins.spec import Resolved
from launchpad.pull import journal, wire
from launchpad.pull.layout import NOTE
from launchpad.testing.hub import Fault, SimulatedHub

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and signals")

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]
SEVERAL: dict[str, Any] = {
    "piece_size": 8 << 10,
    "connections": 3,
    "stall_seconds": 5.0,
    "backoff_seconds": 0.01,
    "poll_seconds": 0.01,
}
ONE = {**SEVERAL, "piece_size": 1 << 20}
KILLED = -9
SIZE = 60_000_000
SMALL = 3 * 8 * SEVERAL["piece_size"] + 1000


class Nursery:
    """The process that forks pulls, seen from the test."""

    def __init__(self, tmp_path: Path, resolved: Resolved) -> None:
        self.base = tmp_path / "stores"
        self.read = wire.READ
        self.resolved = msgspec.to_builtins(resolved)
        self.sha256 = str(resolved.files[0].sha256)
        script = Path(__file__).with_name("nursery.py")
        self.process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def pull(self, store: str, fault: str, options: dict[str, Any], count: int = 1) -> dict[str, Any]:
        home = self.base / store
        home.mkdir(parents=True, exist_ok=True)
        order = {
            "resolved": self.resolved,
            "home": str(home),
            "fault": fault,
            "options": options,
            "count": count,
            "sync_every": 64 << 10,
            "read": self.read,
        }
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def error(self, store: str) -> str:
        path = self.base / f"{store}.error"
        return path.read_text() if path.exists() else ""

    def here(self, store: str) -> int | None:
        """Bytes that are known to be in the unfinished file, None when there is none (any more)."""
        (partial,) = [p for p in (self.base / store).glob("hub/*/.partial/*") if not p.suffix] or [
            Path("none")
        ]
        return journal.have(partial)

    def check(self, store: str, *, complete: bool) -> None:
        """The invariants: no wrong blob, state that parses, nothing outside the store; `complete`: the file is there."""
        home = self.base / store
        blobs = list(home.glob("hub/*/blobs/*"))
        for blob in blobs:
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name, self.error(store)
        assert {path.name for path in home.iterdir()} <= {"hub", "own"}
        if complete:
            assert [blob.name for blob in blobs] == [self.sha256]
            assert [p.read_bytes() for p in home.glob("hub/*/snapshots/*/*")] == [blobs[0].read_bytes()]
            left = [path for path in home.glob("hub/*/.partial/*") if path.suffix != NOTE]
            assert not left, "what a killed pull left goes when the work is done"
            for stamp in home.glob("own/state/verified/*.json"):
                assert json.loads(stamp.read_bytes())["key"] == self.sha256


@contextmanager
def started(tmp_path: Path, resolved: Resolved) -> Iterator[Nursery]:
    running = Nursery(tmp_path, resolved)
    yield running
    assert running.process.stdin and running.process.stdout
    running.process.stdin.close()
    assert running.process.wait(150) == 0
    running.process.stdout.close()


@pytest.fixture
def nursery(hub: SimulatedHub, stores: Path, content: bytes, resolved: Resolve) -> Iterator[Nursery]:
    """Pulls of a file that is large enough for three connections, small enough to be pulled a thousand times."""
    small = content[:SMALL]
    whole = resolved(urls=(hub.add(f"/{FILE}", small),), size=SMALL, sha256=hashlib.sha256(small).hexdigest())
    with started(stores, whole) as running:
        yield running


@pytest.fixture
def unjudged(hub: SimulatedHub, stores: Path, content: bytes, resolved: Resolve) -> Iterator[Nursery]:
    """Pulls of the same file when nobody states its hash."""
    small = content[:SMALL]
    commit = hub.add_model("org/small", {FILE: small})  # with a strong ETag
    url = f"{hub.endpoint}/org/small/resolve/{commit}/{FILE}"
    with started(stores, resolved(urls=(url,), size=SMALL, sha256=None)) as running:
        running.sha256 = hashlib.sha256(small).hexdigest()
        yield running


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a flush costs nothing there, and the nursery itself loses what was not flushed."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def every_call(nursery: Nursery, fault: str, options: dict[str, Any], step: int) -> int:
    """Commit `fault` at each `step`-th call, each time in a fresh store, and have the next pull finish the work."""
    number, tried = 1, 0
    while True:
        store = f"{fault.partition('@')[0]}{number}"
        first = nursery.pull(store, fault.replace("@N", f"@{number}"), options)
        if first["codes"] == [0]:
            nursery.check(store, complete=True)
            return tried
        assert first["codes"][0] in (KILLED, 4), nursery.error(store)
        nursery.check(store, complete=False)
        second = nursery.pull(store, "", options)
        assert second["codes"] == [0], nursery.error(store)
        nursery.check(store, complete=True)
        shutil.rmtree(nursery.base / store)
        number, tried = number + step, tried + 1


FAULTS = ["kill@N", "half@N", "lose@N", "errno@N:ENOSPC", "errno@N:EIO"]


@pytest.mark.parametrize("fault", FAULTS)
def test_d12_d17_a_sample_of_the_calls(nursery: Nursery, fault: str) -> None:
    assert every_call(nursery, fault, SEVERAL, step=23) >= 3


@pytest.mark.parametrize("fault", FAULTS)
def test_d12_d17_a_sample_of_the_calls_without_a_hash(unjudged: Nursery, fault: str) -> None:
    assert every_call(unjudged, fault, ONE, step=23) >= 3


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_d12_d17_each_call_without_a_hash(unjudged: Nursery, fault: str) -> None:
    assert every_call(unjudged, fault, ONE, step=1) >= 40


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [SEVERAL, ONE], ids=["several", "one"])
@pytest.mark.parametrize("fault", FAULTS)
def test_d12_d17_each_call(nursery: Nursery, fault: str, options: dict[str, Any]) -> None:
    assert every_call(nursery, fault, options, step=1) >= 40


@pytest.mark.parametrize("options", [SEVERAL, ONE], ids=["several", "one"])
def test_d12_killed_again_and_again_it_gets_there(
    hub: SimulatedHub, nursery: Nursery, options: dict[str, Any]
) -> None:
    """One store, a kill in each run, later each time."""
    for number in range(20, 2000, 12):
        answer = nursery.pull("one", f"kill@{number}", options)
        nursery.check("one", complete=answer["codes"] == [0])
        if answer["codes"] == [0]:
            return
    pytest.fail("it never got through")


def test_d14_locks_that_lie(hub: SimulatedHub, nursery: Nursery, content: bytes) -> None:
    hub.misbehave(FILE, Fault(rate=4_000_000, times=None))
    answer = nursery.pull("lying", "nolock", SEVERAL, count=4)
    assert answer["codes"] == [0, 0, 0, 0], nursery.error("lying")
    nursery.check("lying", complete=True)


def test_d14_locks_that_lie_and_the_owner_dies(hub: SimulatedHub, nursery: Nursery) -> None:
    assert nursery.pull("dead", "kill@60", SEVERAL)["codes"] == [KILLED]
    assert list((nursery.base / "dead").glob("hub/*/.partial/*.owner"))
    answer = nursery.pull("dead", "nolock", SEVERAL, count=4)
    assert answer["codes"] == [0, 0, 0, 0], nursery.error("dead")
    nursery.check("dead", complete=True)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options", [{}, {"connections": 8, "piece_size": 512 << 10}], ids=["one_connection", "eight_connections"]
)
def test_d12_killed_at_random_times(
    hub: SimulatedHub, stores: Path, resolved: Resolve, options: dict[str, Any]
) -> None:
    """Kills of a pull of 60 MB; the process itself counts what it received, up to its last byte."""
    content, chance, costs = random.Random(1).randbytes(SIZE), random.Random(12), []
    url = hub.add("/large.gguf", content)
    whole = resolved(urls=(url,), size=SIZE, sha256=hashlib.sha256(content).hexdigest())
    with started(stores, whole) as nursery:
        # Eight connections are for files of half a gigabyte: 60 MB need steps that are as much smaller.
        nursery.read = wire.READ // options.get("connections", 1)
        before = hub.connections
        calls = nursery.pull("whole", "", options)["calls"]
        assert 1 <= hub.connections - before <= options.get("connections", 1)
        for number in range(25):
            store = f"random{number}"
            first = nursery.pull(store, f"kill@{chance.randrange(40, calls - 40)}", options)
            assert first["codes"] == [KILLED]
            nursery.check(store, complete=False)
            if (here := nursery.here(store)) is not None:
                costs.append(first["received"] - here)
            assert nursery.pull(store, "", options)["codes"] == [0]
            nursery.check(store, complete=True)
            shutil.rmtree(nursery.base / store)
    print(f"fetched again: median {statistics.median(costs):,}, most {max(costs):,} of {SIZE:,} bytes")
    assert len(costs) >= 20 and max(costs) <= SIZE / 100

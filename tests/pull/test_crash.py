"""Real processes: killed in mid-pull, and several at once."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import msgspec
import pytest

from launchpad.events import Event, ignore
from launchpad.paths import hub_cache
from launchpad.plugins.spec import Resolved
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
BIG = 20_000_000
Resolve = Callable[..., Resolved]

CHILD = """
import sys, msgspec
from launchpad.plugins.spec import Resolved
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
resolved = msgspec.json.decode(sys.argv[1], type=Resolved)
def report(event):
    print(msgspec.json.encode(event).decode(), flush=True)
local = pull(resolved, report, options=PullOptions(poll_seconds=0.02))
print(msgspec.json.encode(local).decode(), flush=True)
"""


def content_of_big() -> bytes:
    return random.Random(1).randbytes(BIG)


@pytest.fixture
def big(hub: SimulatedHub) -> Iterator[Resolved]:
    content = content_of_big()
    commit = hub.add_model("org/big", {FILE: content})
    yield msgspec.convert(
        {
            "ref": f"hf://org/big@{commit}:Q4_K_M",
            "folder": "models--org--big",
            "revision": commit,
            "files": [
                {
                    "path": FILE,
                    "urls": [f"{hub.endpoint}/org/big/resolve/{commit}/{FILE}"],
                    "size": BIG,
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            ],
            "entry": FILE,
            "build": {"ref": "hf://org/big:Q4_K_M", "format": "gguf", "quantization": "Q4_K_M"},
        },
        Resolved,
    )


def start(resolved: Resolved) -> subprocess.Popen[str]:
    given = msgspec.json.encode(resolved).decode()
    return subprocess.Popen([sys.executable, "-c", CHILD, given], stdout=subprocess.PIPE, text=True)


def read_until(child: subprocess.Popen[str], words: str) -> None:
    assert child.stdout
    for line in child.stdout:
        if words in line:
            return
    pytest.fail(f"the child ended without saying {words}")


def stop_at(resolved: Resolved, child: subprocess.Popen[str], size: int, how: signal.Signals) -> int:
    """Send a signal once the partial has this size; return the size that is left."""
    partial = Repo.of(resolved).partial(str(resolved.files[0].sha256))
    deadline = time.monotonic() + 20
    while (partial.stat().st_size if partial.exists() else 0) < size:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    child.send_signal(how)
    child.communicate()
    return partial.stat().st_size


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_kill_9_costs_next_to_nothing(hub: SimulatedHub, big: Resolved) -> None:
    hub.misbehave(FILE, Fault(rate=20_000_000, times=None))
    left = [stop_at(big, start(big), size, signal.SIGKILL) for size in (2_000_000, 7_000_000, 12_000_000)]
    assert left == sorted(left)
    local = pull(big, ignore)
    starts = [seen.range_start for seen in hub.gets(FILE)]
    assert starts[0] == 0
    # What was written and not yet noted down is fetched again: less than half a megabyte.
    assert all(0 <= had - at < 1 << 19 for at, had in zip(starts[1:], left, strict=True)), (starts, left)
    assert hashlib.sha256(Path(local.path).read_bytes()).hexdigest() == local.sha256
    assert [blob.name for blob in hub_cache().glob("*/blobs/*")] == [local.sha256]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_keeps_the_partial(hub: SimulatedHub, big: Resolved) -> None:
    hub.misbehave(FILE, Fault(rate=20_000_000, times=None))
    child = start(big)
    left = stop_at(big, child, 3_000_000, signal.SIGINT)
    assert child.returncode in (-signal.SIGINT, 130, 1)
    assert left >= 3_000_000
    pull(big, ignore)
    assert [seen.range_start for seen in hub.gets(FILE)] == [0, left]


@pytest.mark.parametrize("count", [2, 8])
def test_pulls_of_one_model_make_one_transfer(hub: SimulatedHub, big: Resolved, count: int) -> None:
    repo, key = Repo.of(big), str(big.files[0].sha256)
    repo.prepare()
    with filelock.FileLock(str(repo.lock(key))):  # so that all of them have to wait before one begins
        children = [start(big) for _ in range(count)]
        for child in children:
            read_until(child, "waiting for it")
        repo.partial(key).write_bytes(content_of_big()[:2_000_000])
        for child in children:  # who waits shows how far the other one is
            read_until(child, '"done":2000000')
    outputs = [child.communicate(timeout=150)[0].splitlines() for child in children]
    assert {child.returncode for child in children} == {0}
    assert [seen.range_start for seen in hub.gets(FILE)] == [2_000_000]
    assert len({output[-1] for output in outputs}) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_who_waits_takes_over_from_the_dead(hub: SimulatedHub, big: Resolved) -> None:
    hub.misbehave(FILE, Fault(rate=20_000_000, times=None))
    first = start(big)
    assert first.stdout and "pullstarted" in first.stdout.readline()
    while not hub.gets(FILE):
        time.sleep(0.002)
    second = start(big)
    left = stop_at(big, first, 5_000_000, signal.SIGKILL)
    second.communicate(timeout=150)
    assert second.returncode == 0
    begin, went_on = [seen.range_start for seen in hub.gets(FILE)]
    assert begin == 0
    assert left - (1 << 19) < went_on <= left  # what was written and not yet noted down is fetched again


def test_a_stamp_is_there_as_soon_as_the_file_is(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed right after the rename, the file is known as launchpad's own, and is not hashed again."""

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Repo, "place", killed)
        with pytest.raises(KilledError):
            pull(resolved(), ignore, options=fast)
    events: list[Event] = []
    assert pull(resolved(), events.append, options=fast).owner == "launchpad"
    assert "Checking" not in str(events) and len(hub.gets(FILE)) == 1

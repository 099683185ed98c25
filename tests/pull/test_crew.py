"""Several connections for one file: what they ask for, and what happens when one of them meets a fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from launchpad.errors import PullError, VerifyError
from launchpad.events import ignore
from launchpad.paths import hub_cache
from launchpad.plugins.spec import Resolved
from launchpad.pull import crew
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.pull.stream import Part
from launchpad.testing.hub import Fault, SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
PIECE = 32 << 10
Resolve = Callable[..., Resolved]


@pytest.fixture
def many(fast: PullOptions, monkeypatch: pytest.MonkeyPatch) -> PullOptions:
    """Thirty pieces, three connections, and connections that join without waiting."""
    monkeypatch.setattr(crew, "_JOIN_EVERY", 0.0)
    return replace(fast, piece_size=PIECE, connections=4)


@pytest.fixture(autouse=True)
def nothing_wrong_is_kept() -> object:
    yield
    for blob in hub_cache().glob("*/blobs/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def pulled(resolved: Resolved, options: PullOptions) -> bytes:
    return Path(pull(resolved, ignore, options=options).path).read_bytes()


def test_each_piece_is_asked_for_once(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(rate=1_000_000, times=None))
    assert pulled(resolved(), many) == content
    starts = [seen.range_start for seen in hub.gets(FILE)]
    assert sorted(starts) == list(range(0, len(content), PIECE))
    assert starts[0] == 0 and hub.bytes_sent(FILE) == len(content)
    assert 1 < hub.connections <= 3
    assert all("if-range" in seen.headers for seen in hub.gets(FILE)[1:])


def test_a_small_file_has_one_connection(hub: SimulatedHub, resolved: Resolve, many: PullOptions) -> None:
    pull(resolved(), ignore, options=replace(many, piece_size=PIECE * 4))
    assert len(hub.gets(FILE)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_after=30_000, times=5),
        Fault(stall_after=30_000, times=3),
        Fault(rate=50, times=2),
        Fault(status=500, times=3),
        Fault(status=503, headers={"Retry-After": "1"}, times=3),
        Fault(ignore_range=True, times=None),
        Fault(ignore_range=True),
        Fault(flip_at=500_000),
        Fault(headers={"Content-Length": "10"}, times=2),
        Fault(chunked=True, times=None),
        Fault(without=("ETag",), times=None),
    ],
    ids=[
        "cut",
        "stall",
        "trickle",
        "500",
        "503",
        "no-ranges",
        "once-whole",
        "flip",
        "short",
        "chunked",
        "no-etag",
    ],
)
def test_faults_cost_time_only(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes, fault: Fault
) -> None:
    hub.misbehave(FILE, fault)
    assert pulled(resolved(), replace(many, stall_seconds=1.0)) == content


@pytest.mark.parametrize(
    "broken",
    [
        Fault(headers={"Content-Range": "bytes 0-32767/1000000"}),
        Fault(headers={"Content-Range": "bytes 65536-98303/999"}),
        Fault(without=("Content-Range",)),
        Fault(status=416),
        Fault(ignore_range=True),
    ],
    ids=["start", "total", "missing", "416", "200"],
)
def test_a_range_that_is_not_honored_in_the_middle(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes, broken: Fault
) -> None:
    good = Fault(times=3)
    hub.misbehave(FILE, good, broken)
    assert pulled(resolved(), many) == content


@pytest.mark.parametrize("etag", ['"other"', None], ids=["etag-changed", "etag-same"])
def test_content_that_changes_between_pieces(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes, etag: str | None
) -> None:
    headers = {"ETag": etag} if etag else {}
    hub.misbehave(FILE, Fault(times=3), Fault(content=bytes(len(content)), headers=headers, times=2))
    assert pulled(resolved(), many) == content


def test_wrong_content_is_refused(hub: SimulatedHub, resolved: Resolve, many: PullOptions) -> None:
    hub.misbehave(FILE, Fault(flip_at=500_000, times=None))
    with pytest.raises(VerifyError, match="sha256 differs"):
        pull(resolved(), ignore, options=many)
    assert not list(hub_cache().glob("*/blobs/*"))


def test_a_server_that_dies_is_given_up(hub: SimulatedHub, resolved: Resolve, many: PullOptions) -> None:
    hub.misbehave(FILE, Fault(times=4), Fault(status=500, times=None))
    with pytest.raises(PullError, match="500"):
        pull(resolved(), ignore, options=many)


def test_the_way_to_another_host_is_asked_for_once(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes
) -> None:
    with SimulatedHub() as other:
        url = other.add("/signed.gguf", content)
        hub.misbehave(FILE, Fault(redirect=url, times=None))
        whole = resolved(token="hf_CANARY", token_host=hub.endpoint.removeprefix("http://"))
        assert pulled(whole, many) == content
        assert len(hub.gets(FILE)) == 1
        assert not any("authorization" in seen.headers for seen in other.requests)


def test_a_way_that_expired_is_asked_for_again(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes
) -> None:
    with SimulatedHub() as other:
        url = other.add("/signed.gguf", content)
        hub.misbehave(FILE, Fault(redirect=url, times=None))
        other.misbehave("/signed.gguf", Fault(times=3), Fault(status=403))
        assert pulled(resolved(), many) == content
        assert len(hub.gets(FILE)) >= 2


def test_all_connections_together_keep_the_rate(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions
) -> None:
    from launchpad.events import Event, PullFinished

    events: list[Event] = []
    pull(resolved(), events.append, options=replace(many, max_rate=2_000_000))
    finished = events[-1]
    assert isinstance(finished, PullFinished) and finished.seconds >= 0.35


def test_a_fast_connection_asks_for_more_at_once(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1, 2, 4, 8, 16 pieces of 31: on a fast line the requests themselves are what costs."""
    monkeypatch.setattr(crew, "_FAST", 1)
    monkeypatch.setattr(
        crew.Crew, "_grow", lambda *_: None
    )  # nobody joins, even if the line rests for a moment
    assert pulled(resolved(), many) == content
    ranges = [seen.range_start for seen in hub.gets(FILE)]
    assert ranges == [piece * PIECE for piece in (0, 1, 3, 7, 15)]


def test_what_a_fast_connection_asked_for_is_shared_when_it_slows_down(
    hub: SimulatedHub, resolved: Resolve, many: PullOptions, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_SLOW", 0.1)
    monkeypatch.setattr(crew, "_PROGRESS", 1024)
    monkeypatch.setattr(Part, "rate", lambda part: crew._FAST + 1)
    grow = crew.Crew._grow

    def later(self: crew.Crew, begin: float, first: int) -> None:
        """Others join when eight pieces are under way, however slow the machine is: before, there is nothing to share."""
        if len(hub.gets(FILE)) >= 4:
            grow(self, begin, first)

    monkeypatch.setattr(crew.Crew, "_grow", later)
    hub.misbehave(FILE, Fault(times=3), Fault(rate=200_000, times=None))
    assert pulled(resolved(), many) == content
    starts = {seen.range_start for seen in hub.gets(FILE)}
    assert any(start % PIECE for start in starts), "a second half was taken over"

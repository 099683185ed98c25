"""Files that nobody vouches for go on after a cut or a kill, but only as the same file: a strong ETag tells."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace

from launchpad.catalog.model import Build, LocalModel
from launchpad.errors import PullError
from launchpad.events import Event, Notice, PullFinished, PullStarted, ignore
from launchpad.paths import store_dir
from launchpad.plugins.web.source import Web
from launchpad.pull import journal, unpinned
from launchpad.pull.garbage import find_garbage
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.pull.unpinned import _by_size, pinned
from launchpad.testing.hub import Fault, SimulatedHub

FILE = "m-Q4_K_M.gguf"
REPO = "org/m"
COMMIT = "0" * 40
SIZE = 10_000_000
CONTENT = random.Random(5).randbytes(SIZE)
OTHER = random.Random(6).randbytes(SIZE)
HALF = SIZE // 2
ONE_PERCENT = SIZE // 100
HALF_A_MEGABYTE = 1 << 19


@pytest.fixture(autouse=True)
def nothing_is_named_wrong() -> object:
    yield
    for blob in store_dir().glob("*/blobs/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


@pytest.fixture
def url(hub: SimulatedHub) -> str:
    return serve(hub, CONTENT)


@pytest.fixture
def hasty(fast: PullOptions) -> PullOptions:
    """Gives up at the first fault, which stands for a kill at this place."""
    return replace(fast, retries=0)


def serve(hub: SimulatedHub, content: bytes) -> str:
    hub.add_model(REPO, {FILE: content}, revision=COMMIT)
    return f"{hub.endpoint}/{REPO}/resolve/{COMMIT}/{FILE}"


def take(url: str, options: PullOptions, events: list[Event] | None = None) -> LocalModel:
    report = ignore if events is None else events.append
    resolved = Web().resolve(Build(ref=url, format="gguf", quantization="Q4_K_M"))
    return pull(pinned(resolved, report, options), report, options=options)


def broken_off(hub: SimulatedHub, url: str, options: PullOptions, after: int = HALF) -> None:
    """A run that ends after so many bytes. The first two answers are those to the looks beforehand."""
    hub.misbehave(FILE, Fault(times=2), Fault(cut_after=after))
    with pytest.raises(PullError):
        take(url, options)


def content_of(model: LocalModel) -> bytes:
    return Path(model.path).read_bytes()


def starts(hub: SimulatedHub) -> list[int]:
    """Where the requests for more than a look began."""
    return [seen.range_start for seen in hub.gets(FILE) if seen.headers.get("range") != "bytes=0-0"]


def the_partial() -> Path:
    (path,) = store_dir().glob("*/.partial/unpinned-*[0-9a-f].journal")
    return path.with_suffix("")


def test_a_cut_is_continued_at_once(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(times=2), Fault(cut_after=HALF))
    assert content_of(take(url, fast)) == CONTENT
    assert starts(hub) == [0, HALF]
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert hub.gets(FILE)[-1].headers["if-range"] == etag
    assert 0 <= hub.bytes_sent(FILE) - SIZE <= 2


def test_the_next_run_goes_on(hub: SimulatedHub, url: str, hasty: PullOptions) -> None:
    broken_off(hub, url, hasty)
    assert content_of(take(url, hasty)) == CONTENT
    first, second = starts(hub)
    assert first == 0 and HALF - ONE_PERCENT < second <= HALF


def test_kill_9_costs_half_a_megabyte_at_most(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    """A real process, killed by the system while bytes are under way; below 50 MB one write alone may be over 1 %."""
    code = (
        "import sys; from launchpad.catalog.model import Build; from launchpad.events import ignore;"
        "from launchpad.plugins.web.source import Web; from launchpad.pull.options import PullOptions;"
        "from launchpad.pull.unpinned import pinned;"
        "pinned(Web().resolve(Build(ref=sys.argv[1], format='gguf', quantization='Q4_K_M')), ignore, PullOptions())"
    )
    hub.misbehave(FILE, Fault(times=2), Fault(rate=20_000_000))
    killed = subprocess.Popen([sys.executable, "-c", code, url])
    try:
        while hub.bytes_sent(FILE) < HALF:
            assert killed.poll() is None
    finally:
        killed.kill()
        killed.wait()
    written = journal.have(the_partial())
    assert content_of(take(url, fast)) == CONTENT
    assert 0 < written - HALF_A_MEGABYTE <= starts(hub)[1] <= written


@pytest.mark.parametrize("size", [0, 1, 64, 10_000_001, 1 << 30, 40_000_000_001])
def test_pieces_are_whole_blocks_and_small_enough(size: int) -> None:
    options = _by_size(PullOptions(), size)
    assert options.piece_size % 64 == 0
    at_risk = (options.connections + 1) * options.piece_size
    assert at_risk <= max(size // 100, 2 * (16 << 10))


def test_another_file_in_its_place_begins_anew(hub: SimulatedHub, url: str, hasty: PullOptions) -> None:
    broken_off(hub, url, hasty)
    serve(hub, OTHER)
    assert content_of(take(url, hasty)) == OTHER
    assert starts(hub) == [0, 0]


def test_a_file_that_changes_under_way_is_not_kept(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    hub.misbehave(
        FILE,
        Fault(times=2),
        Fault(cut_after=HALF),
        Fault(content=OTHER, headers={"ETag": '"another"'}, times=None),
    )
    with pytest.raises(PullError, match="not what was promised") as caught:
        take(url, fast)
    assert "changed meanwhile" in (caught.value.why or "")
    assert not list(store_dir().glob("*/blobs/*"))


def test_a_range_under_another_etag_is_not_kept(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    """A server that knows no If-Range sends the range of the new file."""
    hub.misbehave(
        FILE,
        Fault(times=2),
        Fault(cut_after=HALF),
        Fault(status=206, content=OTHER[HALF:], headers=_range_of_another(), ignore_range=True, times=None),
    )
    with pytest.raises(PullError, match="not what was promised"):
        take(url, fast)
    assert not list(store_dir().glob("*/blobs/*"))


def _range_of_another() -> dict[str, str]:
    return {"ETag": '"another"', "Content-Range": f"bytes {HALF}-{SIZE - 1}/{SIZE}"}


@pytest.mark.parametrize("headers", [{"ETag": 'W/"weak"'}, {"ETag": ""}, {"ETag": "bare"}])
def test_what_only_means_the_same_begins_anew(
    hub: SimulatedHub, url: str, hasty: PullOptions, headers: dict[str, str]
) -> None:
    hub.misbehave(FILE, Fault(headers=headers, times=2), Fault(headers=headers, cut_after=HALF))
    with pytest.raises(PullError):
        take(url, hasty)
    hub.misbehave(FILE, Fault(headers=headers, times=None))
    assert content_of(take(url, hasty)) == CONTENT
    assert starts(hub) == [0, 0]


@pytest.mark.parametrize("what", ["flip", "zeros", "end", "garbage", "journal", "states"])
def test_bytes_that_were_damaged_meanwhile_are_fetched_again(
    hub: SimulatedHub, url: str, hasty: PullOptions, what: str
) -> None:
    broken_off(hub, url, hasty)
    partial = the_partial()
    kept = bytearray(partial.read_bytes())
    if what in ("flip", "journal", "states"):
        kept[HALF // 2] ^= 1
    elif what == "zeros":
        kept[HALF // 2 : HALF // 2 + 4096] = bytes(4096)
    elif what == "end":
        del kept[HALF // 2 :]
    elif what == "garbage":
        kept += random.Random(1).randbytes(HALF)
    partial.write_bytes(kept)
    notes = journal.place(partial)
    if what == "journal":
        notes.unlink()
    elif what == "states":  # nothing tells what the bytes were
        notes.write_bytes(
            b"".join(line for line in notes.read_bytes().splitlines(True) if line[:4] != b'["h"')
        )
    assert content_of(take(url, hasty)) == CONTENT


def test_a_wrong_byte_before_a_state_that_is_missing_is_not_kept(
    hub: SimulatedHub, url: str, hasty: PullOptions
) -> None:
    """A later state cannot tell which of two pieces is damaged: only pieces of which each has its own count."""
    broken_off(hub, url, hasty)
    partial = the_partial()
    kept = bytearray(partial.read_bytes())
    kept[100] ^= 1
    partial.write_bytes(kept)
    notes = journal.place(partial)
    lines = notes.read_bytes().splitlines(True)
    first = next(index for index, line in enumerate(lines) if line[:4] == b'["h"')
    notes.write_bytes(b"".join(lines[:first] + lines[first + 1 :]))
    assert content_of(take(url, hasty)) == CONTENT


def test_what_was_taken_is_not_fetched_again(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    take(url, fast)
    events: list[Event] = []
    assert content_of(take(url, fast, events)) == CONTENT
    assert starts(hub) == [0]
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert any(isinstance(event, Notice) and digest in event.message for event in events)


def test_events_tell_the_story_once(hub: SimulatedHub, url: str, hasty: PullOptions) -> None:
    broken_off(hub, url, hasty)
    events: list[Event] = []
    local = take(url, hasty, events)
    (started,) = (event for event in events if isinstance(event, PullStarted))
    assert started.size == SIZE and 0 < started.have <= HALF
    (finished,) = (event for event in events if isinstance(event, PullFinished))
    assert (finished.path, finished.size, finished.sha256) == (local.path, SIZE, local.sha256)


def test_space_is_needed_for_the_rest_alone(
    hub: SimulatedHub, url: str, hasty: PullOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: list[int] = []
    broken_off(hub, url, hasty)
    monkeypatch.setattr(unpinned, "check_space", lambda folder, size: needed.append(size))
    take(url, hasty)
    assert len(needed) == 1 and needed[0] <= SIZE - HALF + ONE_PERCENT


def test_what_was_taken_and_is_gone_is_fetched_again(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    take(url, fast)
    (blob,) = store_dir().glob("*/blobs/*")
    blob.unlink()
    assert content_of(take(url, fast)) == CONTENT
    assert starts(hub) == [0, 0]


def test_the_note_of_what_was_taken_is_no_garbage_while_it_is_here(
    hub: SimulatedHub, url: str, fast: PullOptions
) -> None:
    take(url, fast)
    assert {item.kind for item in find_garbage() if item.ours} == {"lock"}
    (blob,) = store_dir().glob("*/blobs/*")
    blob.unlink()
    assert "partial" in {item.kind for item in find_garbage() if item.ours}


def test_two_at_once_make_one_transfer(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(times=1), Fault(rate=40_000_000, times=None))
    got: list[bytes] = []
    pulls = [Thread(target=lambda: got.append(content_of(take(url, fast)))) for _ in range(2)]
    for one in pulls:
        one.start()
    for one in pulls:
        one.join()
    assert got == [CONTENT, CONTENT]
    assert starts(hub) == [0]


def test_the_rate_is_limited_as_for_others(hub: SimulatedHub, url: str, fast: PullOptions) -> None:
    """By what is asked of the throttle, not by a clock."""
    from launchpad.pull import job

    taken: list[int] = []
    real = job.Throttle.take
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            job.Throttle, "take", lambda self, size, stop: (taken.append(size), real(self, size, stop))[1]
        )
        take(url, replace(fast, max_rate=1 << 40))
    assert sum(taken) == SIZE

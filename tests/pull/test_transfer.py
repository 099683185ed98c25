"""The battery of download faults: right content, or an error, never wrong content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from launchpad.errors import LaunchpadError, PullError, RefusedError, SourceUnreachable, VerifyError
from launchpad.events import Event, Notice, PullFinished, PullProgress, PullStarted, ignore
from launchpad.paths import hub_cache
from launchpad.plugins.spec import Resolved
from launchpad.pull import wire
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]


@pytest.fixture(autouse=True, params=[wire._LONG, 0], ids=["library", "direct"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault meets both ways in which an answer is read: through the HTTP library, and beside it."""
    monkeypatch.setattr(wire, "_LONG", request.param)


@pytest.fixture(autouse=True)
def nothing_wrong_is_kept() -> object:
    """The invariant of the store: no blob whose digest differs from its name, whatever the server did."""
    yield
    for blob in hub_cache().glob("*/blobs/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def pulled(resolved: Resolved, options: PullOptions) -> bytes:
    return Path(pull(resolved, ignore, options=options).path).read_bytes()


@pytest.mark.parametrize("cut", [0, 1, 500_000, 999_000, 999_999])
def test_a_cut_is_resumed(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, cut: int
) -> None:
    hub.misbehave(FILE, Fault(cut_after=cut))
    assert pulled(resolved(), fast) == content
    assert [seen.range_start for seen in hub.gets(FILE)] == [0, cut]
    assert hub.bytes_sent(FILE) <= len(content) + (1 << 20)


def test_many_cuts_with_progress_are_no_reason_to_give_up(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(cut_after=100_000, times=None))
    assert pulled(resolved(), fast) == content
    assert len(hub.gets(FILE)) == 10


def test_a_server_without_progress_is_given_up(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions
) -> None:
    hub.misbehave(FILE, Fault(cut_after=10, times=None))
    with pytest.raises(SourceUnreachable, match="cannot be reached") as caught:
        pull(resolved(), ignore, options=fast)
    assert caught.value.retryable
    assert len(hub.gets(FILE)) == 1 + fast.retries


@pytest.mark.parametrize("at", [0, 500_000, -1])
def test_a_flipped_byte_is_never_accepted(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, at: int
) -> None:
    hub.misbehave(FILE, Fault(flip_at=at, times=None))
    with pytest.raises(VerifyError, match="sha256 differs"):
        pull(resolved(), ignore, options=fast)
    assert len(hub.gets(FILE)) == 2
    assert not list(hub_cache().glob("*/blobs/*"))


def test_a_flip_that_happens_once_is_repaired(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(flip_at=7))
    assert pulled(resolved(), fast) == content


def test_the_second_address_is_used(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, second_mirror: str
) -> None:
    hub.misbehave(FILE, Fault(flip_at=7, times=None))
    url = resolved().files[0].urls[0]
    assert pulled(resolved(urls=(url, second_mirror)), fast) == content


@pytest.mark.parametrize(
    "fault",
    [
        Fault(headers={"Content-Length": "500000"}),
        Fault(headers={"Content-Length": "1000001"}),
        Fault(headers={"Content-Length": "-5"}),
        Fault(without=("Content-Length",)),
        Fault(chunked=True),
        Fault(chunked=True, cut_after=500_000),
        Fault(endless=True),
    ],
    ids=["short", "long", "negative", "none", "chunked", "chunked-cut", "endless"],
)
def test_lies_about_the_length_do_not_matter(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, fault: Fault
) -> None:
    hub.misbehave(FILE, fault)
    assert pulled(resolved(), fast) == content


def test_nothing_is_written_past_the_size(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(content=content + b"tail", times=None))
    assert pulled(resolved(), fast) == content


@pytest.mark.parametrize(
    "broken",
    [
        Fault(headers={"Content-Range": "bytes 0-499999/1000000"}, ranges_only=True),
        Fault(headers={"Content-Range": "bytes 500000-999999/999"}, ranges_only=True),
        Fault(headers={"Content-Range": "bytes 500000-999999/*"}, ranges_only=True),
        Fault(without=("Content-Range",), ranges_only=True),
        Fault(headers={"Content-Range": "rubbish"}, ranges_only=True),
        Fault(status=416, ranges_only=True),
        Fault(ignore_range=True, ranges_only=True),
        Fault(ignore_range=True, ranges_only=True, chunked=True),
    ],
    ids=["start", "total", "star", "missing", "rubbish", "416", "200", "200-chunked"],
)
def test_a_range_that_is_not_honored_costs_only_bytes(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, broken: Fault
) -> None:
    hub.misbehave(FILE, Fault(cut_after=500_000), broken)
    assert pulled(resolved(), fast) == content


def test_a_broken_range_leaves_the_partial_to_the_next_address(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, second_mirror: str
) -> None:
    hub.misbehave(FILE, Fault(cut_after=500_000), Fault(status=416, ranges_only=True))
    url = resolved().files[0].urls[0]
    assert pulled(resolved(urls=(url, second_mirror)), fast) == content
    assert [seen.range_start for seen in hub.gets("good.gguf")] == [500_000]


@pytest.mark.parametrize("etag", ['"other"', None], ids=["etag-changed", "etag-same"])
def test_content_that_changes_between_ranges(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, etag: str | None
) -> None:
    other = bytes(len(content))
    headers = {"ETag": etag} if etag else {}
    hub.misbehave(FILE, Fault(cut_after=500_000), Fault(content=other, headers=headers))
    assert pulled(resolved(), fast) == content


def test_the_etag_is_sent_along(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(cut_after=500_000))
    pull(resolved(), ignore, options=fast)
    first, second = hub.gets(FILE)
    assert "range" not in first.headers
    assert second.headers["if-range"].strip('"') == resolved().files[0].sha256
    assert {seen.headers["accept-encoding"] for seen in (first, second)} == {"identity"}


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_quoted(hub: SimulatedHub, resolved: Resolve, fast: PullOptions, kind: str) -> None:
    page = b"<!DOCTYPE html><html><title>Hotel \x1b[2J WiFi</title>Please log in" + b"!" * 500
    hub.misbehave(FILE, Fault(content=page, headers={"Content-Type": kind}, times=None))
    with pytest.raises(PullError, match="web page") as caught:
        pull(resolved(), ignore, options=fast)
    assert "Hotel" in str(caught.value) and "Please log in" in str(caught.value)
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 700


def test_an_unwanted_encoding_is_not_decoded(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(headers={"Content-Encoding": "gzip"}, times=None))
    with pytest.raises(VerifyError, match="encoding 'gzip'"):
        pull(resolved(), ignore, options=fast)


def test_server_errors_are_waited_out(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(status=500, times=2), Fault(status=429, headers={"Retry-After": "3600"}))
    assert pulled(resolved(), fast) == content
    assert len(hub.gets(FILE)) == 4


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "404"), (407, "proxy"), (403, "not open to you"), (410, "410"), (503, "503")],
)
def test_errors_name_their_cause(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, status: int, words: str
) -> None:
    hub.misbehave(FILE, Fault(status=status, content=b"because", times=None))
    with pytest.raises(PullError, match=words) as caught:
        pull(resolved(), ignore, options=fast)
    assert caught.value.hint


def test_a_gated_model_says_what_to_do(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(status=403, headers={"X-Error-Code": "GatedRepo"}))
    with pytest.raises(PullError, match="gated") as caught:
        pull(resolved(), ignore, options=fast)
    assert f"Open {hub.endpoint}/org/tiny-GGUF in a browser" in str(caught.value.hint)
    assert "HF_TOKEN" in str(caught.value.hint)


@pytest.mark.parametrize("after", [0, 900_000])
def test_a_stall_leads_to_a_new_connection(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, after: int
) -> None:
    hub.misbehave(FILE, Fault(stall_after=after))
    assert pulled(resolved(), replace(fast, stall_seconds=1.0)) == content
    assert [seen.range_start for seen in hub.gets(FILE)][:2] == [0, after]


def test_a_trickle_is_a_stall(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(rate=50))
    assert pulled(resolved(), replace(fast, stall_seconds=1.0)) == content
    assert len(hub.gets(FILE)) >= 2


def test_nobody_listens(resolved: Resolve, fast: PullOptions) -> None:
    with pytest.raises(SourceUnreachable, match="no connection"):
        pull(resolved(urls=("http://127.0.0.1:9/x.gguf",)), ignore, options=fast)


def test_a_redirect_is_followed(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, second_mirror: str
) -> None:
    hub.misbehave(FILE, Fault(redirect=second_mirror, times=None))
    assert pulled(resolved(), fast) == content


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://169.254.169.254/x", "javascript:alert(1)", None]
)
def test_a_bad_redirect_is_refused(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, target: str | None
) -> None:
    loop = resolved().files[0].urls[0]
    hub.misbehave(FILE, Fault(redirect=target or loop, times=None))
    with pytest.raises(RefusedError):
        pull(resolved(), ignore, options=fast)
    assert not list(hub_cache().glob("*/blobs/*"))


def test_the_token_stays_with_its_host(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    with SimulatedHub() as other:
        url = other.add("/there.gguf", content)
        back = hub.add("/back.gguf", content)
        other.misbehave("/there.gguf", Fault(redirect=back))
        hub.misbehave(FILE, Fault(redirect=url))
        events: list[Event] = []
        whole = resolved(token="hf_CANARY", token_host=hub.endpoint.removeprefix("http://"))
        pull(whole, events.append, options=fast)
        assert hub.gets(FILE)[0].headers["authorization"] == "Bearer hf_CANARY"
        assert "authorization" not in other.gets("/there.gguf")[0].headers
        assert "authorization" not in hub.gets("/back.gguf")[0].headers
    assert "CANARY" not in repr(events) + repr(whole)


def test_no_error_shows_the_token(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    hub.misbehave(FILE, Fault(status=403, times=None))
    url = resolved().files[0].urls[0] + "?sig=hf_CANARY"
    with pytest.raises(LaunchpadError) as caught:
        pull(resolved(urls=(url,), token="hf_CANARY", token_host="x"), ignore, options=fast)
    assert "CANARY" not in str(caught.value)


def test_events_tell_the_story(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(rate=2_000_000))
    events: list[Event] = []
    pull(resolved(), events.append, options=fast)
    kinds = [type(event) for event in events]
    assert kinds[0] is PullStarted and kinds[-1] is PullFinished
    progress = [event for event in events if isinstance(event, PullProgress)]
    finished = events[-1]
    assert isinstance(finished, PullFinished)
    assert 1 <= len(progress) <= 2 + 10 * (finished.seconds + 1)
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert finished == PullFinished(
        ref=resolved().ref,
        path=finished.path,
        size=len(content),
        seconds=finished.seconds,
        sha256=resolved().files[0].sha256,
    )


def test_a_long_wait_is_told(hub: SimulatedHub, resolved: Resolve) -> None:
    hub.misbehave(FILE, Fault(status=429, headers={"Retry-After": "1"}))
    events: list[Event] = []
    pull(resolved(), events.append, options=PullOptions())
    assert any(isinstance(event, Notice) and "Next try in 1 s" in event.message for event in events)


def test_without_a_size_the_hash_decides(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(FILE, Fault(cut_after=400_000))
    assert pulled(resolved(size=None), fast) == content


def test_the_rate_can_be_capped(hub: SimulatedHub, resolved: Resolve) -> None:
    events: list[Event] = []
    pull(resolved(), events.append, options=PullOptions(max_rate=2_000_000))
    finished = events[-1]
    assert isinstance(finished, PullFinished) and finished.seconds >= 0.4

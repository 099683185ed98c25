"""Parts of remote files: no more bytes than asked for, whatever the server does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launchpad.catalog.model import Build
from launchpad.errors import BadModelFile, LaunchpadError, PullError, RefusedError
from launchpad.gguf import Truncated
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.ranges import ranges
from launchpad.testing.hub import Fault, SimulatedHub

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        running.add("/m.gguf", CONTENT)
        yield running


def resolved(hub: SimulatedHub, *urls: str, size: int | None = len(CONTENT), **fields: object) -> Resolved:
    file = RemoteFile(path="m.gguf", urls=urls or (f"{hub.endpoint}/m.gguf",), size=size)
    build = Build(ref="hf://org/m:Q4_K_M", format="gguf", quantization="Q4_K_M")
    return Resolved(
        ref=build.ref, folder="f", revision="r", files=(file,), entry="m.gguf", build=build, **fields
    )  # type: ignore[arg-type]


def read(which: Resolved, start: int, stop: int) -> bytes:
    with ranges(which) as reader:
        return reader.read(which.files[0], start, stop)


def test_a_part_is_read_and_nothing_else(hub: SimulatedHub) -> None:
    assert read(resolved(hub), 100, 300) == CONTENT[100:300]
    assert hub.requests[0].headers["range"] == "bytes=100-299"
    assert hub.bytes_sent("m.gguf") == 200


def test_a_part_beyond_the_end_is_what_there_is(hub: SimulatedHub) -> None:
    assert read(resolved(hub), len(CONTENT) - 5, len(CONTENT) + 100) == CONTENT[-5:]


def test_a_server_that_sends_everything_is_cut_off(hub: SimulatedHub) -> None:
    hub.misbehave("m.gguf", Fault(ignore_range=True, endless=True, times=None))
    assert read(resolved(hub), 100, 300) == CONTENT[100:300]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(headers={"Content-Range": "bytes 0-199/1048576"}),
        Fault(headers={"Content-Range": "bytes 100-299/5"}),
        Fault(headers={"Content-Range": "rubbish"}),
        Fault(headers={"Content-Encoding": "gzip"}),
        Fault(cut_after=10, times=None),
        Fault(status=416),
    ],
    ids=["another part", "another size", "rubbish", "compressed", "always cut", "416"],
)
def test_a_wrong_answer_is_an_error(hub: SimulatedHub, fault: Fault) -> None:
    hub.misbehave("m.gguf", fault)
    with pytest.raises(LaunchpadError):
        read(resolved(hub), 100, 300)


def test_a_cut_answer_is_asked_for_again(hub: SimulatedHub) -> None:
    hub.misbehave("m.gguf", Fault(cut_after=10))
    assert read(resolved(hub), 100, 300) == CONTENT[100:300]
    assert len(hub.requests) == 2


def test_the_next_address_is_tried(hub: SimulatedHub) -> None:
    which = resolved(hub, f"{hub.endpoint}/gone.gguf", f"{hub.endpoint}/m.gguf")
    assert read(which, 0, 4) == CONTENT[:4]


def test_without_an_address_there_is_an_error(hub: SimulatedHub) -> None:
    which = resolved(hub)
    bare = RemoteFile(path="m.gguf", urls=())
    with ranges(which) as reader, pytest.raises(PullError, match="address"):
        reader.read(bare, 0, 4)


def test_the_token_stays_with_its_host(hub: SimulatedHub) -> None:
    host = hub.endpoint.removeprefix("http://")
    with SimulatedHub() as other:
        other.add("/m.gguf", CONTENT)
        hub.misbehave("m.gguf", Fault(redirect=f"{other.endpoint}/m.gguf"))
        assert read(resolved(hub, token="hf_CANARY", token_host=host), 0, 4) == CONTENT[:4]
        assert hub.requests[0].headers["authorization"] == "Bearer hf_CANARY"
        assert "authorization" not in other.requests[0].headers


def test_a_redirect_to_another_scheme_is_refused(hub: SimulatedHub) -> None:
    hub.misbehave("m.gguf", Fault(redirect="file:///etc/passwd"))
    with pytest.raises(RefusedError):
        read(resolved(hub), 0, 4)


def parse_at(need: int):
    def parse(data: bytes) -> int:
        if len(data) < need:
            raise Truncated(len(data) + 1)
        return len(data)

    return parse


def header(which: Resolved, need: int, first: int = 1000) -> tuple[int, bytes]:
    with ranges(which) as reader:
        return reader.header(which.files[0], first, parse_at(need))


def test_a_header_grows_until_it_is_whole(hub: SimulatedHub) -> None:
    length, data = header(resolved(hub), 10_000)
    assert data == CONTENT[:length]
    assert 10_000 <= length < 20_000
    assert hub.bytes_sent("m.gguf") == length  # no byte twice
    assert len(hub.requests) == 5


@pytest.mark.parametrize("size", [len(CONTENT), 5000, None])
def test_a_header_that_never_ends_is_refused(
    hub: SimulatedHub, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.pull.ranges.LARGEST_HEADER", 1 << 18)
    hub.add("/m.gguf", CONTENT[:size])
    with pytest.raises(BadModelFile, match="header"):
        header(resolved(hub, size=size), 1 << 30)
    assert hub.bytes_sent("m.gguf") <= 1 << 18


def test_a_bad_header_names_the_file(hub: SimulatedHub) -> None:
    def refuse(data: bytes) -> None:
        raise BadModelFile("it is odd", why="it has a fault")

    which = resolved(hub)
    with ranges(which) as reader, pytest.raises(BadModelFile, match=r"m\.gguf") as caught:
        reader.header(which.files[0], 1000, refuse)
    assert caught.value.why == "it has a fault"


def test_a_slow_server_is_given_up(hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.pull.ranges.SECONDS", 0.0)
    with pytest.raises(PullError, match="slow"):
        read(resolved(hub), 0, len(CONTENT))

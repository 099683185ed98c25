from __future__ import annotations

import gzip
import zlib

import pytest

from launchpad.errors import LaunchpadError, PullError, SourceUnreachable
from launchpad.pull.http import fetch_json
from launchpad.testing.hub import Fault, SimulatedHub


def test_json_is_read(hub: SimulatedHub) -> None:
    url = hub.add("/good", b'{"a": [1, 2]}', kind="application/json")
    assert fetch_json(url) == {"a": [1, 2]}


def test_compressed_json_is_read_though_unasked(hub: SimulatedHub) -> None:
    url = hub.add("/zipped", gzip.compress(b'{"a": 1}'), kind="application/json")
    hub.misbehave("/zipped", Fault(headers={"Content-Encoding": "gzip"}))
    assert fetch_json(url) == {"a": 1}


def bomb() -> bytes:
    """A gzip of 10 GB of zeros in 10 MB: one compressed block of them, 640 times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(16 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * 639


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[" * 100_000, Fault()),
        (b'{"a": "x' + b"x" * (17 << 20), Fault()),
        (b"{" * 1000, Fault(endless=True)),
        (b"not json", Fault()),
        (b"\xff\xfe", Fault()),
        (b"{}", Fault(headers={f"X-{n}": "x" * 60_000 for n in range(20)})),
        (b"{}", Fault(headers={"Content-Encoding": "br"})),
        (b"<html>login", Fault(headers={"Content-Type": "text/html"})),
    ],
    ids=["nested", "long", "endless", "rubbish", "bytes", "headers", "encoding", "page"],
)
def test_hostile_metadata_is_an_error(hub: SimulatedHub, content: bytes, fault: Fault) -> None:
    url = hub.add("/bad", content, kind="application/json")
    hub.misbehave("/bad", fault)
    with pytest.raises(PullError) as caught:
        fetch_json(url, seconds=5)
    assert len(str(caught.value)) < 900


def test_a_compression_bomb_is_not_unpacked(hub: SimulatedHub) -> None:
    content = bomb()
    url = hub.add("/bomb", content, kind="application/json")
    hub.misbehave("/bomb", Fault(headers={"Content-Encoding": "gzip"}))
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PullError, match="sends too much"):
        fetch_json(url)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 100 << 10


def test_a_trickle_of_metadata_ends(hub: SimulatedHub) -> None:
    url = hub.add("/slow", b"{" + b" " * 10_000, kind="application/json")
    hub.misbehave("/slow", Fault(rate=100))
    with pytest.raises(SourceUnreachable, match="in time"):
        fetch_json(url, seconds=0.5)


def test_the_cause_of_a_failed_tls_handshake_is_named(hub: SimulatedHub) -> None:
    with pytest.raises(LaunchpadError, match="cannot be reached"):
        fetch_json(hub.endpoint.replace("http://", "https://") + "/x", seconds=2)

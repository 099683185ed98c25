"""Addresses on the web: pinned by a hash, or taken at the user's word."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build
from launchpad.errors import PullError, RefusedError, UsageError
from launchpad.events import Event, ignore
from launchpad.plugins.web.source import Web
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.pull.unpinned import pinned
from launchpad.testing.hub import Fault, SimulatedHub

CONTENT = b"GGUF" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        running.add("/m-Q4_K_M.gguf", CONTENT)
        yield running


def _build(ref: str) -> Build:
    return Build(ref=ref, format="gguf", quantization="Q4_K_M")


def _take(hub: SimulatedHub, events: list[Event] | None = None) -> object:
    report = ignore if events is None else events.append
    resolved = Web().resolve(_build(f"{hub.endpoint}/m-Q4_K_M.gguf"))
    return pull(pinned(resolved, report, PullOptions()), report)


def test_with_a_hash_it_is_a_pull_like_any_other(hub: SimulatedHub) -> None:
    local = pull(Web().resolve(_build(f"{hub.endpoint}/m-Q4_K_M.gguf#sha256={DIGEST}")), ignore)
    assert Path(local.path).read_bytes() == CONTENT
    assert [model.ref for model in Web().local()] == [f"{hub.endpoint}/m-Q4_K_M.gguf#sha256={DIGEST}"]


def test_another_hash_is_refused(hub: SimulatedHub) -> None:
    with pytest.raises(PullError, match="not what was promised"):
        pull(Web().resolve(_build(f"{hub.endpoint}/m-Q4_K_M.gguf#sha256={'0' * 64}")), ignore)
    assert list(Web().local()) == []


def test_without_a_hash_nothing_is_fetched(hub: SimulatedHub) -> None:
    resolved = Web().resolve(_build(f"{hub.endpoint}/m-Q4_K_M.gguf"))
    assert resolved.files[0].size == len(CONTENT)
    with pytest.raises(RefusedError, match="cannot be verified") as caught:
        pull(resolved, ignore)
    assert "--allow-unpinned" in (caught.value.hint or "")
    assert hub.bytes_sent("m-Q4_K_M.gguf") <= 1


def test_at_the_users_word_it_is_taken_once_and_pinned(hub: SimulatedHub) -> None:
    events: list[Event] = []
    _take(hub, events)
    (model,) = Web().local()
    assert Path(model.path).read_bytes() == CONTENT
    assert model.sha256 == DIGEST and model.owner == "launchpad"
    assert any(f"#sha256={DIGEST}" in getattr(event, "message", "") for event in events)
    assert 0 <= hub.bytes_sent("m-Q4_K_M.gguf") - len(CONTENT) <= 2, "two looks at what the server says of it"


def test_a_file_that_does_not_come_whole_is_not_kept(hub: SimulatedHub) -> None:
    hub.misbehave("m-Q4_K_M.gguf", Fault(times=1), Fault(cut_after=1000, times=None))
    with pytest.raises(PullError):
        _take(hub)
    assert list(Web().local()) == []


def test_a_login_page_is_not_a_model(hub: SimulatedHub) -> None:
    hub.misbehave("m-Q4_K_M.gguf", Fault(times=2), Fault(content=b"<!DOCTYPE html><title>Login"))
    with pytest.raises(PullError, match="web page"):
        _take(hub)
    assert list(Web().local()) == []


@pytest.mark.parametrize(
    "ref",
    [
        "https://",
        "https://host/m.zip",
        "https://host/m.gguf#md5=00",
        "https://user:secret@host/m.gguf",
        f"https://host/m.gguf#sha256={'0' * 63}",
        "ftp://host/m.gguf",
        "https://[::/m.gguf",
    ],
)
def test_other_addresses_are_refused_before_any_request(ref: str) -> None:
    with pytest.raises(UsageError):
        Web().resolve(_build(ref))


def test_plain_http_without_a_hash_is_never_taken() -> None:
    from launchpad.plugins.spec import RemoteFile, Resolved

    file = RemoteFile(path="m.gguf", urls=("http://models.example/m.gguf",), size=4)
    resolved = Resolved(
        ref="http://models.example/m.gguf",
        folder="models--web--x",
        revision="unpinned",
        files=(file,),
        entry="m.gguf",
        build=_build("http://models.example/m.gguf"),
    )
    with pytest.raises(RefusedError, match="not fetched"):
        pinned(resolved, ignore, PullOptions())

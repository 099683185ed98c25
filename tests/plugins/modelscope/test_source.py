"""ModelScope: what its listing says, and what it may not make us do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build, Format
from launchpad.errors import PullError, RefusedError
from launchpad.events import ignore
from launchpad.plugins.modelscope.source import ModelScope
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub
from launchpad.testing.modelscope import SimulatedModelScope

FILES = {
    "README.md": b"# m",
    "m-Q4_K_M.gguf": b"GGUF" * 100,
    "m-Q8_0.gguf": b"GGUF" * 200,
    "mmproj-m-f16.gguf": b"GGUF" * 10,
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedModelScope]:
    with SimulatedModelScope() as running:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.endpoint)
        yield running


def _build(ref: str, form: Format = "gguf") -> Build:
    return Build(ref=ref, format=form, quantization="Q4_K_M")


def test_files_are_pinned_to_the_commit_that_changed_the_last_of_them(server: SimulatedModelScope) -> None:
    commit = server.add_repository("org/m", FILES)
    resolved = ModelScope().resolve(_build("modelscope://org/m:Q4_K_M"))
    assert resolved.ref == f"modelscope://org/m@{commit}:Q4_K_M"
    assert [file.path for file in resolved.files] == ["m-Q4_K_M.gguf", "mmproj-m-f16.gguf"]
    assert f"Revision={commit}&FilePath=m-Q4_K_M.gguf" in resolved.files[0].urls[0]


def test_without_commits_the_branch_names_the_revision(server: SimulatedModelScope) -> None:
    server.add_repository("org/m", FILES, commits=False)
    assert ModelScope().resolve(_build("modelscope://org/m:Q8_0")).revision == "master"


def test_a_pull_brings_model_and_projector_verified(server: SimulatedModelScope) -> None:
    server.add_repository("org/m", FILES)
    local = pull(ModelScope().resolve(_build("modelscope://org/m:Q4_K_M")), ignore)
    assert Path(local.path).read_bytes() == FILES["m-Q4_K_M.gguf"]
    assert local.projector and Path(local.projector).read_bytes() == FILES["mmproj-m-f16.gguf"]
    assert local.size == len(FILES["m-Q4_K_M.gguf"])
    assert [model.ref for model in ModelScope().local()] == [local.ref]


def test_wrong_bytes_are_not_kept(server: SimulatedModelScope) -> None:
    server.add_repository("org/m", FILES)
    server.misbehave("m-Q4_K_M.gguf", Fault(flip_at=7, times=None))
    with pytest.raises(PullError, match="not what was promised"):
        pull(ModelScope().resolve(_build("modelscope://org/m:Q4_K_M")), ignore)
    assert list(ModelScope().local()) == []


def test_safetensors_come_with_settings_and_without_code(server: SimulatedModelScope) -> None:
    server.add_repository(
        "org/m",
        {
            "config.json": b"{}",
            "model.safetensors": b"12345678{}",
            "consolidated.safetensors": b"12345678{}",
            "modeling_m.py": b"import os",
            "pytorch_model.bin": b"\x80",
            "tokenizer.json": b"{}",
        },
    )
    resolved = ModelScope().resolve(_build("modelscope://org/m", "safetensors"))
    assert [file.path for file in resolved.files] == ["config.json", "model.safetensors", "tokenizer.json"]


def test_builds_are_listed(server: SimulatedModelScope) -> None:
    server.add_repository("org/m", FILES)
    builds = {build.quantization: build for build in ModelScope().builds("modelscope://org/m")}
    assert set(builds) == {"Q4_K_M", "Q8_0"}
    assert builds["Q8_0"].size == 800 and builds["Q8_0"].size_exact


@pytest.mark.parametrize("name", ["../x.gguf", "a/../../x.gguf", "/etc/x.gguf", "C:\\x.gguf", "m\n.gguf"])
def test_names_are_judged(server: SimulatedModelScope, name: str) -> None:
    server.add_repository("org/m", FILES, names={"m-Q4_K_M.gguf": name})
    with pytest.raises(RefusedError):
        ModelScope().resolve(_build("modelscope://org/m:Q8_0"))


@pytest.mark.parametrize("digest", ["sha256:../../../tmp/pwn", "a" * 63, "a" * 65, "\uff11" * 64])
def test_digests_are_judged(server: SimulatedModelScope, digest: str) -> None:
    server.add_repository("org/m", FILES, digests={"m-Q4_K_M.gguf": digest})
    with pytest.raises(RefusedError):
        ModelScope().resolve(_build("modelscope://org/m:Q4_K_M"))


def test_a_listing_that_may_be_cut_is_not_believed(server: SimulatedModelScope) -> None:
    server.add_repository("org/m", {f"x{n}.json": b"{}" for n in range(3001)})
    with pytest.raises(PullError, match="too many files"):
        ModelScope().resolve(_build("modelscope://org/m:Q4_K_M"))


def test_an_unknown_repository_is_named(server: SimulatedModelScope) -> None:
    server.add(
        "/api/v1/models/org/none/repo/files/master", b'{"Success": false, "Message": "record not found"}'
    )
    with pytest.raises(PullError, match="org/none") as caught:
        ModelScope().resolve(_build("modelscope://org/none:Q4_K_M"))
    assert "record not found" in (caught.value.why or "")


def test_the_token_stays_with_its_host(server: SimulatedModelScope, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms_CANARY")
    server.add_repository("org/m", FILES)
    with SimulatedHub() as cdn:
        elsewhere = cdn.add("/bytes", FILES["m-Q8_0.gguf"])
        server.misbehave("m-Q8_0.gguf", Fault(redirect=elsewhere, times=None))
        pull(ModelScope().resolve(_build("modelscope://org/m:Q8_0")), ignore)
        assert all("authorization" not in seen.headers for seen in cdn.requests)
        assert cdn.requests
    assert all(seen.headers.get("authorization") == "Bearer ms_CANARY" for seen in server.requests)

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build, Format, ModelFile
from launchpad.errors import LaunchpadError, PullError, RefusedError, SourceUnreachable, UsageError
from launchpad.events import ignore
from launchpad.plugins.huggingface import launchpad_sources
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.plugins.spec import ModelSource
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub

CONTENT = b"GGUF" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILES = {
    "README.md": b"hello",
    "m-Q4_K_M.gguf": CONTENT,
    "m-UD-Q4_K_XL.gguf": CONTENT + b"x",
    "m-Q8_0-00001-of-00002.gguf": b"one",
    "m-Q8_0-00002-of-00002.gguf": b"two",
    "mmproj-F16.gguf": b"eyes",
    "loader.py": b"boom",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint + "/")
        monkeypatch.setenv("HF_TOKEN", "hf_CANARY")
        yield running


def build(ref: str, files: tuple[ModelFile, ...] = (), kind: Format = "gguf") -> Build:
    return Build(ref=ref, format=kind, quantization="any", files=files)


def test_it_is_a_source() -> None:
    (source,) = launchpad_sources()
    assert isinstance(source, ModelSource) and source.schemes == {"hf"}


def test_a_quantization_is_resolved_and_pulled(hub: SimulatedHub) -> None:
    commit = hub.add_model("org/m-GGUF", FILES)
    resolved = HuggingFace().resolve(build("hf://org/m-GGUF:q4_k_m"))
    assert resolved.ref == f"hf://org/m-GGUF@{commit}:q4_k_m"
    assert (resolved.folder, resolved.revision, resolved.branch) == ("models--org--m-GGUF", commit, "main")
    file, projector = resolved.files
    assert projector.path == "mmproj-F16.gguf"
    assert (file.path, file.size, file.sha256) == ("m-Q4_K_M.gguf", len(CONTENT), SHA256)
    assert file.urls == (f"{hub.endpoint}/org/m-GGUF/resolve/{commit}/m-Q4_K_M.gguf",)
    assert (resolved.token, resolved.token_host) == ("hf_CANARY", hub.endpoint.removeprefix("http://"))
    assert "CANARY" not in repr(resolved)
    local = pull(resolved, ignore)
    assert Path(local.path).read_bytes() == CONTENT
    assert [model.path for model in HuggingFace().local()] == [local.path]


def test_shards_come_together(hub: SimulatedHub) -> None:
    hub.add_model("org/m", FILES)
    resolved = HuggingFace().resolve(build("hf://org/m:Q8_0"))
    assert [file.path for file in resolved.files] == [
        "m-Q8_0-00001-of-00002.gguf",
        "m-Q8_0-00002-of-00002.gguf",
        "mmproj-F16.gguf",
    ]
    assert resolved.entry == resolved.files[0].path


def test_a_commit_is_taken_as_it_is(hub: SimulatedHub) -> None:
    commit = hub.add_model("org/m", FILES)
    resolved = HuggingFace().resolve(build(f"hf://org/m@{commit}:Q4_K_M"))
    assert resolved.revision == commit and resolved.branch is None


@pytest.mark.parametrize(
    ("files", "ref", "found"),
    [
        ({"m-Q4_K_M.gguf": b"a", "m-Q8_0.gguf": b"b"}, "hf://org/m", "m-Q4_K_M.gguf"),
        ({"m-Q6_K.gguf": b"a"}, "hf://org/m", "m-Q6_K.gguf"),
    ],
)
def test_without_a_quantization(hub: SimulatedHub, files: dict[str, bytes], ref: str, found: str) -> None:
    hub.add_model("org/m", files)
    assert HuggingFace().resolve(build(ref)).entry == found


def test_a_missing_quantization_is_told_with_those_that_exist(hub: SimulatedHub) -> None:
    hub.add_model("org/m", FILES)
    with pytest.raises(PullError, match="Q2_K") as caught:
        HuggingFace().resolve(build("hf://org/m:Q2_K"))
    assert "It has: Q4_K_M, Q8_0, UD-Q4_K_XL." in str(caught.value)


def test_safetensors_come_with_their_data_and_without_code(hub: SimulatedHub) -> None:
    files = {
        "model.safetensors": b"w",
        "config.json": b"{}",
        "tokenizer.json": b"{}",
        "loader.py": b"",
        "m.bin": b"",
    }
    hub.add_model("org/m", files, in_git=("config.json",))
    resolved = HuggingFace().resolve(build("hf://org/m", kind="safetensors"))
    assert [file.path for file in resolved.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert resolved.files[0].git_sha1 and not resolved.files[0].sha256
    local = pull(resolved, ignore)
    assert sorted(path.name for path in Path(local.path).iterdir()) == [file.path for file in resolved.files]


def test_pickles_are_refused(hub: SimulatedHub) -> None:
    hub.add_model("org/m", {"pytorch_model.bin": b"pickle", "config.json": b"{}"})
    with pytest.raises(RefusedError, match="safe format"):
        HuggingFace().resolve(build("hf://org/m", kind="safetensors"))


@pytest.mark.parametrize(
    "name", ["../../m-Q4_K_M.gguf", "/etc/m-Q4_K_M.gguf", "C:\\m-Q4_K_M.gguf", "a/\x1b[2J/m-Q4_K_M.gguf"]
)
def test_a_hostile_name_is_refused(hub: SimulatedHub, name: str) -> None:
    hub.add_model("org/m", {"m-Q4_K_M.gguf": CONTENT}, names={"m-Q4_K_M.gguf": name})
    with pytest.raises(LaunchpadError):
        pull(HuggingFace().resolve(build("hf://org/m:Q4_K_M")), ignore)
    assert len(hub.requests) == 1


@pytest.mark.parametrize("digest", ["sha256:../../../tmp/pwn", "f" * 63, "F" * 64, "0x" + "f" * 62])
def test_a_hostile_digest_is_refused(hub: SimulatedHub, digest: str) -> None:
    hub.add_model("org/m", FILES, digests={"m-Q4_K_M.gguf": digest})
    with pytest.raises(RefusedError, match="digest"):
        pull(HuggingFace().resolve(build("hf://org/m:Q4_K_M")), ignore)


def test_a_pin_of_the_catalog_must_hold(hub: SimulatedHub) -> None:
    hub.add_model("org/m", FILES)
    good = ModelFile(path="m-Q4_K_M.gguf", size=len(CONTENT), sha256=SHA256)
    assert HuggingFace().resolve(build("hf://org/m:Q4_K_M", (good,))).files[0].sha256 == SHA256
    for wrong in (
        ModelFile(path="m-Q4_K_M.gguf", sha256="0" * 64),
        ModelFile(path="m-Q4_K_M.gguf", size=5),
        ModelFile(path="gone-Q4_K_M.gguf"),
    ):
        with pytest.raises(PullError, match="pins"):
            HuggingFace().resolve(build("hf://org/m:Q4_K_M", (wrong,)))


def test_another_commit_than_the_pinned_one_is_not_taken(hub: SimulatedHub) -> None:
    pinned = "a" * 40
    hub.add(
        "/api/models/org/m/revision/" + pinned,
        json.dumps({"id": "org/m", "sha": "b" * 40}).encode(),
        kind="application/json",
    )
    with pytest.raises(PullError, match="does not have the revision"):
        HuggingFace().resolve(build(f"hf://org/m@{pinned}:Q4_K_M"))


def test_a_gated_model_says_what_to_do(hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_model("org/m", FILES, gated=True)
    HuggingFace().resolve(build("hf://org/m:Q4_K_M"))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(PullError, match="gated") as caught:
        HuggingFace().resolve(build("hf://org/m:Q4_K_M"))
    assert f"Open {hub.endpoint}/org/m in a browser" in str(caught.value.hint)


def test_the_token_does_not_leave_with_a_redirect(hub: SimulatedHub) -> None:
    hub.add_model("org/m", FILES)
    with SimulatedHub() as other:
        other.add("/info", b"{}", kind="application/json")
        hub.misbehave("/revision/main", Fault(redirect=f"{other.endpoint}/info"))
        with pytest.raises(PullError):
            HuggingFace().resolve(build("hf://org/m:Q4_K_M"))
        assert "authorization" not in other.requests[0].headers
    assert hub.requests[0].headers["authorization"] == "Bearer hf_CANARY"


@pytest.mark.parametrize(
    "answer", [b"[]", b"null", b"{}", b'{"id": "x", "siblings": [{}]}', b'{"id": 1, "sha": 2}', b"[" * 9999]
)
def test_rubbish_is_an_error(hub: SimulatedHub, answer: bytes) -> None:
    hub.add("/api/models/org/m/revision/main", answer, kind="application/json")
    with pytest.raises(PullError):
        HuggingFace().resolve(build("hf://org/m:Q4_K_M"))


@pytest.mark.parametrize(
    "ref",
    [
        "hf://",
        "hf://org",
        "hf://org/m/n:Q",
        "hf://../m:Q",
        "hf://org/m:Q/x",
        "hf://о/m",
        "hf://org/m@../x",
        "x",
        "hf://../..",
    ],
)
def test_a_bad_reference_teaches(hub: SimulatedHub, ref: str) -> None:
    with pytest.raises(LaunchpadError) as caught:
        HuggingFace().resolve(build(ref))
    assert caught.value.hint
    if isinstance(caught.value, UsageError):
        assert not hub.requests


def test_reachable(hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HuggingFace().reachable(5).ok
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = HuggingFace().reachable(5)
    assert not answer.ok and answer.why == "HF_HUB_OFFLINE is set."
    asked = len(hub.requests)
    with pytest.raises(SourceUnreachable, match="OFFLINE"):
        HuggingFace().resolve(build("hf://org/m:Q4_K_M"))
    assert len(hub.requests) == asked

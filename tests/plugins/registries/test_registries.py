"""Registries: layers to files, digests that are none, and token servers that want what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.catalog.model import Build
from launchpad.errors import LaunchpadError, PullError, RefusedError, UsageError
from launchpad.events import ignore
from launchpad.plugins.registries.oci import OciRegistries
from launchpad.plugins.registries.ollama import OllamaRegistry
from launchpad.pull.store import pull
from launchpad.testing.hub import SimulatedHub
from launchpad.testing.registry import TOKEN, SimulatedRegistry

MODEL, PROJECTOR = b"GGUF" * 100, b"GGUF" * 10
RAW = "application/vnd.cncf.model.weight.v1.raw"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedRegistry]:
    with SimulatedRegistry() as running:
        monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", running.endpoint)
        yield running


def _build(ref: str) -> Build:
    return Build(ref=ref, format="gguf", quantization="unknown")


def test_a_tag_is_pulled_with_its_projector_and_without_its_template(registry: SimulatedRegistry) -> None:
    sha256 = registry.add_ollama(
        "gemma3:4b", {"model": MODEL, "projector": PROJECTOR, "template": b"{{ x }}", "params": b"{}"}
    )
    resolved = OllamaRegistry().resolve(_build("ollama://gemma3:4b"))
    assert resolved.revision == sha256
    local = pull(resolved, ignore)
    assert Path(local.path).name == "gemma3-4b.gguf" and Path(local.path).read_bytes() == MODEL
    assert local.projector and Path(local.projector).read_bytes() == PROJECTOR
    assert len([seen for seen in registry.requests if "/blobs/" in seen.path]) == 2
    assert [model.ref for model in OllamaRegistry().local()] == ["ollama://gemma3:4b"]


def test_users_names_and_the_latest_tag(registry: SimulatedRegistry) -> None:
    registry.add_ollama("user/m:latest", {"model": MODEL})
    assert OllamaRegistry().resolve(_build("ollama://user/m")).ref == "ollama://user/m:latest"
    (build,) = OllamaRegistry().builds("ollama://user/m")
    assert (build.ref, build.size) == ("ollama://user/m:latest", len(MODEL))


@pytest.mark.parametrize("ref", ["ollama://gpt-oss:120b-cloud", "ollama://user/glm:cloud"])
def test_names_of_ollamas_cloud_are_refused_before_anybody_is_asked(
    registry: SimulatedRegistry, ref: str
) -> None:
    with pytest.raises(RefusedError, match="cloud"):
        OllamaRegistry().resolve(_build(ref))
    assert registry.requests == []


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:../../../tmp/pwn",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63 + "\x00",
        "sha256:" + "\uff11" * 64,
        "md5:" + "a" * 32,
    ],
)
def test_a_digest_is_32_bytes_or_refused(registry: SimulatedRegistry, tmp_path: Path, digest: str) -> None:
    registry.add_ollama("m:8b", {"model": MODEL}, digests={"model": digest})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RefusedError):
        pull(OllamaRegistry().resolve(_build("ollama://m:8b")), ignore)
    assert sorted(tmp_path.rglob("*")) == before
    assert not [seen for seen in registry.requests if "/blobs/" in seen.path]


def test_a_model_in_another_form_is_told(registry: SimulatedRegistry) -> None:
    registry.add_ollama("m:mlx", {"tensor": b"x"})
    with pytest.raises(PullError, match="not one GGUF model") as caught:
        OllamaRegistry().resolve(_build("ollama://m:mlx"))
    assert "vnd.ollama.image.tensor" in (caught.value.why or "")


def test_anybodys_token_is_fetched_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with SimulatedRegistry(tokens=True) as registry:
        monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", registry.endpoint)
        registry.add_ollama("m:8b", {"model": MODEL})
        pull(OllamaRegistry().resolve(_build("ollama://m:8b")), ignore)
        blobs = [seen for seen in registry.requests if "/blobs/" in seen.path]
        assert all(seen.headers["authorization"] == f"Bearer {TOKEN}" for seen in blobs) and blobs
        (asked,) = registry.gets("/token")
        assert "authorization" not in asked.headers


def test_a_foreign_token_server_learns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CANARY")
    with SimulatedHub() as foreign:
        foreign.add("/steal", b'{"token": "theirs"}', kind="application/json")
        with SimulatedRegistry(tokens=True, realm=f"{foreign.endpoint}/steal") as registry:
            monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", registry.endpoint)
            registry.add_ollama("m:8b", {"model": MODEL})
            OllamaRegistry().resolve(_build("ollama://m:8b"))
        assert foreign.requests
        assert not any("CANARY" in str(seen) or "authorization" in seen.headers for seen in foreign.requests)


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "http://169.254.169.254/token", "gopher://x/"])
def test_a_token_server_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, realm: str) -> None:
    with SimulatedRegistry(tokens=True, realm=realm) as registry:
        monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", registry.endpoint)
        registry.add_ollama("m:8b", {"model": MODEL})
        with pytest.raises(RefusedError):
            OllamaRegistry().resolve(_build("ollama://m:8b"))


def test_a_closed_repository_is_told(registry: SimulatedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launchpad.testing.registry.TOKEN", "")
    with SimulatedRegistry(tokens=True) as closed:
        monkeypatch.setenv("LAUNCHPAD_REGISTRIES_OLLAMA", closed.endpoint)
        closed.add_ollama("m:8b", {"model": MODEL})
        with pytest.raises(PullError, match="not open to everybody"):
            OllamaRegistry().resolve(_build("ollama://m:8b"))


@pytest.mark.parametrize(
    "ref", ["ollama://", "ollama://../x", "ollama://a--b", "ollama://m:8b/../x", "ollama://m@1"]
)
def test_other_names_are_no_references(ref: str) -> None:
    with pytest.raises(UsageError):
        OllamaRegistry().resolve(_build(ref))


@pytest.mark.parametrize("media_type", ["application/vnd.docker.ai.gguf.v3", RAW, "application/octet-stream"])
def test_oci_artifacts_with_a_gguf_layer(registry: SimulatedRegistry, media_type: str) -> None:
    sha256 = registry.add_artifact("org/m", "q4", {"m-Q4_K_M.gguf": MODEL}, media_type=media_type)
    by_tag = OciRegistries().resolve(_build(f"oci://{registry.host}/org/m:q4"))
    by_digest = OciRegistries().resolve(_build(f"oci://{registry.host}/org/m@sha256:{sha256}"))
    assert by_tag.ref == by_digest.ref == f"oci://{registry.host}/org/m@sha256:{sha256}"
    local = pull(by_tag, ignore)
    assert Path(local.path).name == "m-Q4_K_M.gguf" and Path(local.path).read_bytes() == MODEL


def test_an_oci_title_is_judged_like_any_name(registry: SimulatedRegistry) -> None:
    registry.add_artifact("org/m", "q4", {"../../m.gguf": MODEL}, media_type=RAW)
    with pytest.raises(RefusedError):
        OciRegistries().resolve(_build(f"oci://{registry.host}/org/m:q4"))


def test_archives_in_oci_images_are_left_alone(registry: SimulatedRegistry) -> None:
    tar = "application/vnd.oci.image.layer.v1.tar+gzip"
    registry.add_artifact("org/m", "q4", {"m.tar.gz": b"x"}, media_type=tar)
    with pytest.raises(PullError, match="not one GGUF model"):
        OciRegistries().resolve(_build(f"oci://{registry.host}/org/m:q4"))


def test_another_manifest_under_a_digest_is_refused(registry: SimulatedRegistry) -> None:
    registry.add_artifact("org/m", "q4", {"m.gguf": MODEL}, media_type=RAW)
    asked = "b" * 64
    registry.add(f"/v2/org/m/manifests/sha256:{asked}", b'{"layers": []}')
    with pytest.raises(PullError, match="not the one that was asked for"):
        OciRegistries().resolve(_build(f"oci://{registry.host}/org/m@sha256:{asked}"))


@pytest.mark.parametrize(
    "body", [b"<html>", b"[" * 100_000, b'{"layers": 7}', b"\xff\xfe", b"x" * (17 << 20)]
)
def test_manifests_that_are_none(registry: SimulatedRegistry, body: bytes) -> None:
    registry.add("/v2/library/m/manifests/8b", body)
    with pytest.raises(LaunchpadError) as caught:
        OllamaRegistry().resolve(_build("ollama://m:8b"))
    assert caught.value.exit_code == 4

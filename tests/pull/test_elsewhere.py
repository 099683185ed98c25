"""Other programs' stores: found in their real layouts, read only, and never fatal."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from launchpad.catalog.model import LocalModel
from launchpad.events import ignore
from launchpad.pull import checking
from launchpad.pull.elsewhere import models_elsewhere

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the places are those of Linux")


def put(path: Path, content: bytes = b"GGUF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def ollama(home: Path, name: str, layers: dict[str, bytes], host: str = "registry.ollama.ai") -> None:
    """A model as `ollama pull` leaves it."""
    store = home / ".ollama" / "models"
    place, _, tag = name.partition(":")
    listed = []
    for kind, content in layers.items():
        digest = hashlib.sha256(content).hexdigest()
        put(store / "blobs" / f"sha256-{digest}", content)
        media = f"application/vnd.ollama.image.{kind}"
        listed.append({"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)})
    config = next((layer for layer in listed if layer["mediaType"].endswith(".config")), None)
    manifest = {"schemaVersion": 2, "config": config, "layers": [x for x in listed if x is not config]}
    put(store / "manifests" / host / place / tag, json.dumps(manifest).encode())


def by_owner() -> dict[str, list[LocalModel]]:
    found: dict[str, list[LocalModel]] = {}
    for model in models_elsewhere():
        found.setdefault(model.owner, []).append(model)
    return found


def test_every_program_has_its_place(private_home: Path) -> None:
    share = private_home / ".local" / "share"
    put(private_home / ".lmstudio" / "models" / "org" / "m-GGUF" / "m-Q4_K_M.gguf")
    put(private_home / ".cache" / "llama.cpp" / "org_m-GGUF_m-Q8_0.gguf")
    put(share / "Jan" / "data" / "llamacpp" / "models" / "org" / "m-Q6_K" / "model.gguf")
    put(share / "nomic.ai" / "GPT4All" / "m.Q4_0.gguf")
    put(
        share
        / "ramalama"
        / "store"
        / "huggingface"
        / "org"
        / "m"
        / "snapshots"
        / "sha256-1"
        / "m-Q5_K_M.gguf"
    )
    ollama(private_home, "library/m:8b-q4_K_M", {"model": b"GGUF1"})
    found = by_owner()
    assert {owner: [x.quantization for x in models] for owner, models in found.items()} == {
        "lm-studio": ["Q4_K_M"],
        "llama.cpp": ["Q8_0"],
        "jan": ["Q6_K"],
        "gpt4all": ["Q4_0"],
        "ramalama": ["Q5_K_M"],
        "ollama": ["Q4_K_M"],
    }


def test_variables_move_the_places(
    private_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / "llama"))
    monkeypatch.setenv("OLLAMA_MODELS", str(private_home / ".ollama" / "models"))
    put(tmp_path / "llama" / "m-Q8_0.gguf")
    ollama(private_home, "user/m:latest", {"model": b"GGUF1"})
    assert [model.ref for model in by_owner()["ollama"]] == ["ollama://user/m:latest"]
    assert [Path(model.path).parent for model in by_owner()["llama.cpp"]] == [tmp_path / "llama"]


@pytest.mark.parametrize(
    ("config", "quantization"),
    [
        ({"file_type": "Q4_K_M"}, "Q4_K_M"),
        ({"file_type": "unknown"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_tag_that_names_no_quantization_has_it_in_its_config(
    private_home: Path, config: object, quantization: str | None
) -> None:
    layers = {"model": b"GGUF1"} | ({} if config is None else {"config": json.dumps(config).encode()})
    ollama(private_home, "library/m:latest", layers)
    (model,) = models_elsewhere()
    assert model.quantization == quantization


def test_ollamas_blobs_are_named_by_their_hash_and_seen_through_their_projector(private_home: Path) -> None:
    ollama(private_home, "library/gemma3:4b", {"model": b"GGUF1", "projector": b"GGUF2", "template": b"x"})
    (model,) = models_elsewhere()
    assert (model.ref, model.owner, model.size) == ("ollama://gemma3:4b", "ollama", 5)
    assert model.sha256 == hashlib.sha256(b"GGUF1").hexdigest()
    assert Path(model.path).read_bytes() == b"GGUF1"
    assert model.projector and Path(model.projector).read_bytes() == b"GGUF2"


def test_a_projector_beside_a_model_goes_with_it(private_home: Path) -> None:
    folder = private_home / ".lmstudio" / "models" / "org" / "m"
    put(folder / "m-Q4_K_M.gguf")
    put(folder / "mmproj-m-f16.gguf")
    (model,) = models_elsewhere()
    assert model.projector == str(folder / "mmproj-m-f16.gguf")


def test_shards_are_one_model(private_home: Path) -> None:
    folder = private_home / ".lmstudio" / "models" / "org" / "m"
    put(folder / "m-Q8_0-00001-of-00002.gguf", b"GGUF1")
    put(folder / "m-Q8_0-00002-of-00002.gguf", b"GG")
    put(folder / "n-Q8_0-00001-of-00002.gguf", b"GGUF1")
    (model,) = models_elsewhere()
    assert model.size == 7


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\x00\xff",
        b"[" * 100_000,
        b'{"layers": 7}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../x", "size": 1}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:'
        + b"a" * 64
        + b'", "size": 1}]}',
    ],
)
def test_a_damaged_manifest_names_nothing(private_home: Path, manifest: bytes) -> None:
    put(private_home / ".ollama/models/manifests/registry.ollama.ai/library/m/8b", manifest)
    ollama(private_home, "library/good:1b", {"model": b"GGUF1"})
    assert [model.ref for model in models_elsewhere()] == ["ollama://good:1b"]


def test_a_truncated_blob_is_not_counted_as_here(private_home: Path) -> None:
    ollama(private_home, "library/m:8b", {"model": b"GGUF1"})
    blob = next((private_home / ".ollama" / "models" / "blobs").iterdir())
    blob.write_bytes(b"GGU")
    assert models_elsewhere() == []


def test_names_that_are_no_text_and_loops_are_survived(private_home: Path) -> None:
    folder = private_home / ".lmstudio" / "models" / "org"
    put(folder / "m\x1b[2J-Q8_0.gguf")
    (Path(os.fsdecode(bytes(folder) + b"/\xff-Q8_0.gguf"))).write_bytes(b"GGUF")
    (folder / "loop").symlink_to(folder)
    (folder / "gone-Q8_0.gguf").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.txt")
    put(folder / "good-Q8_0.gguf")
    assert [Path(model.path).name for model in models_elsewhere()] == ["good-Q8_0.gguf"]


def test_checking_writes_nothing_there_and_remembers_here(private_home: Path) -> None:
    store = private_home / ".lmstudio"
    path = put(store / "models" / "org" / "m" / "m-Q8_0.gguf")
    (model,) = models_elsewhere()

    def state() -> list[tuple[str, int]]:
        return sorted((str(x), x.lstat().st_mtime_ns) for x in store.rglob("*"))

    before = state()
    assert [check.ok for check in checking.verify(model, ignore)] == [None]
    (known,) = models_elsewhere()
    assert known.sha256 == hashlib.sha256(b"GGUF").hexdigest()
    assert [check.ok for check in checking.verify(known, ignore)] == [True]
    assert state() == before
    path.write_bytes(b"GGUF, another")  # its owner's right
    assert [check.ok for check in checking.verify(known, ignore)] == [None]


def test_a_silent_flip_is_found(private_home: Path) -> None:
    path = put(private_home / ".lmstudio" / "models" / "org" / "m" / "m-Q8_0.gguf")
    (model,) = models_elsewhere()
    checking.verify(model, ignore)
    info = path.stat()
    path.write_bytes(b"GGUG")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    (check,) = checking.verify(model, ignore)
    assert check.ok is False


def test_the_hash_in_ollamas_name_is_a_promise(private_home: Path) -> None:
    ollama(private_home, "library/m:8b", {"model": b"GGUF1"})
    (model,) = models_elsewhere()
    assert [check.ok for check in checking.verify(model, ignore)] == [True]
    Path(model.path).write_bytes(b"GGUF2")
    (check,) = checking.verify(model, ignore)
    assert check.ok is False and "digest" in (check.why or "")

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest

from capabilities import WRITE_ANYWHERE, without
from launchpad.catalog.model import Build
from launchpad.errors import PullError, RefusedError
from launchpad.events import Event, PullStarted, ignore
from launchpad.paths import hub_cache
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull import layout, store
from launchpad.pull.options import PullOptions
from launchpad.pull.store import find_local, pull
from launchpad.testing.hub import SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]


def test_what_is_here_is_not_fetched_again(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    first = pull(resolved(), ignore, options=fast)
    events: list[Event] = []
    assert pull(resolved(), events.append, options=fast) == first
    assert not events and len(hub.gets(FILE)) == 1


def test_huggingface_hub_reads_our_cache(resolved: Resolve, fast: PullOptions) -> None:
    local = pull(resolved(branch="main"), ignore, options=fast)
    info = huggingface_hub.scan_cache_dir(hub_cache())
    assert not info.warnings
    (repo,) = info.repos
    (revision,) = repo.revisions
    assert (repo.repo_id, repo.size_on_disk) == ("org/tiny-GGUF", local.size)
    assert (revision.commit_hash, set(revision.refs)) == (resolved().revision, {"main"})
    found = huggingface_hub.try_to_load_from_cache("org/tiny-GGUF", FILE, cache_dir=hub_cache())
    assert found == local.path


def by_another_program(resolved: Resolved, content: bytes) -> Path:
    """Put the file into the cache as huggingface_hub does."""
    repo, file = layout.Repo.of(resolved), resolved.files[0]
    repo.prepare()
    repo.blob(str(file.sha256)).write_bytes(content)
    return repo.place(file.path, str(file.sha256))


def test_a_file_of_the_hubs_own_is_checked_and_used(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    by_another_program(resolved(), content)
    assert find_local(resolved()) is not None
    events: list[Event] = []
    local = pull(resolved(), events.append, options=fast)
    assert local.owner == "huggingface"
    assert "Checking 1,000,000 bytes" in str(events)
    assert not hub.gets(FILE)


def test_a_wrong_file_of_the_hubs_own_is_replaced(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    by_another_program(resolved(), bytes(len(content)))
    local = pull(resolved(), ignore, options=fast)
    assert Path(local.path).read_bytes() == content and local.owner == "launchpad"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_read_only_cache_is_used(resolved: Resolve, fast: PullOptions, content: bytes) -> None:
    by_another_program(resolved(), content)
    with read_only(hub_cache()):
        assert pull(resolved(), ignore, options=fast).size == len(content)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_into_a_read_only_cache_nothing_is_pulled(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions
) -> None:
    hub_cache().mkdir()
    with read_only(hub_cache()), pytest.raises(PullError, match="cannot be used") as caught:
        pull(resolved(), ignore, options=fast)
    assert "Permission denied" in (caught.value.why or "") and "HF_HUB_CACHE" in (caught.value.hint or "")
    assert not hub.gets(FILE)


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Nobody may write there, root included."""
    folders = (root, *(path for path in root.rglob("*") if path.is_dir()))
    for folder in folders:
        folder.chmod(0o555)
    with without(*WRITE_ANYWHERE):
        yield
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.parametrize("damage", ["flip", "truncate", "zero", "gone"])
def test_a_blob_that_was_damaged_is_found_out_and_repaired(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, content: bytes, damage: str
) -> None:
    blob = Path(pull(resolved(), ignore, options=fast).path).resolve()
    os.utime(blob, ns=(0, 0))
    pull(resolved(), ignore, options=fast)  # renews the stamp: any later write has another time
    if damage == "gone":
        blob.unlink()
    else:
        blob.write_bytes(
            {"flip": b"X" + content[1:], "truncate": content[:9], "zero": bytes(len(content))}[damage]
        )
    assert find_local(resolved()) is None
    assert find_local("hf://org/tiny-GGUF:Q4_K_M") is None
    assert Path(pull(resolved(), ignore, options=fast).path).read_bytes() == content
    assert len(hub.gets(FILE)) == 2


def test_a_touched_file_is_hashed_and_kept(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    local = pull(resolved(), ignore, options=fast)
    os.utime(local.path, ns=(0, 0))
    assert find_local(resolved()) == local
    assert pull(resolved(), ignore, options=fast) == local
    assert len(hub.gets(FILE)) == 1


def test_deep_hashes_again(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    pull(resolved(), ignore, options=fast)
    events: list[Event] = []
    pull(resolved(), events.append, options=PullOptions(deep=True))
    assert "Checking" in str(events) and len(hub.gets(FILE)) == 1


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        ("hf://org/tiny-GGUF:Q4_K_M", True),
        ("hf://org/tiny-gguf@main:q4_k_m", True),
        ("hf://org/tiny-GGUF", True),
        ("hf://org/tiny-GGUF:Q8_0", False),
        ("hf://org/tiny-GGUF@" + "0" * 40 + ":Q4_K_M", False),
        ("hf://org/other:Q4_K_M", False),
        ("pypi://org/tiny-GGUF", False),
    ],
)
def test_finding_by_reference(resolved: Resolve, fast: PullOptions, ref: str, found: bool) -> None:
    local = pull(resolved(), ignore, options=fast)
    assert find_local(ref) == (local if found else None)


@pytest.mark.parametrize("whole", [True, False])
def test_another_launcher_clears_away_what_we_work_on_where_locks_lie(
    resolved: Resolve, fast: PullOptions, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    publish = store.publish

    def late(partial: Path, final: Path) -> None:
        if whole:
            partial.rename(final)
        else:
            partial.unlink()
        publish(partial, final)

    monkeypatch.setattr(store, "publish", late)
    if not whole:
        with pytest.raises(PullError, match="cannot be used"):
            pull(resolved(), ignore, options=fast)
        return
    assert pull(resolved(), ignore, options=fast).sha256 == resolved().files[0].sha256


def test_several_files_become_one_model(hub: SimulatedHub, fast: PullOptions) -> None:
    names = [f"big-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    parts = {name: name.encode() * 1000 for name in names}
    commit = hub.add_model("org/big", parts)
    files = tuple(
        RemoteFile(
            path=name,
            urls=(f"{hub.endpoint}/org/big/resolve/{commit}/{name}",),
            size=len(part),
            sha256=hashlib.sha256(part).hexdigest(),
        )
        for name, part in parts.items()
    )
    whole = Resolved(
        ref=f"hf://org/big@{commit}:Q8_0",
        folder="models--org--big",
        revision=commit,
        files=files,
        entry=names[0],
        build=Build(ref="hf://org/big:Q8_0", format="gguf", quantization="Q8_0"),
    )
    events: list[Event] = []
    local = pull(whole, events.append, options=fast)
    assert local.size == sum(map(len, parts.values())) and local.sha256 is None
    assert {path.name for path in Path(local.path).parent.iterdir()} == set(names)
    assert [type(event) for event in events].count(PullStarted) == 1
    assert find_local(whole.ref) == local


@pytest.mark.skipif(shutil.which("git") is None, reason="git itself is the judge here")
def test_small_files_are_checked_by_their_git_id(hub: SimulatedHub, fast: PullOptions) -> None:
    config = b'{"a": 1}'
    commit = hub.add_model("org/st", {"config.json": config})
    git = subprocess.run(["git", "hash-object", "--stdin"], input=config, capture_output=True, check=True)
    file = RemoteFile(
        path="config.json",
        urls=(f"{hub.endpoint}/org/st/resolve/{commit}/config.json",),
        size=len(config),
        git_sha1=git.stdout.decode().strip(),
    )
    whole = Resolved(
        ref=f"hf://org/st@{commit}",
        folder="models--org--st",
        revision=commit,
        files=(file,),
        entry=".",
        build=Build(ref="hf://org/st", format="safetensors", quantization="BF16"),
    )
    local = pull(whole, ignore, options=fast)
    assert json.loads((Path(local.path) / "config.json").read_bytes()) == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../x.gguf"},
        {"path": "loader.py"},
        {"path": "model.bin"},
        {"sha256": "sha256:../../../tmp/pwn"},
        {"sha256": None},
        {"size": -1},
        {"folder": "../models--org--x"},
        {"folder": ".."},
        {"revision": "a/../.."},
        {"entry": "../../x"},
        {"branch": "../x"},
        {"urls": ("file:///etc/passwd",)},
        {"urls": ("http://169.254.169.254/x",)},
    ],
    ids=str,
)
def test_hostile_facts_are_refused_before_anything_is_written(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions, tmp_path: Path, change: dict[str, object]
) -> None:
    before = sorted(tmp_path.rglob("*.gguf"))
    with pytest.raises(RefusedError):
        pull(resolved(**{"entry": "x.gguf", **change}), ignore, options=fast)
    assert sorted(tmp_path.rglob("*.gguf")) == before
    assert not hub.requests


def test_a_local_file_needs_no_pull(resolved: Resolve, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"GGUF")
    whole = resolved(files=(), entry=str(path), ref=f"file://{path}")
    local = pull(whole, ignore)
    assert (local.path, local.size, local.owner) == (str(path), 4, "user")
    assert find_local(whole) == local
    path.unlink()
    assert find_local(whole) is None
    with pytest.raises(PullError, match="not on this machine"):
        pull(whole, ignore)


@pytest.mark.parametrize("kind", ["second name", "the file itself"])
def test_a_system_without_links(
    hub: SimulatedHub,
    resolved: Resolve,
    fast: PullOptions,
    content: bytes,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("links are not to be had")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    if kind == "the file itself":
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    local = pull(resolved(), ignore, options=fast)
    assert Path(local.path).read_bytes() == content and not Path(local.path).is_symlink()
    assert local.owner == "launchpad"
    assert pull(resolved(), ignore, options=fast) == local
    assert find_local(local.ref) == local
    assert len(hub.gets(FILE)) == 1

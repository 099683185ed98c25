"""What gc finds, what it removes, and what it never touches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from launchpad.events import ignore
from launchpad.paths import cache_dir, hub_cache, state_dir, store_dir
from launchpad.plugins.spec import Resolved
from launchpad.pull import inventory
from launchpad.pull.garbage import Garbage, collect, find_garbage
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]


def _ours(found: list[Garbage]) -> list[tuple[str, int]]:
    return [(item.kind, item.size) for item in found if item.ours]


def _put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_an_unfinished_pull_is_found_and_removed(
    hub: SimulatedHub, resolved: Resolve, fast: PullOptions
) -> None:
    hub.misbehave(FILE, Fault(cut_after=70_000), Fault(status=404))
    with pytest.raises(Exception, match="404"):
        pull(resolved(), ignore, options=fast)
    found = find_garbage()
    assert [kind for kind, _ in _ours(found)] and sum(size for _, size in _ours(found)) >= 70_000
    assert {item.kind for item in found} == {"partial"} and {item.owner for item in found} == {"launchpad"}
    assert collect(found) == found
    assert find_garbage() == [] and not any(hub_cache().glob("models--*"))


def test_a_pull_in_work_is_left_alone(resolved: Resolve) -> None:
    repo, key = Repo.of(resolved()), str(resolved().files[0].sha256)
    repo.prepare()
    partial, first_shard = _put(repo.partial(key)), _put(repo.blob("a" * 64))
    from launchpad.pull import stamps

    stamps.write(first_shard, key="a" * 64, fetched=True, ref="hf://org/tiny-GGUF")
    with filelock.FileLock(str(repo.lock(key))):
        assert collect(find_garbage()) == []
    assert partial.exists() and first_shard.exists()
    assert {item.kind for item in collect(find_garbage())} == {"partial", "blob"}


def test_a_model_that_is_used_is_no_garbage(resolved: Resolve, fast: PullOptions) -> None:
    model = pull(resolved(), ignore, options=fast)
    assert find_garbage() == []
    Path(model.path).unlink()
    found = find_garbage()
    assert [(item.kind, item.owner, item.size) for item in found] == [("blob", "launchpad", 1_000_000)]
    collect(found)
    assert inventory.list_local() == [] and not any((state_dir() / "verified").iterdir())


def test_what_the_hubs_tools_left_is_named_and_stays() -> None:
    repo = hub_cache() / "models--some--repo"
    files = [_put(repo / "blobs" / ("b" * 64)), _put(repo / "blobs" / f"{'c' * 64}.incomplete")]
    _put(hub_cache() / ".locks" / "models--some--repo" / f"{'b' * 64}.lock")
    found = find_garbage()
    assert [(item.owner, item.ours) for item in found] == [("huggingface", False)] * 2
    assert all("hf cache" in item.why for item in found)
    assert collect(found) == [] and all(path.exists() for path in files)
    assert any((hub_cache() / ".locks").rglob("*.lock"))


def test_other_programs_leftovers_are_named_and_stay(private_home: Path) -> None:
    blobs = private_home / ".ollama" / "models" / "blobs"
    files = {
        "ollama": _put(blobs / f"sha256-{'d' * 64}-partial-0"),
        "lm-studio": _put(private_home / ".lmstudio" / "models" / "org" / "m" / "m.gguf.part"),
        "llama.cpp": _put(private_home / ".cache" / "llama.cpp" / "m.gguf.downloadInProgress"),
    }
    found = find_garbage()
    assert {item.owner: item.path for item in found} == {owner: str(path) for owner, path in files.items()}
    assert collect(found) == [] and all(path.exists() for path in files.values())


def test_stale_locks_and_stamps_go_and_held_locks_stay() -> None:
    locks = store_dir() / ".locks" / "models--pypi--m"
    stale, held = _put(locks / "a.lock", b""), _put(locks / "b.lock", b"")
    stamp = _put(state_dir() / "verified" / "x.json", b"{broken")
    with filelock.FileLock(str(held)):
        gone = collect(find_garbage())
        assert {item.path for item in gone} == {str(stale), str(stamp)}
    assert held.exists()


def test_an_unfinished_installation_goes_unless_somebody_works_on_it() -> None:
    folder = cache_dir() / "archives"
    stale, worked_on = _put(folder / ("a" * 64)), _put(folder / ("b" * 64))
    journal = _put(folder / f"{'a' * 64}.journal")
    with filelock.FileLock(str(folder / f"{'b' * 64}.lock")):
        gone = collect(find_garbage())
        assert {item.path for item in gone} == {str(stale), str(journal)}
    assert worked_on.exists()


@pytest.mark.skipif(os.name != "posix", reason="links to delete")
def test_a_planted_link_costs_its_target_nothing(tmp_path: Path, resolved: Resolve) -> None:
    canary = _put(tmp_path / "canary", b"alive")
    repo = Repo.of(resolved())
    repo.prepare()
    repo.partial("a" * 64).symlink_to(canary)
    collect(find_garbage())
    assert canary.read_bytes() == b"alive" and not os.path.lexists(repo.partial("a" * 64))


def test_looking_changes_nothing(private_home: Path, resolved: Resolve, fast: PullOptions) -> None:
    model = pull(resolved(), ignore, options=fast)
    Path(model.path).unlink()
    _put(private_home / ".ollama" / "models" / "blobs" / f"sha256-{'d' * 64}-partial-0")

    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.lstat().st_mtime_ns) for path in private_home.rglob("*"))

    before = state()
    assert find_garbage()
    assert state() == before

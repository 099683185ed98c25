from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from launchpad.errors import RefusedError
from launchpad.events import Event, ignore
from launchpad.paths import hub_cache, state_dir, store_dir
from launchpad.plugins.spec import Resolved
from launchpad.pull import checking, inventory
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull

FILE = "tiny-Q4_K_M.gguf"
COMMIT = "c" * 40
Resolve = Callable[..., Resolved]


def strangers(path: str, root: Path | None = None, repo: str = "models--some--repo", size: int = 10) -> Path:
    """A snapshot file that launchpad did not fetch."""
    file = (root or hub_cache()) / repo / "snapshots" / COMMIT / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


def test_nothing_is_listed_without_a_store() -> None:
    assert inventory.list_local() == []


def test_strangers_files_are_listed_with_their_reference() -> None:
    path = strangers("dir/m-Q8_0.gguf")
    strangers("m-mmproj-F16.gguf")
    strangers("README.md")
    (model,) = inventory.list_local()
    assert (model.ref, model.owner, model.quantization) == (
        f"hf://some/repo@{COMMIT}:Q8_0",
        "huggingface",
        "Q8_0",
    )
    assert (model.path, model.size, model.format) == (str(path), 10, "gguf")


def test_shards_are_one_model_when_complete() -> None:
    for number in (1, 2):
        strangers(f"m-Q8_0-0000{number}-of-00002.gguf")
    strangers("m-Q4_0-00001-of-00002.gguf")
    (model,) = inventory.list_local()
    assert model.size == 20 and model.path.endswith("m-Q8_0-00001-of-00002.gguf")
    assert len(inventory.files_of(model)) == 2


def test_safetensors_are_listed_as_a_folder() -> None:
    strangers("config.json")
    strangers("model.safetensors")
    (model,) = inventory.list_local()
    assert (model.format, model.ref, model.size) == ("safetensors", f"hf://some/repo@{COMMIT}", 20)
    assert Path(model.path).is_dir()


def test_our_own_store_is_ours_even_when_the_stamps_are_lost() -> None:
    store_dir().mkdir(parents=True)
    file = store_dir() / "models--pypi--tiny" / "snapshots" / "1.0" / "tiny" / "m.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (model,) = inventory.list_local()
    assert (model.ref, model.owner) == ("pypi://tiny@1.0/tiny/m.gguf", "launchpad")


def test_broken_links_and_odd_folders_are_passed_over() -> None:
    link = strangers("m-Q8_0.gguf")
    link.unlink()
    link.symlink_to("../../blobs/gone")
    (hub_cache() / "models--x--y").write_text("")
    (hub_cache() / "models--x--z").mkdir()
    assert inventory.list_local() == []


def test_verify_says_what_is_damaged(resolved: Resolve, fast: PullOptions) -> None:
    model = pull(resolved(), ignore, options=fast)
    events: list[Event] = []
    assert [check.ok for check in checking.verify(model, events.append)] == [True]
    assert events
    with Path(model.path).open("r+b") as file:
        file.write(b"damage")
    (check,) = checking.verify(model, ignore)
    assert check.ok is False and "digest" in str(check.why) and check.path == model.path
    assert not checking.intact(model)


def test_verify_knows_when_it_knows_nothing() -> None:
    strangers("m-Q8_0.gguf")
    (model,) = inventory.list_local()
    (check,) = checking.verify(model, ignore)
    assert check.ok is None and checking.intact(model)
    assert [check.ok for check in checking.verify(model, ignore)] == [True]  # now it is known
    (again,) = inventory.list_local()
    assert (again.ref, again.owner) == (model.ref, model.owner)


def test_verify_takes_the_name_of_a_blob_as_its_digest(resolved: Resolve, fast: PullOptions) -> None:
    model = pull(resolved(), ignore, options=fast)
    for stamp in (state_dir() / "verified").iterdir():
        stamp.write_text("{broken")
    (model,) = inventory.list_local()
    assert model.owner == "huggingface" and model.sha256 == resolved().files[0].sha256
    assert checking.verify(model, ignore)[0].ok is True


def test_remove_leaves_nothing(resolved: Resolve, fast: PullOptions, content: bytes) -> None:
    model = pull(resolved(branch="main"), ignore, options=fast)
    assert inventory.remove(model) == len(content)
    assert not [path for path in hub_cache().rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert not Repo.of(resolved()).folder.exists()
    assert not list((state_dir() / "verified").iterdir())


def test_remove_keeps_what_another_snapshot_needs(
    resolved: Resolve, fast: PullOptions, content: bytes
) -> None:
    first = pull(resolved(branch="main"), ignore, options=fast)
    second = pull(resolved(revision=COMMIT, ref=f"hf://org/tiny-GGUF@{COMMIT}:Q4_K_M"), ignore, options=fast)
    assert inventory.remove(first) == 0
    assert Path(second.path).read_bytes() == content
    assert not (Repo.of(resolved()).folder / "refs").exists()
    assert inventory.remove(msgspec.structs.replace(second, owner="launchpad")) == len(content)


def test_remove_spares_the_files_of_others() -> None:
    path = strangers("m-Q8_0.gguf")
    (model,) = inventory.list_local()
    with pytest.raises(RefusedError, match="not fetched by launchpad"):
        inventory.remove(model)
    assert path.exists()
    assert inventory.remove(model, force=True) == 10
    assert not path.exists()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{hub}/models--a--b/../../../x.gguf", "{hub}/models--a--b/blobs/x"]
)
def test_remove_deletes_nothing_outside_the_stores(path: str) -> None:
    strangers("m-Q8_0.gguf")
    (model,) = inventory.list_local()
    outside = msgspec.structs.replace(model, path=path.format(hub=hub_cache()), owner="launchpad")
    with pytest.raises(RefusedError, match="in no store"):
        inventory.remove(outside, force=True)


def test_a_planted_link_costs_only_itself(tmp_path: Path) -> None:
    canary = tmp_path / "canary.gguf"
    canary.write_text("alive")
    link = strangers("m-Q8_0.gguf")
    link.unlink()
    link.symlink_to(canary)
    (model,) = inventory.list_local()
    inventory.remove(model, force=True)
    assert canary.read_text() == "alive" and not os.path.lexists(link)

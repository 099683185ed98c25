from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.errors import BusyError, DiskFull, PullError, RefusedError
from launchpad.events import ignore
from launchpad.paths import hub_cache
from launchpad.plugins.spec import Resolved
from launchpad.pull import disk, stamps
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import SimulatedHub

FILE = "tiny-Q4_K_M.gguf"
Resolve = Callable[..., Resolved]
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and links")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary"
    path.write_text("alive")
    return path


def places(resolved: Resolved) -> dict[str, Path]:
    repo, key = Repo.of(resolved), str(resolved.files[0].sha256)
    return {
        "partial": repo.partial(key),
        "lock": repo.lock(key),
        "blob": repo.blob(key),
        "link": repo.link(FILE),
    }


@posix
@pytest.mark.parametrize("name", ["partial", "lock"])
def test_a_planted_link_is_refused(resolved: Resolve, fast: PullOptions, canary: Path, name: str) -> None:
    planted = places(resolved())[name]
    planted.parent.mkdir(parents=True)
    planted.symlink_to(canary)
    with pytest.raises(RefusedError, match="will not touch"):
        pull(resolved(), ignore, options=fast)
    assert canary.read_text() == "alive"


@posix
@pytest.mark.parametrize("name", ["blob", "link"])
def test_a_planted_link_is_replaced_not_followed(
    resolved: Resolve, fast: PullOptions, canary: Path, name: str
) -> None:
    planted = places(resolved())[name]
    planted.parent.mkdir(parents=True)
    planted.symlink_to(canary)
    pull(resolved(), ignore, options=fast)
    assert canary.read_text() == "alive"


@posix
@pytest.mark.parametrize("name", ["stamp", "ref"])
def test_a_link_planted_for_a_draft_is_not_followed(
    resolved: Resolve, fast: PullOptions, canary: Path, name: str
) -> None:
    """What is written beside its place first: the record of a check, and the name of a branch."""
    if name == "ref":
        planted = Repo.of(resolved()).folder / "refs" / f".main.{os.getpid()}"
    else:
        planted = stamps._place(places(resolved())["blob"]).with_suffix(f".{os.getpid()}.tmp")
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.symlink_to(canary)
    assert pull(resolved(branch="main"), ignore, options=fast)
    assert canary.read_text() == "alive"


@posix
@pytest.mark.parametrize("part", ["", "blobs", "snapshots", ".partial", "refs"])
def test_a_planted_folder_is_refused(resolved: Resolve, fast: PullOptions, tmp_path: Path, part: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planted = Repo.of(resolved()).folder / part
    planted.parent.mkdir(parents=True)
    planted.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match="will not touch"):
        pull(resolved(branch="main"), ignore, options=fast)
    assert not list(elsewhere.iterdir())


@posix
def test_a_hard_link_is_refused(resolved: Resolve, fast: PullOptions, canary: Path) -> None:
    planted = places(resolved())["partial"]
    planted.parent.mkdir(parents=True)
    planted.hardlink_to(canary)
    with pytest.raises(RefusedError, match="second name"):
        pull(resolved(), ignore, options=fast)
    assert canary.read_text() == "alive"


@posix
def test_a_fifo_does_not_block(resolved: Resolve, fast: PullOptions) -> None:
    planted = places(resolved())["partial"]
    planted.parent.mkdir(parents=True)
    os.mkfifo(planted)
    with pytest.raises(RefusedError, match="not a plain file"):
        pull(resolved(), ignore, options=fast)


def test_a_folder_is_refused(resolved: Resolve, fast: PullOptions) -> None:
    places(resolved())["partial"].mkdir(parents=True)
    with pytest.raises(RefusedError, match="folder where a file"):
        pull(resolved(), ignore, options=fast)


@pytest.mark.parametrize("left", [b"x" * 2_000_000, b"garbage", b""], ids=["larger", "garbage", "empty"])
def test_rubbish_from_an_earlier_try_is_thrown_away(
    resolved: Resolve, fast: PullOptions, content: bytes, left: bytes
) -> None:
    partial = places(resolved())["partial"]
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    assert Path(pull(resolved(), ignore, options=fast).path).read_bytes() == content


@posix
def test_a_store_that_others_can_write_to_is_refused(resolved: Resolve, fast: PullOptions) -> None:
    hub_cache().mkdir()
    hub_cache().chmod(0o777)
    with pytest.raises(RefusedError, match="Every user"):
        pull(resolved(), ignore, options=fast)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_store_of_another_user_is_refused(resolved: Resolve, fast: PullOptions) -> None:
    hub_cache().mkdir()
    os.chown(hub_cache(), 12345, 12345)
    with pytest.raises(RefusedError, match="uid 12345"):
        pull(resolved(), ignore, options=fast)


@posix
def test_the_store_itself_may_be_a_link(resolved: Resolve, fast: PullOptions, tmp_path: Path) -> None:
    (tmp_path / "big-disk").mkdir()
    hub_cache().symlink_to(tmp_path / "big-disk")
    assert Path(pull(resolved(), ignore, options=fast).path).is_relative_to(tmp_path / "big-disk")


def test_a_file_in_the_place_of_the_store(resolved: Resolve, fast: PullOptions) -> None:
    hub_cache().write_text("")
    with pytest.raises(PullError, match="store cannot be used"):
        pull(resolved(), ignore, options=fast)


def test_too_little_space_is_told_before(hub: SimulatedHub, resolved: Resolve, fast: PullOptions) -> None:
    huge = 1 << 60
    with pytest.raises(DiskFull, match=r"[\d,]+ bytes are missing"):
        pull(resolved(size=huge), ignore, options=fast)
    assert not hub.gets(FILE)


@posix
def test_a_disk_that_fills_up_keeps_the_partial(hub: SimulatedHub, resolved: Resolve, content: bytes) -> None:
    # A limit on the size of files stands in for a full disk; it can only be set for a whole process.
    code = f"""
import msgspec, resource, signal, sys
from launchpad.errors import DiskFull
from launchpad.events import ignore
from launchpad.plugins.spec import Resolved
from launchpad.pull.store import pull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    pull(msgspec.json.decode({to_json(resolved())!r}, type=Resolved), ignore)
except DiskFull as error:
    sys.exit(str(error))
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "600,000 bytes are missing" in child.stderr
    assert "400,000 bytes of tiny-Q4_K_M.gguf were stored and are kept" in child.stderr
    assert places(resolved())["partial"].read_bytes() == content[:400_000]
    assert not places(resolved())["blob"].exists()
    pull(resolved(), ignore)
    assert [seen.range_start for seen in hub.gets(FILE)] == [0, 400_000]


def to_json(resolved: Resolved) -> bytes:
    import msgspec

    return msgspec.json.encode(resolved)


def test_a_lock_that_does_not_move_is_given_up(tmp_path: Path) -> None:
    options = PullOptions(lock_timeout=0.05, poll_seconds=0.01)
    told: list[str] = []

    def wait() -> None:
        told.append("waiting")

    with (
        disk.hold_lock(tmp_path / "x.lock", options, lambda: 0, "x", wait),
        pytest.raises(BusyError, match="Another launchpad"),
        disk.hold_lock(tmp_path / "x.lock", options, lambda: 0, "x", wait),
    ):
        pass
    assert told == ["waiting"]


def test_waiting_is_not_given_up_while_the_other_one_moves(tmp_path: Path) -> None:
    options = PullOptions(lock_timeout=0.02, poll_seconds=0.01)
    holding = disk.hold_lock(tmp_path / "x.lock", options, lambda: 0, "x", lambda: None)
    holding.__enter__()
    polls = iter(range(100))

    def waiting() -> int:
        if (poll := next(polls)) == 10:
            holding.__exit__(None, None, None)
        return poll

    with disk.hold_lock(tmp_path / "x.lock", options, waiting, "x", lambda: None):
        assert next(polls) >= 10

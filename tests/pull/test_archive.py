from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from launchpad.catalog.model import Build
from launchpad.errors import PullError, RefusedError, VerifyError
from launchpad.events import ignore
from launchpad.paths import store_dir
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.options import PullOptions
from launchpad.pull.store import pull
from launchpad.testing.hub import Fault, SimulatedHub

MEMBER = "tiny_model/tiny-Q4_1.gguf"
WHEEL = "tiny_model-1.0-py3-none-any.whl"
Resolve = Callable[..., Resolved]


@pytest.fixture
def wheel(hub: SimulatedHub, content: bytes) -> Resolve:
    archive = hub.add_wheel("tiny-model", "1.0", {MEMBER: content, "tiny_model/__init__.py": b"boom"})

    def build(**changes: object) -> Resolved:
        facts: dict[str, object] = {
            "path": MEMBER,
            "urls": (f"{hub.endpoint}/packages/{WHEEL}",),
            "member": MEMBER,
            "archive_size": len(archive),
            "archive_sha256": hashlib.sha256(archive).hexdigest(),
        }
        return Resolved(
            ref=f"pypi://tiny-model@1.0/{MEMBER}",
            folder="models--pypi--tiny-model",
            revision="1.0",
            files=(RemoteFile(**{**facts, **changes}),),  # type: ignore[arg-type]
            entry=MEMBER,
            build=Build(ref=f"pypi://tiny-model@1.0/{MEMBER}", format="gguf", quantization="Q4_1"),
        )

    return build


def kept() -> list[str]:
    return sorted(path.name for path in store_dir().rglob("*") if path.is_file() and path.suffix != ".lock")


@pytest.mark.parametrize("pinned", [False, True])
def test_the_member_alone_is_kept(wheel: Resolve, fast: PullOptions, content: bytes, pinned: bool) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    pins = {"size": len(content), "sha256": sha256} if pinned else {}
    local = pull(wheel(**pins), ignore, options=fast)
    assert Path(local.path).read_bytes() == content
    assert (local.sha256, local.size, local.owner) == (sha256, len(content), "launchpad")
    assert kept() == sorted([sha256, "tiny-Q4_1.gguf"])


def test_it_is_not_fetched_twice(hub: SimulatedHub, wheel: Resolve, fast: PullOptions) -> None:
    assert pull(wheel(), ignore, options=fast) == pull(wheel(), ignore, options=fast)
    assert len(hub.gets(WHEEL)) == 1


def test_a_cut_archive_is_resumed(
    hub: SimulatedHub, wheel: Resolve, fast: PullOptions, content: bytes
) -> None:
    hub.misbehave(WHEEL, Fault(cut_after=300_000))
    assert Path(pull(wheel(), ignore, options=fast).path).read_bytes() == content
    assert [seen.range_start for seen in hub.gets(WHEEL)] == [0, 300_000]


def test_a_wrong_archive_is_refused(hub: SimulatedHub, wheel: Resolve, fast: PullOptions) -> None:
    hub.misbehave(WHEEL, Fault(flip_at=1000, times=None))
    with pytest.raises(VerifyError, match="sha256 differs"):
        pull(wheel(), ignore, options=fast)


@pytest.mark.parametrize(
    "pins", [{"sha256": "0" * 64}, {"size": 999_999}, {"size": 10}], ids=["sha256", "size", "bomb"]
)
def test_a_member_that_is_not_the_pinned_one(
    wheel: Resolve, fast: PullOptions, pins: dict[str, object]
) -> None:
    with pytest.raises(VerifyError, match="catalog promises"):
        pull(wheel(**pins), ignore, options=fast)
    assert not [name for name in kept() if name.endswith(".gguf")]
    assert not list(store_dir().glob("*/blobs/*"))


def test_a_member_that_is_not_there(wheel: Resolve, fast: PullOptions) -> None:
    with pytest.raises(PullError, match=r"has no 'other\.gguf'"):
        pull(wheel(member="other.gguf"), ignore, options=fast)


def test_an_archive_without_a_hash_is_refused(wheel: Resolve, fast: PullOptions) -> None:
    with pytest.raises(RefusedError, match="cannot be verified"):
        pull(wheel(archive_sha256=None), ignore, options=fast)


def test_what_is_no_zip(hub: SimulatedHub, wheel: Resolve, fast: PullOptions) -> None:
    url = hub.add("/fake.whl", b"PK no zip")
    sha256 = hashlib.sha256(b"PK no zip").hexdigest()
    with pytest.raises(PullError, match="cannot be taken out"):
        pull(wheel(urls=(url,), archive_size=9, archive_sha256=sha256), ignore, options=fast)

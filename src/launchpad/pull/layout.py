"""Where the files of one repository lie: the layout of the Hugging Face cache, which other programs read too.

<root>/models--org--name/blobs/<digest>                  the bytes
                        /snapshots/<revision>/<path>     a link to them
                        /refs/<branch>                   the revision that a branch led to
                        /.partial/<digest>               unfinished, launchpad's own
<root>/.locks/models--org--name/<digest>.lock            shared with huggingface_hub
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from launchpad.paths import hub_cache, store_dir
from launchpad.plugins.spec import Resolved
from launchpad.pull import stamps
from launchpad.pull.disk import explained, make_folder, make_root, sync_folder
from launchpad.pull.names import check_component, check_kind, check_name

PARTIAL = ".partial"
NOTE = ".sha256"  # of what an address without a hash turned out to deliver


class Repo(Struct, frozen=True, kw_only=True):
    """The paths of one repository at one revision. Building one touches nothing on disk."""

    root: Path
    name: str
    revision: str

    @classmethod
    def of(cls, resolved: Resolved) -> Repo:
        """The place of a resolved build, after all names in it were judged. Raises `RefusedError`."""
        for file in resolved.files:
            check_kind(check_name(file.path))
        if resolved.entry != ".":
            check_name(resolved.entry)
        if resolved.branch is not None:
            check_name(resolved.branch)
        name, revision = check_component(resolved.folder), check_component(resolved.revision)
        return cls(root=root_of(resolved.ref), name=name, revision=revision)

    @property
    def folder(self) -> Path:
        """The repository's folder."""
        return self.root / self.name

    @property
    def snapshot(self) -> Path:
        """The folder of this revision."""
        return self.folder / "snapshots" / self.revision

    def blob(self, key: str) -> Path:
        """Where the bytes with this digest belong."""
        return self.folder / "blobs" / key

    def partial(self, key: str) -> Path:
        """Where those bytes grow."""
        return self.folder / PARTIAL / key

    def lock(self, key: str) -> Path:
        """What guards them."""
        return self.root / ".locks" / self.name / f"{key}.lock"

    def link(self, path: str) -> Path:
        """Where the file `path` of this revision is found."""
        return self.snapshot.joinpath(*path.split("/"))

    def prepare(self) -> None:
        """Create the folders. Raises `RefusedError` for one that is not safe, `PullError` for one that cannot be."""
        make_root(self.root)
        for part in ("blobs", "snapshots", PARTIAL):
            make_folder(self.root, self.name, part)
        make_folder(self.root, ".locks", self.name)

    def place(self, path: str, key: str) -> Path:
        """Make the blob appear as `path` in the snapshot: a link, or where links fail a second name, or the file."""
        blob, link = self.blob(key), self.link(path)
        stamp = stamps.last(blob)
        folder = make_folder(self.root, self.name, "snapshots", self.revision, *path.split("/")[:-1])
        if not blob.exists() or _same(blob, link):
            return link
        # Made where unfinished things lie, so that a kill leaves nothing in the snapshot that others read.
        temporary = make_folder(self.root, self.name, PARTIAL) / f"{key[:16]}.{os.getpid()}.link"
        with explained(link):
            temporary.unlink(missing_ok=True)
            try:
                temporary.symlink_to(os.path.relpath(blob, folder))
            except OSError:
                _second_name(blob, temporary)
            temporary.replace(link)
            sync_folder(folder)
        if not link.is_symlink() and stamp:
            stamps.write(link, key=key, fetched=stamp.fetched, ref=stamp.ref, quantization=stamp.quantization)
        return link

    def point(self, branch: str) -> None:
        """Remember that `branch` led to this revision, as other programs that read the cache expect."""
        *folders, name = branch.split("/")
        folder = make_folder(self.root, self.name, "refs", *folders)
        temporary = folder / f".{name}.{os.getpid()}"
        with explained(temporary):
            temporary.unlink(missing_ok=True)
            with temporary.open("x", encoding="ascii") as file:  # a planted link is not followed
                file.write(self.revision)
            temporary.replace(folder / name)


def root_of(ref: str) -> Path:
    """The store for a reference: the Hub's cache for `hf://`, launchpad's own for all others."""
    # The user may have linked the store elsewhere: resolved once, so that all paths in it read alike.
    return (hub_cache() if ref.startswith("hf://") else store_dir()).resolve()


def _same(blob: Path, link: Path) -> bool:
    with suppress(OSError):
        return blob.samefile(link)
    return False


def _second_name(blob: Path, link: Path) -> None:
    try:
        link.hardlink_to(blob)
    except OSError:
        blob.replace(link)

"""What the stores hold: listing, checking again, removing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from msgspec import Struct

from launchpad.catalog.model import Format, LocalModel
from launchpad.errors import RefusedError
from launchpad.events import Report, ignore
from launchpad.paths import hub_cache, store_dir
from launchpad.pull import journal, stamps
from launchpad.pull.disk import explained, hold_lock
from launchpad.pull.gguf_names import group_shards, is_model, projector_for, quantization_of
from launchpad.pull.layout import PARTIAL
from launchpad.pull.options import PullOptions
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress
from launchpad.pull.verify import hash_file

LAUNCHPAD = "launchpad"
HUGGINGFACE = "huggingface"


class Check(Struct, frozen=True, kw_only=True):
    """The result of hashing one file again. `ok` is None when no digest is known to compare with."""

    path: str
    ok: bool | None
    why: str | None = None


class Unfinished(Struct, frozen=True, kw_only=True):
    """A file of a pull that has not come to its end. Bytes."""

    path: str
    size: int


def list_local() -> list[LocalModel]:
    """Every complete GGUF or safetensors model in the Hub's cache and in launchpad's own store, sorted by reference."""
    roots = dict.fromkeys((hub_cache().resolve(), store_dir().resolve()))
    return sorted((model for root in roots for model in scan_store(root)), key=lambda model: model.ref)


def scan_store(root: Path) -> Iterator[LocalModel]:
    """The models under one root that has the layout of the Hugging Face cache."""
    for repo in _folders(root):
        if not repo.name.startswith("models--"):
            continue
        for snapshot in _folders(repo / "snapshots"):
            yield from _scan_snapshot(root, repo, snapshot)


def files_of(model: LocalModel) -> list[Path]:
    """The files that belong to a local model: itself, all its shards, or everything in its folder."""
    path = Path(model.path)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    siblings = [str(file) for file in path.parent.iterdir() if file.suffix.lower() == ".gguf"]
    group = group_shards(siblings).get(str(path), (str(path),))
    return [Path(name) for name in group]


def intact(model: LocalModel) -> bool:
    """Whether the files are as they were when they were last hashed; one that was touched since is hashed again."""
    for path in files_of(model):
        last = stamps.last(path)
        if last is None or stamps.read(path):
            continue
        if (
            not path.exists()
            or path.stat().st_size != last.size
            or not _check(path, Progress("", None, ignore)).ok
        ):
            return False
    return True


def verify(model: LocalModel, report: Report) -> list[Check]:
    """Hash every file of a local model again, and renew the stamps of those that are right."""
    progress = Progress(model.ref, model.size, report)
    checks = []
    for path in files_of(model):
        checks.append(_check(path, progress))
        progress.finish(path.stat().st_size if path.exists() else 0)
    return checks


def remove(model: LocalModel, *, force: bool = False) -> int:
    """Delete a local model and return the bytes that became free.

    Only what launchpad fetched is deleted, unless `force`; a file of the user's own never is. Raises `RefusedError`,
    and `BusyError` while another launchpad pulls it.
    """
    repo = _repo_of(model)
    if model.owner != LAUNCHPAD and not force:
        raise RefusedError(
            f"{model.ref} was not fetched by launchpad.",
            why=f"It belongs to {model.owner}: {model.path}.",
            hint="Remove it with the program that brought it (`hf cache rm`), or say --force.",
        )
    freed = sum(_remove_file(repo, path) for path in files_of(model))
    _tidy(repo)
    return freed


def list_unfinished() -> list[Unfinished]:
    """The partial files of pulls that have not come to their end."""
    found = []
    for root in (hub_cache().resolve(), store_dir().resolve()):
        for repo in _folders(root):
            for path in sorted((repo / PARTIAL).glob("*")) if (repo / PARTIAL).is_dir() else ():
                if path.suffix != journal.SUFFIX:
                    found.append(Unfinished(path=str(path), size=path.lstat().st_size))
    return found


def remove_unfinished() -> int:
    """Delete the partial files that no launchpad is working on; return the bytes that became free."""
    freed = 0
    for unfinished in list_unfinished():
        path = Path(unfinished.path)
        with _locked(path.parent.parent, path.name.partition(".")[0], path.name):
            with explained(path):
                path.unlink(missing_ok=True)
                journal.forget(path)
            freed += unfinished.size
    return freed


def owner_of(root: Path, links: list[Path]) -> str:
    """Whose files these are: launchpad's when it fetched them all; its own store holds nothing else."""
    if root == store_dir().resolve():
        return LAUNCHPAD
    last = [stamps.last(link) for link in links]
    return LAUNCHPAD if all(stamp and stamp.fetched for stamp in last) else HUGGINGFACE


# -- listing ----------------------------------------------------------------------------------------------------


def _scan_snapshot(root: Path, repo: Path, snapshot: Path) -> Iterator[LocalModel]:
    names = [file.relative_to(snapshot).as_posix() for file in snapshot.rglob("*") if file.is_file()]
    for entry, group in group_shards(name for name in names if is_model(name)).items():
        yield _local(root, repo, snapshot, entry, list(group), "gguf", projector_for(entry, names))
    weights = group_shards(name for name in names if name.endswith(".safetensors"))
    if weights and "config.json" in names:
        yield _local(root, repo, snapshot, ".", names, "safetensors")


def _local(
    root: Path,
    repo: Path,
    snapshot: Path,
    entry: str,
    names: list[str],
    kind: Format,
    projector: str | None = None,
) -> LocalModel:
    links = [snapshot / name for name in names]
    stamp = stamps.last(links[0])
    quantization = stamp.quantization if stamp else None
    if kind == "gguf":
        quantization = quantization or quantization_of(entry)
    return LocalModel(
        ref=stamp.ref if stamp else _reference(root, repo, snapshot, entry, quantization),
        path=str(snapshot if entry == "." else snapshot / entry),
        size=sum(link.stat().st_size for link in links),
        format=kind,
        owner=owner_of(root, links),
        quantization=quantization,
        sha256=_known_sha256(links[0]) if len(links) == 1 else None,
        projector=str(snapshot / projector) if projector else None,
    )


def _reference(root: Path, repo: Path, snapshot: Path, entry: str, quantization: str | None) -> str:
    """The reference that the folders' names state, for a file without a stamp."""
    name = repo.name.removeprefix("models--")
    if root == hub_cache().resolve():
        detail = f":{quantization}" if quantization and entry != "." else ""
        return f"hf://{name.replace('--', '/', 1)}@{snapshot.name}{detail}"
    scheme, _, rest = name.partition("--")
    return f"{scheme}://{rest.replace('--', '/')}@{snapshot.name}/{entry}"


def _known_sha256(link: Path) -> str | None:
    stamp = stamps.last(link)
    key = stamp.key if stamp else _first_hop(link).name
    return key if len(key) == 64 else None


# -- checking ---------------------------------------------------------------------------------------------------


def _check(path: Path, progress: Progress) -> Check:
    key = _promised(path)
    if not path.exists():
        return Check(path=str(path), ok=False, why="the file is gone")
    if key is None:
        return Check(path=str(path), ok=None, why="no digest is known for it")
    size = path.stat().st_size
    payload = Payload(label=path.name, urls=(), size=size, key=key, git=len(key) == 40)
    found = hash_file(path, payload, progress.at)
    if found != key:
        return Check(path=str(path), ok=False, why=f"its digest is {found}, not {key}")
    if last := stamps.last(path):
        stamps.write(path, key=key, fetched=last.fetched, ref=last.ref, quantization=last.quantization)
    return Check(path=str(path), ok=True)


def _promised(path: Path) -> str | None:
    if stamp := stamps.last(path):
        return stamp.key
    name = _first_hop(path).name  # the Hub's cache names its blobs by their digest
    return name if len(name) in (40, 64) and set(name) <= set("0123456789abcdef") else None


def _first_hop(link: Path) -> Path:
    """The blob of a snapshot link. Only one hop: a blob may itself be a link into a store shared by repositories."""
    return Path(os.path.normpath(link.parent / link.readlink())) if link.is_symlink() else link


# -- removing ---------------------------------------------------------------------------------------------------


def _repo_of(model: LocalModel) -> Path:
    path = Path(os.path.normpath(model.path))
    for root in (hub_cache().resolve(), store_dir().resolve()):
        if root in path.parents:
            parts = path.relative_to(root).parts
            if len(parts) >= 3 and parts[0].startswith("models--") and parts[1] == "snapshots":
                return root / parts[0]
    raise RefusedError(
        f"{model.path} is in no store of launchpad.",
        why="launchpad deletes nothing outside its own store and the Hub's cache.",
        hint="Delete the file yourself if you want it gone.",
    )


def _remove_file(repo: Path, link: Path) -> int:
    blob = _blob_of(repo, link)
    with _locked(repo, blob.name, link.name):
        size = link.stat().st_size if link.exists() else 0
        stamps.forget(link)
        with explained(link):
            link.unlink(missing_ok=True)
            others = (path for path in (repo / "snapshots").rglob("*") if path.is_symlink() or path.is_file())
            if any(_blob_of(repo, other) == blob for other in others):
                return 0
            if blob.parent == repo / "blobs":
                blob.unlink(missing_ok=True)
        return size


def _blob_of(repo: Path, link: Path) -> Path:
    """Where the bytes of a snapshot's file lie: behind its link, under a second name, or in the file itself."""
    if link.is_symlink():
        return _first_hop(link)
    return next((blob for blob in (repo / "blobs").glob("*") if blob.samefile(link)), link)


def _tidy(repo: Path) -> None:
    """Remove empty folders, and branches that lead to a revision that is gone."""
    for folder in sorted((repo / "snapshots").rglob("*"), reverse=True):
        if folder.is_dir() and not folder.is_symlink():
            with suppress(OSError):
                folder.rmdir()
    revisions = {folder.name for folder in _folders(repo / "snapshots")}
    for ref in (repo / "refs").rglob("*"):
        if ref.is_file() and ref.read_text(encoding="utf-8", errors="replace").strip() not in revisions:
            ref.unlink()
    for folder in (*sorted((repo / "refs").rglob("*"), reverse=True), *repo.glob("*"), repo):
        with suppress(OSError):
            folder.rmdir()


def _locked(repo: Path, key: str, what: str) -> AbstractContextManager[None]:
    locks = repo.parent / ".locks" / repo.name
    locks.mkdir(parents=True, exist_ok=True)
    at_once = PullOptions(lock_timeout=0.0, poll_seconds=0.0)
    return hold_lock(locks / f"{key}.lock", at_once, lambda: -1, what, lambda: None)


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []

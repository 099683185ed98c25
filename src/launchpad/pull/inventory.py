"""What launchpad's stores hold: listing and removing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from launchpad.catalog.model import Format, LocalModel
from launchpad.errors import RefusedError
from launchpad.paths import hub_cache, store_dir
from launchpad.pull import stamps
from launchpad.pull.disk import explained, hold_lock
from launchpad.pull.gguf_names import group_shards, is_model, projector_for, quantization_of
from launchpad.pull.options import PullOptions

LAUNCHPAD = "launchpad"
HUGGINGFACE = "huggingface"


def list_local() -> list[LocalModel]:
    """Every complete GGUF or safetensors model in the Hub's cache and in launchpad's own store, sorted by reference."""
    roots = dict.fromkeys((hub_cache().resolve(), store_dir().resolve()))
    return sorted((model for root in roots for model in scan_store(root)), key=lambda model: model.ref)


def scan_store(root: Path) -> Iterator[LocalModel]:
    """The models under one root that has the layout of the Hugging Face cache."""
    for repo in folders(root):
        if not repo.name.startswith("models--"):
            continue
        for snapshot in folders(repo / "snapshots"):
            yield from _scan_snapshot(root, repo, snapshot)


def files_of(model: LocalModel) -> list[Path]:
    """The files of a local model's weights: itself, all its shards, or everything in its folder."""
    path = Path(model.path)
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    siblings = [str(file) for file in path.parent.iterdir() if file.suffix.lower() == ".gguf"]
    group = group_shards(siblings).get(str(path), (str(path),))
    return [Path(name) for name in group]


def all_files(model: LocalModel) -> list[Path]:
    """The files of a local model's weights, and its vision projector."""
    return [*files_of(model), *([Path(model.projector)] if model.projector else [])]


def _has_projector_alone(model: LocalModel) -> bool:
    """Whether no other model on this machine sees with the same projector."""
    return sum(other.projector == model.projector for other in list_local()) < 2


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
    files = all_files(model) if _has_projector_alone(model) else files_of(model)
    freed = sum(_remove_file(repo, path) for path in files)
    _tidy(repo)
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
        ref=stamp.ref if stamp and stamp.ref else _reference(root, repo, snapshot, entry, quantization),
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
    key = stamp.key if stamp else first_hop(link).name
    return key if len(key) == 64 else None


def first_hop(link: Path) -> Path:
    """The blob of a snapshot link. Only one hop: a blob may itself be a link into a store shared by repositories."""
    return Path(os.path.normpath(link.parent / link.readlink())) if link.is_symlink() else link


# -- removing ---------------------------------------------------------------------------------------------------


def repository_of(model: LocalModel) -> tuple[Path, Path] | None:
    """The folders of the repository and of the snapshot that a model lies in; None outside launchpad's stores."""
    path = Path(os.path.normpath(model.path))
    for root in (hub_cache().resolve(), store_dir().resolve()):
        if root in path.parents:
            parts = path.relative_to(root).parts
            if len(parts) >= 3 and parts[0].startswith("models--") and parts[1] == "snapshots":
                return root / parts[0], root.joinpath(*parts[:3])
    return None


def _repo_of(model: LocalModel) -> Path:
    if place := repository_of(model):
        return place[0]
    raise RefusedError(
        f"{model.path} is in no store of launchpad.",
        why="launchpad deletes nothing outside its own store and the Hub's cache.",
        hint="Delete the file yourself if you want it gone.",
    )


def _remove_file(repo: Path, link: Path) -> int:
    blob = blob_of(repo, link)
    with locked(repo, blob.name, link.name):
        size = link.stat().st_size if link.exists() else 0
        stamps.forget(link)
        with explained(link):
            link.unlink(missing_ok=True)
            others = (path for path in (repo / "snapshots").rglob("*") if path.is_symlink() or path.is_file())
            if any(blob_of(repo, other) == blob for other in others):
                return 0
            if blob.parent == repo / "blobs":
                blob.unlink(missing_ok=True)
        return size


def blob_of(repo: Path, link: Path) -> Path:
    """Where the bytes of a snapshot's file lie: behind its link, under a second name, or in the file itself."""
    if link.is_symlink():
        return first_hop(link)
    return next((blob for blob in (repo / "blobs").glob("*") if blob.samefile(link)), link)


def _tidy(repo: Path) -> None:
    """Remove empty folders, and branches that lead to a revision that is gone."""
    for folder in sorted((repo / "snapshots").rglob("*"), reverse=True):
        if folder.is_dir() and not folder.is_symlink():
            with suppress(OSError):
                folder.rmdir()
    revisions = {folder.name for folder in folders(repo / "snapshots")}
    for ref in (repo / "refs").rglob("*"):
        if ref.is_file() and ref.read_text(encoding="utf-8", errors="replace").strip() not in revisions:
            ref.unlink()
    for folder in (*sorted((repo / "refs").rglob("*"), reverse=True), *repo.glob("*"), repo):
        with suppress(OSError):
            folder.rmdir()


def locked(repo: Path, key: str, what: str) -> AbstractContextManager[None]:
    """Hold the lock of a digest in a repository, at once. Raises `BusyError` while another launchpad has it."""
    locks = repo.parent / ".locks" / repo.name
    locks.mkdir(parents=True, exist_ok=True)
    at_once = PullOptions(lock_timeout=0.0, poll_seconds=0.0)
    return hold_lock(locks / f"{key}.lock", at_once, lambda: -1, what, lambda: None)


def folders(root: Path) -> list[Path]:
    """The real folders in `root`, sorted; none when it cannot be read."""
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []

"""Making a bundle: the record, then every file as it is hashed once more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec.structs import replace

from launchpad.bundle import tar
from launchpad.bundle.record import NAME, VERSION, BundleFile, Record
from launchpad.catalog.model import Build, LocalModel, Model, ModelFile
from launchpad.errors import RefusedError, UsageError, VerifyError
from launchpad.events import Report
from launchpad.pull.checking import check_file, promised
from launchpad.pull.disk import check_space, explained
from launchpad.pull.inventory import all_files, repository_of
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress


def describe(local: LocalModel, model: Model | None, build: Build | None) -> Record:
    """The record of a model on this machine. `model` and `build` are what a catalog knows of it.

    Raises `RefusedError` for files of which nobody can say where they come from, `VerifyError` for damaged ones.
    """
    paths = all_files(local)
    digests = [_digest(path) for path in paths]
    place = repository_of(local)
    if place is not None:
        repo, snapshot = place
        names = [path.relative_to(snapshot).as_posix() for path in paths]
        folder, revision, ref = repo.name, snapshot.name, local.ref
        entry = "." if Path(local.path) == snapshot else names[0]
    elif build is not None and len(paths) == 1 and build.files and build.files[0].sha256 == digests[0]:
        names = [build.files[0].path]
        folder, revision = _hub_place(build.ref)
        ref, entry = build.ref, names[0]
    else:
        raise RefusedError(
            f"{local.ref} cannot be put into a bundle.",
            why=f"It is {local.owner}'s, and no catalog knows which model it is.",
            hint="Copy the file itself; `launchpad run ./model.gguf` runs it there.",
        )
    files = tuple(
        BundleFile(
            path=name,
            size=path.stat().st_size,
            sha256=digest if len(digest) == 64 else None,
            git_sha1=digest if len(digest) == 40 else None,
        )
        for name, path, digest in zip(names, paths, digests, strict=True)
    )
    record = None if model is None else _alone(model, build, ref, local, files)
    return Record(
        launchpad_bundle=VERSION,
        ref=ref,
        folder=folder,
        revision=revision,
        branch=_branch(place[0], revision) if place else None,
        entry=entry,
        format=local.format,
        quantization=local.quantization,
        files=files,
        record=record,
    )


def _digest(path: Path) -> str:
    """What the file should hash to; hashed now where nobody said so before."""
    if key := promised(path):
        return key
    check_file(path, Progress(str(path), path.stat().st_size, lambda event: None))
    key = promised(path)
    if key is None:
        raise VerifyError(f"{path} cannot be hashed.", hint="Look whether another program is writing to it.")
    return key


def _hub_place(ref: str) -> tuple[str, str]:
    scheme, _, rest = ref.partition("://")
    repository, at, revision = rest.partition("@")
    if scheme != "hf" or not at:
        raise RefusedError(f"{ref} names no revision, so a bundle of it could not be found again.")
    return "models--" + repository.replace("/", "--"), revision.partition(":")[0]


def _alone(
    model: Model, build: Build | None, ref: str, local: LocalModel, files: tuple[BundleFile, ...]
) -> Model:
    """The catalog's record with the one build that is in the bundle."""
    only = build or Build(ref=ref, format=local.format, quantization=local.quantization or "unknown")
    pins = tuple(ModelFile(path=file.path, size=file.size, sha256=file.sha256) for file in files)
    only = replace(only, ref=ref, files=pins if local.format == "gguf" else only.files)
    return replace(model, builds=(only,))


def _branch(repo: Path, revision: str) -> str | None:
    for ref in sorted((repo / "refs").rglob("*")):
        if ref.is_file() and ref.read_text(encoding="utf-8", errors="replace").strip() == revision:
            return ref.relative_to(repo / "refs").as_posix()
    return None


def size_of(record: Record) -> int:
    """Bytes of the whole bundle."""
    sizes = [len(record.encode()), *(file.size for file in record.files)]
    return sum(tar.BLOCK + size + len(tar.padding(size)) for size in sizes) + len(tar.END)


def write(record: Record, local: LocalModel, out: BinaryIO, report: Report) -> None:
    """Write the bundle. Raises `VerifyError` when a file is not what its record says."""
    text = record.encode()
    out.write(tar.header(NAME, len(text)) + text + tar.padding(len(text)))
    progress = Progress(record.ref, sum(file.size for file in record.files), report)
    for number, (file, path) in enumerate(zip(record.files, all_files(local), strict=True), 1):
        out.write(tar.header(member_name(number), file.size))
        _copy(file, path, out, progress)
        out.write(tar.padding(file.size))
        progress.finish(file.size)
    out.write(tar.END)


def member_name(number: int) -> str:
    """The name of the n-th file in a bundle: a number, so that no name out of a bundle is ever a path."""
    return f"file-{number:04}"


def _copy(file: BundleFile, path: Path, out: BinaryIO, progress: Progress) -> None:
    key = file.sha256 or file.git_sha1 or ""
    hasher = Payload(label=file.path, urls=(), size=file.size, key=key, git=file.sha256 is None).hasher()
    left = file.size
    with explained(path), path.open("rb") as stream:
        while chunk := stream.read(min(tar.CHUNK, left)) if left else b"":
            hasher.update(chunk)
            out.write(chunk)
            left -= len(chunk)
            progress.at(file.size - left)
    if left or hasher.hexdigest() != key:
        raise VerifyError(
            f"{file.path} is damaged here, so no bundle was made.",
            why=f"{path}: its digest is {hasher.hexdigest()}, not {key}.",
            hint="`launchpad pull` repairs it.",
        )


@contextmanager
def new_file(path: Path, size: int, *, force: bool) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all. Raises `UsageError` when it exists and is not to be replaced."""
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", hint="Name another file, or say --force.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", hint="Make it first, or name another one.")
    check_space(path.parent, size)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with explained(path), temporary.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def identity(record: Record) -> str:
    """The sha256 of the record: it names every byte of the bundle, to be compared on both sides."""
    return hashlib.sha256(record.encode()).hexdigest()

"""Taking a bundle in: every byte is hashed before it gets a name, and every name is judged like a server's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO

from launchpad.bundle.record import LARGEST, NAME, Record, decode
from launchpad.bundle.tar import Reader
from launchpad.bundle.write import member_name
from launchpad.catalog.model import LocalModel, Model
from launchpad.errors import RefusedError, VerifyError
from launchpad.events import Report
from launchpad.plugins.spec import RemoteFile
from launchpad.pull import stamps
from launchpad.pull.disk import check_space, explained, hold_lock, open_private, publish
from launchpad.pull.inventory import list_local
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.payload import Payload, of_file
from launchpad.pull.progress import Progress
from launchpad.pull.references import same_build

_AT_ONCE = PullOptions(lock_timeout=30.0)


def open_bundle(stream: BinaryIO) -> tuple[Record, Reader]:
    """The record of a bundle, and the reader that stands before its files. Raises `LaunchpadError`."""
    reader = Reader(stream)
    return decode(reader.first(NAME, LARGEST)), reader


def check_against(record: Record, models: Sequence[Model]) -> bool:
    """Whether a catalog here knows the build, and then pins exactly these bytes. Raises `RefusedError` for others."""
    for model in models:
        for build in model.builds:
            pins = {file.path: file.sha256 for file in build.files if file.sha256}
            if not pins or not same_build(build.ref, record.ref):
                continue
            found = {file.path: file.sha256 for file in record.files}
            wrong = [path for path, digest in pins.items() if found.get(path) != digest]
            if wrong and record.revision in build.ref:
                raise RefusedError(
                    f"This bundle does not hold the {model.name} that the catalog knows.",
                    why=f"{wrong[0]} has another hash than {build.ref} pins.",
                    hint="Do not use it, and ask whoever made it.",
                )
            if not wrong:
                return True
    return False


def take_in(record: Record, reader: Reader, report: Report) -> LocalModel:
    """Bring every file into the store, verified; then the model is there. Raises `LaunchpadError`."""
    resolved = record.resolved()
    repo = Repo.of(resolved)
    payloads = [of_file(file) for file in resolved.files]
    repo.prepare()
    check_space(repo.folder, sum(p.size or 0 for p in payloads if stamps.read(repo.blob(p.key)) is None))
    progress = Progress(record.ref, sum(file.size or 0 for file in resolved.files), report)
    for number, (file, payload) in enumerate(zip(resolved.files, payloads, strict=True), 1):
        chunks = reader.member(member_name(number), file.size or 0)
        _store(repo, file, payload, chunks, record, progress)
        progress.finish(file.size or 0)
    reader.end()
    for file, payload in zip(resolved.files, payloads, strict=True):
        repo.place(file.path, payload.key)
    if record.branch and not repo.folder.joinpath("refs", *record.branch.split("/")).exists():
        repo.point(record.branch)  # a branch that is known here stays where its own server put it
    path = str(repo.snapshot if record.entry == "." else repo.link(record.entry))
    return next(local for local in list_local() if local.path == path)


def _store(
    repo: Repo,
    file: RemoteFile,
    payload: Payload,
    chunks: Iterator[bytes],
    record: Record,
    progress: Progress,
) -> None:
    """Hash the bytes while they are written aside; only the right ones get their name. What is here is only compared."""
    partial, blob = repo.partial(f"{payload.key}.bundle"), repo.blob(payload.key)
    hasher, done = payload.hasher(), 0
    known = stamps.read(blob)
    with (
        hold_lock(repo.lock(payload.key), _AT_ONCE, lambda: -1, file.path, lambda: None),
        ExitStack() as stack,
    ):
        write: Callable[[bytes], object] = len
        if known is None or known.key != payload.key:
            stack.callback(partial.unlink, missing_ok=True)
            out = stack.enter_context(os.fdopen(open_private(partial), "wb"))
            out.truncate(0)
            write = out.write
        for chunk in chunks:
            with explained(partial):
                write(chunk)
            hasher.update(chunk)
            done += len(chunk)
            progress.at(done)
        if hasher.hexdigest() != payload.key:
            raise VerifyError(
                "The bundle is damaged, or it lies.",
                why=f"{file.path} has the digest {hasher.hexdigest()}, and {payload.key} was promised.",
                hint="Copy it again, and compare its sha256 with that of the original.",
            )
        if write is not len:
            with explained(partial):
                out.flush()
                os.fsync(out.fileno())
            quantization = record.quantization
            stamps.write(
                blob,
                key=payload.key,
                fetched=True,
                ref=record.ref,
                quantization=quantization,
                now_at=partial,
            )
            publish(partial, blob)

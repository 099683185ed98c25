"""Pulling a resolved build into the store, and finding it there again."""

from __future__ import annotations

import errno
from pathlib import Path
from time import monotonic

from msgspec import Struct

from launchpad.catalog.model import LocalModel
from launchpad.errors import PullError
from launchpad.events import PullFinished, PullStarted, Report
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull import archive, journal, stamps
from launchpad.pull.checking import intact
from launchpad.pull.claim import claim, sweep
from launchpad.pull.companions import weight_files
from launchpad.pull.disk import check_space, explained, hold_lock, publish
from launchpad.pull.http import client
from launchpad.pull.inventory import list_local, owner_of
from launchpad.pull.job import Job, Throttle
from launchpad.pull.layout import Repo
from launchpad.pull.options import PullOptions
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload, of_archive, of_file
from launchpad.pull.progress import Progress
from launchpad.pull.references import same_build
from launchpad.pull.transfer import fetch
from launchpad.pull.verify import hash_file
from launchpad.pull.watch import Watch

_DEFAULTS = PullOptions()


def pull(resolved: Resolved, report: Report, *, options: PullOptions = _DEFAULTS) -> LocalModel:
    """Bring every file of `resolved` to disk, verified, and return what to give to the engine.

    What is here already is not fetched; an unfinished earlier pull goes on. Ctrl-C and kill leave the partial files.
    Raises `PullError` (`VerifyError`, `DiskFull`, `SourceUnreachable`), `RefusedError`, `BusyError`.
    """
    if not resolved.files:
        return _already_local(resolved)
    try:
        return _bring(resolved, report, options)
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        raise PullError(
            f"No memory was left for the download of {resolved.ref}.",
            why="The system refused more: the limit of this process (ulimit -v, RLIMIT_AS) or of the machine is reached.",
            hint="Raise the limit, or need less: --connections 1. What was fetched is kept.",
        ) from error


def _bring(resolved: Resolved, report: Report, options: PullOptions) -> LocalModel:
    repo = Repo.of(resolved)
    payloads = [of_archive(file) if file.member else of_file(file) for file in resolved.files]
    progress = Progress(resolved.ref, _total(payloads), report)
    pulling = _Pull(resolved=resolved, repo=repo, options=options, progress=progress)
    here = [_present(pulling, file, payload) for file, payload in zip(resolved.files, payloads, strict=True)]
    if not all(here) or not all(repo.link(file.path).exists() for file in resolved.files):
        here = _fetch_all(pulling, payloads, report)
    return _local(resolved, repo, here)


class _Pull(Struct, frozen=True, kw_only=True):
    """What every file of one pull shares."""

    resolved: Resolved
    repo: Repo
    options: PullOptions
    progress: Progress


def find_local(what: Resolved | str) -> LocalModel | None:
    """The build on this disk, or None. No network, and no hashing unless a file was touched since its last check.

    `what` is a resolved build or a reference; a reference without a revision finds any revision.
    """
    if isinstance(what, str):
        found = (model for model in list_local() if same_build(model.ref, what))
        return next((model for model in found if intact(model)), None)
    if not what.files:
        return _already_local(what) if Path(what.entry).exists() else None
    repo = Repo.of(what)
    if not all(_looks_right(repo.link(file.path), file) for file in what.files):
        return None
    found_local = _local(what, repo, [_known_key(repo.link(file.path), file) for file in what.files])
    return found_local if intact(found_local) else None


def _looks_right(link: Path, file: RemoteFile) -> bool:
    try:
        size = link.stat().st_size
    except OSError:
        return False
    return file.size is None or size == file.size


def _known_key(link: Path, file: RemoteFile) -> str | None:
    stamp = stamps.read(link)
    return stamp.key if stamp else file.sha256


def _total(payloads: list[Payload]) -> int | None:
    sizes = [payload.size for payload in payloads]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _already_local(resolved: Resolved) -> LocalModel:
    path = Path(resolved.entry)
    if not path.is_absolute() or not path.exists():
        raise PullError(
            f"{resolved.ref} is not on this machine.",
            why=f"There is nothing at {path}.",
            hint="Check the path.",
        )
    size = path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.rglob("*"))
    build = resolved.build
    return LocalModel(
        ref=resolved.ref,
        path=str(path),
        size=size,
        format=build.format,
        owner="user",
        quantization=build.quantization,
    )


def _present(pulling: _Pull, file: RemoteFile, payload: Payload) -> str | None:
    """The digest of the file when it is on disk and right (hashed now, if it carries no stamp), else None."""
    link = pulling.repo.link(file.path)
    expected = file.sha256 if file.member else payload.key
    for path in (link, pulling.repo.blob(expected)) if expected else (link,):
        stamp = stamps.read(path)
        if stamp and not pulling.options.deep and stamp.key == (expected or stamp.key):
            return stamp.key
        if expected and _looks_right(path, file) and _hashes_to(pulling, path, expected, payload, file):
            return expected
    return None


def _hashes_to(pulling: _Pull, path: Path, expected: str, payload: Payload, file: RemoteFile) -> bool:
    size = path.stat().st_size
    pulling.progress.notice(f"Checking {size:,} bytes of {file.path} that are already here.")
    whole = Payload(label=file.path, urls=(), size=size, key=expected, git=payload.git)
    if hash_file(path, whole, pulling.progress.at) != expected:
        pulling.progress.notice(f"{path} is damaged; it is fetched again.")
        return False
    last = stamps.last(path)
    fetched = last.fetched if last and last.key == expected else False
    _stamp(pulling, path, expected, fetched=fetched)
    return True


def _stamp(pulling: _Pull, path: Path, key: str, *, fetched: bool, now_at: Path | None = None) -> None:
    build, ref = pulling.resolved.build, pulling.resolved.ref
    with explained(path):
        stamps.write(path, key=key, fetched=fetched, ref=ref, quantization=build.quantization, now_at=now_at)


def _fetch_all(pulling: _Pull, payloads: list[Payload], report: Report) -> list[str | None]:
    resolved, begin = pulling.resolved, monotonic()
    repo = pulling.repo
    repo.prepare()
    have = sum(journal.have(repo.partial(payload.key)) for payload in payloads)
    report(PullStarted(ref=resolved.ref, size=pulling.progress.size, have=have))
    with client(pulling.options) as http:
        job = Job(
            http=http,
            options=pulling.options,
            progress=pulling.progress,
            throttle=Throttle(pulling.options.max_rate),
            token=resolved.token,
            token_host=resolved.token_host,
        )
        pairs = zip(resolved.files, payloads, strict=True)
        keys: list[str | None] = [_obtain(pulling, job, file, payload) for file, payload in pairs]
    for file, key in zip(resolved.files, keys, strict=True):
        repo.place(file.path, key or "")
    if resolved.branch:
        repo.point(resolved.branch)
    local = _local(resolved, repo, keys)
    seconds = monotonic() - begin
    report(
        PullFinished(ref=local.ref, path=local.path, size=local.size, seconds=seconds, sha256=local.sha256)
    )
    return keys


def _obtain(pulling: _Pull, job: Job, file: RemoteFile, payload: Payload) -> str:
    """Make sure that the bytes of `file` are under their final name; return their digest."""
    repo, progress = pulling.repo, pulling.progress
    partial = repo.partial(payload.key)
    watch = Watch(partial)

    def others() -> int:
        have = watch.have()
        progress.at(have)
        return have

    def tell() -> None:
        progress.notice(f"Another launchpad is pulling {file.path}; waiting for it.")

    with hold_lock(repo.lock(payload.key), pulling.options, others, file.path, tell):
        key = _present(pulling, file, payload)
        if key is None:
            with claim(partial) as place:
                key = _fetched(pulling, file, payload, job, place)
        sweep(partial)
        progress.finish(payload.size or _size_of(repo.blob(key)))
        return key


def _fetched(pulling: _Pull, file: RemoteFile, payload: Payload, job: Job, place: Path) -> str:
    """Download into `place` and publish; where locks lie, another launcher may do that and clear away what we work on."""
    try:
        _download(place, payload, file, job)
        return _finish(pulling, file, payload, place)
    except PullError as error:
        if (
            not isinstance(error.__cause__, FileNotFoundError)
            or (key := _present(pulling, file, payload)) is None
        ):
            raise
        return key


def _download(partial: Path, payload: Payload, file: RemoteFile, job: Job) -> None:
    with Partial(partial, payload, piece=job.options.piece_size) as part:
        if part.to_read:
            job.progress.notice(f"Checking {part.to_read:,} bytes of {file.path} that are already here.")
        unpacked = (file.size or 0) if file.member else 0
        check_space(partial.parent, (payload.size or 0) - part.allocated + unpacked)
        part.reserve()
        fetch(part, job)


def _finish(pulling: _Pull, file: RemoteFile, payload: Payload, partial: Path) -> str:
    repo, key, source = pulling.repo, payload.key, partial
    if file.member:
        source = partial.with_name(f"{partial.name}.member")
        key = archive.extract(partial, file, source, pulling.progress).sha256
    _stamp(pulling, repo.blob(key), key, fetched=True, now_at=source)
    publish(source, repo.blob(key))
    if file.member:
        partial.unlink()
    journal.forget(partial)
    return key


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _local(resolved: Resolved, repo: Repo, keys: list[str | None]) -> LocalModel:
    weights = [repo.link(file.path) for file in weight_files(resolved)]
    links = [repo.link(file.path) for file in resolved.files]
    projector = next((str(link) for link in links if link not in weights), None)
    return LocalModel(
        ref=resolved.ref,
        path=str(repo.snapshot if resolved.entry == "." else repo.link(resolved.entry)),
        size=sum(link.stat().st_size for link in weights),
        format=resolved.build.format,
        owner=owner_of(repo.root, weights),
        quantization=resolved.build.quantization,
        sha256=keys[0] if len(weights) == 1 else None,
        projector=projector,
    )

"""Hashing what is here again, and remembering what came out."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel
from launchpad.events import Notice, Report, ignore
from launchpad.pull import stamps
from launchpad.pull.inventory import HUGGINGFACE, LAUNCHPAD, all_files, first_hop
from launchpad.pull.payload import Payload
from launchpad.pull.progress import Progress
from launchpad.pull.verify import hash_file

_HEX = frozenset("0123456789abcdef")


class Check(Struct, frozen=True, kw_only=True):
    """The result of hashing one file again. `ok` is None when no digest is known to compare with."""

    path: str
    ok: bool | None
    why: str | None = None


def intact(model: LocalModel) -> bool:
    """Whether the files are as they were when they were last hashed; one that was touched since is hashed again."""
    for path in all_files(model):
        last = stamps.last(path)
        if last is None or stamps.read(path):
            continue
        if (
            not path.exists()
            or path.stat().st_size != last.size
            or check_file(path, Progress("", None, ignore)).ok is False
        ):
            return False
    return True


def verify(model: LocalModel, report: Report) -> list[Check]:
    """Hash every file of a local model again, and renew the stamps of those that are right."""
    progress = Progress(model.ref, model.size, report)
    checks = []
    for path in all_files(model):
        checks.append(check_file(path, progress))
        progress.finish(path.stat().st_size if path.exists() else 0)
    return checks


def wrong_file(model: LocalModel, build: Build, report: Report) -> Check | None:
    """The first file that is not what it should be; None when all are right, as far as anybody says what they should be.

    In the stores of other programs, that is what `build` pins. Files whose stamp holds are not read.
    """
    progress = Progress(model.ref, model.size, report)
    ours = model.owner in (LAUNCHPAD, HUGGINGFACE)
    pins = {} if ours else {file.path.rpartition("/")[2]: file.sha256 for file in build.files}
    alone = next(iter(pins.values())) if len(pins) == 1 else None
    for path in all_files(model):
        is_weights = str(path) != model.projector
        key = pins.get(path.name) or (alone if is_weights else None) or promised(path)
        stamp = stamps.read(path)
        if key is None or (stamp and stamp.key == key):
            continue
        if stamp is None and path.exists():
            report(Notice(message=f"Checking {path.stat().st_size:,} bytes that {model.owner} has here."))
        check = check_file(path, progress, key)
        if check.ok is False:
            return check
    return None


def check_file(path: Path, progress: Progress, key: str | None = None) -> Check:
    """Hash one file and compare it with `key`, or with what is promised of it. What came out is remembered."""
    key = key or promised(path)
    if not path.exists():
        return Check(path=str(path), ok=False, why="the file is gone")
    size = path.stat().st_size
    payload = Payload(label=path.name, urls=(), size=size, key=key or "", git=len(key or "") == 40)
    found = hash_file(path, payload, progress.at)
    last = stamps.last(path)
    if key is not None and found != key:
        if last is None or last.fetched or last.key == key:
            stamps.distrust(path, key)
        else:
            _remember(path, found)
        return Check(path=str(path), ok=False, why=f"its digest is {found}, not {key}")
    _remember(path, found)
    why = None if key else "no digest was known for it; this one is remembered now"
    return Check(path=str(path), ok=True if key else None, why=why)


def promised(path: Path) -> str | None:
    """The digest that a file should have: by its stamp, or by the name of its blob.

    A file of somebody else's that has changed since launchpad looked at it is held to nothing: it is theirs to change.
    """
    last = stamps.last(path)
    if last and (last.fetched or stamps.read(path)):
        return last.key
    name = first_hop(path).name.removeprefix(
        "sha256-"
    )  # the Hub's cache and Ollama name blobs by their digest
    return name if len(name) in (40, 64) and set(name) <= _HEX else None


def _remember(path: Path, key: str) -> None:
    last = stamps.last(path)
    if last:
        stamps.write(path, key=key, fetched=last.fetched, ref=last.ref, quantization=last.quantization)
    else:
        stamps.write(path, key=key, fetched=False, ref="")

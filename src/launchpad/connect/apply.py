"""Write an agent's settings with a backup, and take them back: byte for byte if nobody else has changed the file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.connect import edit
from launchpad.connect.edit import MISSING
from launchpad.connect.settings import FileSettings
from launchpad.errors import UsageError
from launchpad.paths import state_dir


class Former(Struct, frozen=True, kw_only=True):
    """What a place held before."""

    path: tuple[str, ...]
    there: bool
    value: object = None


class Kept(Struct, frozen=True, kw_only=True):
    """A file as it was. `before` is None when there was none; `after` is the sha256 of what launchpad wrote."""

    path: str
    format: str
    before: bytes | None
    mode: int | None
    after: str
    values: tuple[Former, ...]


class Change(Struct, frozen=True, kw_only=True):
    """One file, as it is and as it will be. None: there is none."""

    path: Path
    before: bytes | None
    after: bytes | None


def planned(folder: Path, wanted: Sequence[FileSettings]) -> list[Change]:
    """What would be written. Raises `ConfigError` when a file cannot be read."""
    changes = []
    for settings in wanted:
        path = _place(folder / settings.file)
        before = _read(path)
        text = edit.changed(_text(before), settings.format, settings.values, path.name)
        changes.append(Change(path=path, before=before, after=text.encode()))
    return changes


def connect(agent: str, folder: Path, wanted: Sequence[FileSettings]) -> list[Change]:
    """Write the settings. What was there before the first connection is kept until `undo`."""
    changes = planned(folder, wanted)
    earlier = {kept.path: kept for kept in _record(agent)}
    kept = [
        _kept(change, settings, earlier.get(str(change.path)))
        for change, settings in zip(changes, wanted, strict=True)
    ]
    _remember(agent, kept)  # first: what is written can always be taken back
    for change, settings in zip(changes, wanted, strict=True):
        if change.after != change.before or settings.secret:
            _write(change.path, change.after or b"", secret=settings.secret)
    return changes


def undo(agent: str, *, dry_run: bool = False) -> list[Change]:
    """Take the settings back. Raises `UsageError` when the agent is not connected."""
    record = _record(agent)
    if not record:
        raise UsageError(f"{agent} is not connected.", hint="`launchpad connect` shows what is.")
    changes = []
    for kept in record:
        path = Path(kept.path)
        now = _read(path)
        changes.append(Change(path=path, before=now, after=_former(kept, now)))
    if not dry_run:
        for change, kept in zip(changes, record, strict=True):
            _put_back(change, kept)
        _file(agent).unlink()
    return changes


def connected(agent: str) -> bool:
    """Whether launchpad's settings are in the agent's files."""
    return bool(_record(agent))


def _former(kept: Kept, now: bytes | None) -> bytes | None:
    """The bytes before, or, when the file has been changed since, the file of now without launchpad's values."""
    if now is None or hashlib.sha256(now).hexdigest() == kept.after:
        return kept.before if now is not None else None
    values = {former.path: former.value if former.there else MISSING for former in kept.values}
    text = edit.restored(_text(now), kept.format, values)
    return text.encode() or None


def _put_back(change: Change, kept: Kept) -> None:
    if change.after is None:
        change.path.unlink(missing_ok=True)
    elif change.after != change.before:
        _write(change.path, change.after, secret=False)
    if kept.mode is not None and change.after is not None:
        change.path.chmod(kept.mode)


def _kept(change: Change, settings: FileSettings, earlier: Kept | None) -> Kept:
    after = hashlib.sha256(change.after or b"").hexdigest()
    if earlier is not None:
        former = _former(earlier, change.before)
        values = {one.path: one for one in (*_formers(former, settings), *earlier.values)}
        return replace(earlier, before=former, after=after, values=tuple(values.values()))
    mode = stat.S_IMODE(change.path.stat().st_mode) if change.before is not None else None
    return Kept(
        path=str(change.path),
        format=settings.format,
        before=change.before,
        mode=mode,
        after=after,
        values=_formers(change.before, settings),
    )


def _formers(before: bytes | None, settings: FileSettings) -> tuple[Former, ...]:
    found = ((path, edit.found(_text(before), settings.format, path)) for path in settings.values)
    return tuple(
        Former(path=path, there=value is not MISSING, value=None if value is MISSING else value)
        for path, value in found
    )


# -- files --------------------------------------------------------------------------------------------------------


def _place(path: Path) -> Path:
    """Where the file really is: a link to a folder of dotfiles stays a link. A `.jsonc` beside it is the one in use."""
    commented = path.with_suffix(".jsonc")
    if path.suffix == ".json" and commented.exists() and not path.exists():
        path = commented
    return path.resolve()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _text(content: bytes | None) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError as error:
        raise UsageError("The agent's settings are no UTF-8 text.", why=str(error)) from error


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    """Replace the file in one step, with the mode that it has; one that holds the key is the user's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600
    if not secret:
        mode = 0o644
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat().st_mode)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.chmod(mode)
    draft.replace(path)


def _file(agent: str) -> Path:
    return state_dir() / "connect" / f"{agent}.json"


def _record(agent: str) -> tuple[Kept, ...]:
    try:
        return msgspec.json.decode(_file(agent).read_bytes(), type=tuple[Kept, ...])
    except FileNotFoundError:
        return ()


def _remember(agent: str, kept: Sequence[Kept]) -> None:
    _write(_file(agent), msgspec.json.encode(kept), secret=True)

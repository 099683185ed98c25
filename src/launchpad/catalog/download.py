"""Taking over a catalog from elsewhere: pinned or signed, strictly read, and never silently against what is known.

The bytes must have the sha256 that the user gives, or be signed by the key that he names. A catalog older than the present one is refused, and so are other
terms, makers or hashes for models that are known, unless the user has seen and accepted them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.catalog.kept import Downloaded
from launchpad.catalog.model import Build, Model
from launchpad.catalog.own import ID
from launchpad.catalog.packed import SCHEMA, PackedCatalog, unfold
from launchpad.catalog.signature import verify
from launchpad.errors import RefusedError, UsageError, VerifyError
from launchpad.pull.names import Digest

LARGEST = 16 << 20
MOST_MODELS = 20_000
SCHEMES = frozenset({"hf", "modelscope", "ollama", "pypi"})
"""Where builds of a foreign catalog may come from: files of this machine are not for it to name."""


class Trust(Struct, frozen=True, kw_only=True):
    """Why a catalog's bytes may be believed: their sha256, or a signature by the public key `signer`; or both."""

    pin: str | None = None
    signer: str | None = None
    signature: bytes = b""

    def __post_init__(self) -> None:
        if self.pin is None and self.signer is None:
            raise ValueError("nothing says why the catalog may be believed")


def fetch(origin: str) -> bytes:
    """The bytes of a catalog at an address, or in a file. Raises `LaunchpadError`."""
    if re.match(r"https?://", origin, re.IGNORECASE):
        from launchpad.pull.http import fetch_bytes

        return fetch_bytes(origin, accept="application/json")
    try:
        with Path(origin).expanduser().open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(
            f"{origin} cannot be read.", why=error.strerror, hint="Give a file, or an address with https://."
        ) from error
    if len(data) > LARGEST:
        raise UsageError(f"{origin} is no catalog.", why=f"It has more than {LARGEST:,} bytes.")
    return data


def check(data: bytes, trust: Trust, origin: str, today: date) -> Downloaded:
    """The catalog in `data`, when it is what `trust` says and well-formed. Raises `VerifyError`, `RefusedError`."""
    found = hashlib.sha256(data).hexdigest()
    if trust.signer is not None:
        verify(data, trust.signature, trust.signer, origin)
    pin = trust.pin
    if pin is not None and Digest.parse(pin.strip().lower()).hex() != found:
        raise VerifyError(
            f"{origin} is not the catalog that you pinned.",
            why=f"Its sha256 is {found}.",
            hint="Ask for the hash of the present one where you trust it; do not copy it from here.",
        )
    try:
        catalog = msgspec.json.decode(data, type=PackedCatalog)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(origin, f"{str(error)[:160]}.") from error
    if catalog.schema != SCHEMA:
        raise _bad(origin, f"It has schema {catalog.schema}, this version reads {SCHEMA}.")
    _check_date(catalog.date, origin, today)
    models = [unfold(entry) for entry in catalog.models]
    if problem := next(_problems(models), None):
        raise _bad(origin, problem)
    return Downloaded(
        origin=origin, sha256=found, fetched=today.isoformat(), catalog=catalog, signer=trust.signer
    )


def _check_date(text: str, origin: str, today: date) -> None:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise _bad(origin, f"{text[:40]!r} is not a date.") from error
    if day > today + timedelta(days=1):
        # It would stand in the way of every later one.
        raise RefusedError(
            f"{origin} is dated {day}.", why=f"Today is {today}.", hint="Check this machine's clock."
        )


def _problems(models: Sequence[Model]) -> Iterator[str]:
    if not models or len(models) > MOST_MODELS:
        yield f"It has {len(models)} models."
    seen: set[str] = set()
    for model in models:
        if not ID.fullmatch(model.id):
            yield f"{ascii(model.id)[:80]} cannot be the id of a model."
        if model.id in seen:
            yield f"It has {model.id} twice."
        seen.add(model.id)
        yield from (f"{model.id}: {problem}" for build in model.builds for problem in _build_problems(build))


def _build_problems(build: Build) -> Iterator[str]:
    if build.scheme not in SCHEMES or "://" not in build.ref:
        yield f"a build of it is at {ascii(build.ref)[:80]}, not at a public source"
    if build.size is not None and not 0 < build.size < 1 << 60:
        yield f"a build of it has {build.size} bytes"


def not_older(new: Downloaded, present: str) -> None:
    """Refuse a catalog that is older than the one of the day `present`: it would bring back what was mended since."""
    if new.catalog.date < present:
        raise RefusedError(
            f"{new.origin} is of {new.catalog.date}, older than the present one of {present}.",
            why="An old catalog brings back what was corrected since.",
            hint="Ask for a newer one.",
        )


def delicate(known: Mapping[str, Model], new: Downloaded) -> list[str]:
    """What the new catalog says otherwise of known models that nobody should have changed silently."""
    return [
        line
        for entry in new.catalog.models
        if (before := known.get(entry.model.id))
        for line in _differences(before, unfold(entry))
    ]


def _differences(old: Model, new: Model) -> Iterator[str]:
    pairs = (
        ("license", old.license.id, new.license.id),
        ("license class", old.license.kind, new.license.kind),
        ("commercial use", old.license.commercial, new.license.commercial),
        ("lab", old.lab_id, new.lab_id),
        ("country", old.country, new.country),
        ("repository", old.hf_repo, new.hf_repo),
    )
    for what, before, after in pairs:
        if before != after:
            yield f"{old.id}: {what} {before or 'unknown'} becomes {after or 'unknown'}"
    pins = {(b.ref, f.path): f.sha256 for b in old.builds for f in b.files if f.sha256}
    for build in new.builds:
        for file in build.files:
            pin = pins.get((build.ref, file.path))
            if pin is not None and pin != file.sha256:
                yield f"{old.id}: sha256 of {file.path} changes"


def _bad(origin: str, why: str) -> UsageError:
    return UsageError(f"{origin} is no catalog that can be used.", why=why, hint="Nothing was changed.")

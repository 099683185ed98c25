"""What a bundle says about itself: its first member, read with suspicion."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from launchpad.catalog.model import Build, Format, Model
from launchpad.errors import RefusedError, UsageError
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.names import check_component, quote

VERSION = 1
NAME = "launchpad-bundle.json"
LARGEST = 4 << 20
MOST_FILES = 4096
_REF = re.compile(r"(?:hf|modelscope|ollama|oci|pypi|https?)://[\x21-\x7e]{1,1000}", re.ASCII)


class BundleFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file: its path in the repository, bytes, and the digest that it must have."""

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The model in a bundle: where it came from, its files in the order in which they follow, and its catalog record.

    `record` holds the license, the maker and the shape; its only build is the one in the bundle.
    """

    launchpad_bundle: int
    ref: str
    folder: str
    revision: str
    entry: str
    format: Format
    files: tuple[BundleFile, ...]
    branch: str | None = None
    quantization: str | None = None
    record: Model | None = None

    def encode(self) -> bytes:
        """The same record is always the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"

    def resolved(self) -> Resolved:
        """As a source would resolve it, but for the addresses: there are none."""
        files = tuple(
            RemoteFile(path=f.path, urls=(), size=f.size, sha256=f.sha256, git_sha1=f.git_sha1)
            for f in self.files
        )
        build = Build(
            ref=self.ref,
            format=self.format,
            quantization=self.quantization or "unknown",
            size=sum(file.size for file in self.files),
        )
        return Resolved(
            ref=self.ref,
            folder=self.folder,
            revision=self.revision,
            files=files,
            entry=self.entry,
            build=build,
            branch=self.branch,
        )


def decode(data: bytes) -> Record:
    """Read a record. Names are judged where they are used, by the store. Raises `UsageError`, `RefusedError`."""
    try:
        record = msgspec.json.decode(data, type=Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            "This is not a bundle of launchpad, or its record is damaged.", why=f"{quote(str(error), 160)}."
        ) from error
    if record.launchpad_bundle != VERSION:
        raise UsageError(
            f"This bundle has version {record.launchpad_bundle}, and this launchpad reads version {VERSION}.",
            hint="Make it again with this version of launchpad, or update launchpad here.",
        )
    if fault := _fault(record):
        raise RefusedError(
            "This bundle is refused.",
            why=f"{fault[0].upper()}{fault[1:]}.",
            hint="Do not use it, and ask whoever made it.",
        )
    return record


def _fault(record: Record) -> str | None:
    paths = [file.path.casefold() for file in record.files]
    if not 0 < len(paths) <= MOST_FILES:
        return f"it has {len(paths)} files"
    if len(set(paths)) != len(paths):
        return "it names a file twice"
    if any(file.size < 0 for file in record.files):
        return "a file has a negative size"
    if record.entry != "." and record.entry not in {file.path for file in record.files}:
        return f"the file for the engine, {quote(record.entry)}, is not in it"
    if not _REF.fullmatch(record.ref):
        return f"{quote(record.ref)} is no reference to a model"
    if not check_component(record.folder).startswith("models--"):
        return f"{quote(record.folder)} is not the folder of a model"
    if not _at_home(record):
        return f"the folder {quote(record.folder)} is not that of {quote(record.ref)}"
    return None


def _at_home(record: Record) -> bool:
    """A bundle may speak for its own repository alone: another's folder would put its files under a trusted name."""
    scheme, _, rest = record.ref.partition("://")
    if scheme == "hf":
        repository = re.split(r"[@:]", rest)[0]
        return record.folder == "models--" + repository.replace("/", "--")
    return record.folder.startswith(("models--web--", f"models--{scheme}--"))

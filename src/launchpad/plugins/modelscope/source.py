"""Resolving `modelscope://` references at ModelScope, or a mirror of it (`MODELSCOPE_ENDPOINT`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from launchpad.plugins import (
    Build,
    ListedFile,
    LocalModel,
    PullError,
    Reachability,
    Resolved,
    UsageError,
    ask_source,
    builds_of,
    check_digest,
    check_name,
    choose_files,
    fetch_json,
    listed_file,
    scan_store,
    store_dir,
)

_REFERENCE = re.compile(
    r"modelscope://(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./-]{1,200}))?(?::(?P<quantization>[\w.+-]{1,64}))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_DEFAULT_ENDPOINT = "https://www.modelscope.cn"
_BRANCH = "master"
# A listing has no pages, and no sign that it was cut: one of this length may be.
_MOST_LISTED = 3000


class _File(Struct, rename="pascal"):
    """An entry of a listing: a file ("blob") or a folder ("tree"); the commit that last changed it, and when."""

    path: str
    type: str = "blob"
    size: int | None = None
    sha256: str | None = None
    revision: str | None = None
    committed_date: int | None = None


class _Data(Struct, rename="pascal"):
    files: tuple[_File, ...] | None = None


class _Answer(Struct, rename="pascal"):
    data: _Data | None = None
    success: bool = True
    message: str | None = None


class ModelScope:
    """ModelScope by its public HTTP interface; its listing has a sha256 for every file, small ones included."""

    name = "modelscope"
    schemes = frozenset({"modelscope"})

    def reachable(self, timeout: float) -> Reachability:
        """Ask the endpoint for a sign of life."""
        hint = "Check the network and HTTPS_PROXY, or set MODELSCOPE_ENDPOINT to a mirror that you trust."
        return ask_source(f"{endpoint()}/robots.txt", timeout=timeout, hint=hint)

    def resolve(self, build: Build) -> Resolved:
        """Pin files, sizes and hashes by the repository's listing. Raises `PullError`, `RefusedError`."""
        repo, asked, quantization = _parts(build.ref)
        entries = _entries(repo, asked)
        there, revision = _listed(entries), _commit(entries, asked)
        paths = choose_files(build, f"modelscope://{repo}", there, quantization)
        files = tuple(listed_file(there[p], (_address(repo, revision, p),), build, repo) for p in paths)
        gguf = paths[0].lower().endswith(".gguf")
        token = os.environ.get("MODELSCOPE_API_TOKEN") or None
        return Resolved(
            ref=f"modelscope://{repo}@{revision}" + (f":{quantization}" if quantization else ""),
            folder="models--modelscope--" + repo.replace("/", "--"),
            revision=revision.replace("/", "-"),
            branch=None if revision == asked else asked or _BRANCH,
            files=files,
            entry=paths[0] if gguf else ".",
            build=build,
            token=token,
            token_host=_host() if token else None,
        )

    def builds(self, ref: str) -> Iterable[Build]:
        """One build per quantization, and the safetensors files together, as the listing has them."""
        repo, asked, _ = _parts(ref)
        base = f"modelscope://{repo}@{asked}" if asked else f"modelscope://{repo}"
        return builds_of(base, _listed(_entries(repo, asked)))

    def local(self) -> Iterable[LocalModel]:
        """What was pulled from ModelScope before."""
        return (model for model in scan_store(store_dir().resolve()) if model.ref.startswith("modelscope://"))


def endpoint() -> str:
    """ModelScope's address, or the mirror's that MODELSCOPE_ENDPOINT names. Read when asked, not at import."""
    return (os.environ.get("MODELSCOPE_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")


def _host() -> str:
    return urlsplit(endpoint()).netloc.rpartition("@")[2]


def _parts(ref: str) -> tuple[str, str | None, str | None]:
    """Repository, revision and quantization."""
    match = _REFERENCE.fullmatch(ref)
    if not match or ".." in ref:
        raise UsageError(
            f"{ref!a} is not a reference to a model on ModelScope.",
            why="The form is modelscope://org/repo[@revision][:QUANTIZATION].",
            hint="For example: modelscope://org/repo-GGUF:Q4_K_M",
        )
    return match["repo"], match["revision"], match["quantization"]


def _entries(repo: str, revision: str | None) -> list[_File]:
    """The files of a repository, all of them. Raises `PullError` for a listing that may be cut."""
    query = urlencode({"Revision": revision or _BRANCH, "Recursive": "true"})
    token = os.environ.get("MODELSCOPE_API_TOKEN") or None
    url = f"{endpoint()}/api/v1/models/{repo}/repo/files?{query}"
    try:
        answer = msgspec.convert(fetch_json(url, token=token, token_host=_host()), _Answer)
    except msgspec.ValidationError as error:
        raise PullError(
            f"The listing of {repo} cannot be read.",
            why=f"{ascii(str(error))[:160]}.",
            hint="Check MODELSCOPE_ENDPOINT: the answer is not that of ModelScope.",
        ) from error
    found = (answer.data.files if answer.data else None) or ()
    if not answer.success or not found:
        raise PullError(
            f"{repo} is not to be had from ModelScope.",
            why=f"It answers: {ascii(answer.message or 'no files')[:160]}.",
            hint="Check the name and the revision; a private model needs MODELSCOPE_API_TOKEN.",
        )
    if len(found) >= _MOST_LISTED:
        raise PullError(
            f"{repo} has too many files to be listed whole.",
            why=f"ModelScope lists {_MOST_LISTED:,} at most, and does not say what it leaves out.",
            hint="Pull it with ModelScope's own tool, or take the model from another source.",
        )
    return [file for file in found if file.type != "tree"]


def _listed(entries: list[_File]) -> dict[str, ListedFile]:
    return {
        file.path: ListedFile(
            path=check_name(file.path),
            size=file.size,
            sha256=check_digest(file.sha256.lower()) if file.sha256 else None,
        )
        for file in entries
    }


def _commit(entries: list[_File], asked: str | None) -> str:
    """The commit that made what is listed: that of the file that was changed last. The asked name where none is told.

    A later commit can only have removed files; whatever is fetched is held to its sha256 in any case.
    """
    if asked and _COMMIT.fullmatch(asked):
        return asked
    last = max(entries, key=lambda file: file.committed_date or 0).revision or ""
    return last if _COMMIT.fullmatch(last) else asked or _BRANCH


def _address(repo: str, revision: str, path: str) -> str:
    query = urlencode({"Revision": revision, "FilePath": path})
    return f"{endpoint()}/api/v1/models/{repo}/repo?{query}"

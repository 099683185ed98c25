"""Resolving `hf://` references on the Hub or a mirror of it (`HF_ENDPOINT`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from launchpad.plugins import (
    Build,
    ListedFile,
    Listing,
    LocalModel,
    PullError,
    Reachability,
    RefusedError,
    Resolved,
    SourceUnreachable,
    UsageError,
    ask_source,
    builds_of,
    check_name,
    choose_files,
    fetch_changed,
    hub_cache,
    listed_file,
    scan_store,
)

_REFERENCE = re.compile(
    r"hf://(?P<repo>[\w.-]{1,96}/[\w.-]{1,96})(?:@(?P<revision>[\w./-]{1,200}))?(?::(?P<quantization>[\w.+-]{1,64}))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_TRUE = frozenset({"1", "on", "yes", "true"})
_DEFAULT_ENDPOINT = "https://huggingface.co"


class _Lfs(Struct):
    size: int
    sha256: str


class _Sibling(Struct, rename={"path": "rfilename", "blob_id": "blobId"}):
    """A file of a repository: large ones have `lfs`, the others git's id alone."""

    path: str
    size: int | None = None
    blob_id: str | None = None
    lfs: _Lfs | None = None


class _Metadata(Struct):
    sha: str
    id: str | None = None
    siblings: tuple[_Sibling, ...] = ()

    def files(self) -> dict[str, ListedFile]:
        """What is there, by its path."""
        return {sibling.path: _listed(sibling) for sibling in self.siblings}


def _listed(sibling: _Sibling) -> ListedFile:
    lfs = sibling.lfs
    if lfs is None:
        return ListedFile(path=sibling.path, size=sibling.size, git_sha1=sibling.blob_id)
    return ListedFile(path=sibling.path, size=lfs.size, sha256=lfs.sha256)


class HuggingFace:
    """The Hub, with the token that huggingface_hub finds.

    The metadata is fetched by launchpad's own rules instead of `HfApi.model_info`: bounded in size and time, checked
    field by field, and with the token kept to the Hub's own host on redirects.
    """

    name = "huggingface"
    schemes = frozenset({"hf"})

    def reachable(self, timeout: float) -> Reachability:
        """Ask the endpoint for a sign of life, unless HF_HUB_OFFLINE forbids it."""
        if _offline():
            return Reachability(
                ok=False, why="HF_HUB_OFFLINE is set.", hint="Unset HF_HUB_OFFLINE to pull models."
            )
        hint = "Check the network and HTTPS_PROXY, or set HF_ENDPOINT to a mirror that you trust."
        return ask_source(f"{endpoint()}/robots.txt", timeout=timeout, hint=hint)

    def resolve(self, build: Build) -> Resolved:
        """Pin revision, files, sizes and hashes by the repository's metadata. Raises `PullError`, `RefusedError`."""
        repo, asked, quantization = _parts(build.ref)
        token = _token()
        metadata = _metadata(repo, asked, token)
        commit = _commit(metadata, repo, asked)
        there = metadata.files()
        paths = choose_files(build, f"hf://{repo}", there, quantization)
        base = f"{endpoint()}/{repo}/resolve/{commit}"
        files = tuple(
            listed_file(there[path], (f"{base}/{quote(check_name(path))}",), build, repo) for path in paths
        )
        gguf = paths[0].lower().endswith(".gguf")
        return Resolved(
            ref=f"hf://{repo}@{commit}" + (f":{quantization}" if quantization else ""),
            folder="models--" + repo.replace("/", "--"),
            revision=commit,
            branch=None if asked and _COMMIT.fullmatch(asked) else asked or "main",
            files=files,
            entry=paths[0] if gguf else ".",
            build=build,
            token=token,
            token_host=_host(),
        )

    def builds(self, ref: str) -> Iterable[Build]:
        """One build per quantization, and the safetensors files together, as the repository's metadata lists them."""
        repo, asked, _ = _parts(ref)
        metadata = _metadata(repo, asked, _token())
        return builds_of(f"hf://{repo}@{asked}" if asked else f"hf://{repo}", metadata.files())

    def listing(self, ref: str, unless: str | None) -> Listing | None:
        """The builds pinned to the present revision. Raises `PullError`; `RefusedError` for a moved repository."""
        repo, asked, _ = _parts(ref)
        answer = _ask_unless(repo, asked, _token(), unless)
        if answer is None:
            return None
        metadata, tag = answer
        if metadata.id is not None and metadata.id.lower() != repo.lower():
            raise RefusedError(
                f"{repo} has moved to {ascii(metadata.id)[:120]}.",
                why="What is there now may be somebody else's.",
                hint="Look at the new place before you use it.",
            )
        revision = _commit(metadata, repo, asked)
        builds = tuple(builds_of(f"hf://{repo}@{revision}", metadata.files()))
        return Listing(revision=revision, builds=builds, tag=tag)

    def local(self) -> Iterable[LocalModel]:
        """The GGUF and safetensors models in the Hub's cache, whoever brought them."""
        return scan_store(hub_cache().resolve())


def _parts(ref: str) -> tuple[str, str | None, str | None]:
    """Repository, revision and quantization."""
    match = _REFERENCE.fullmatch(ref)
    if not match:
        raise UsageError(
            f"{ref!a} is not a reference to a model on the Hub.",
            why="The form is hf://org/repo[@revision][:QUANTIZATION].",
            hint="For example: hf://org/repo-GGUF:Q4_K_M",
        )
    return match["repo"], match["revision"], match["quantization"]


def endpoint() -> str:
    """The Hub's address, or the mirror's that HF_ENDPOINT names. Read when asked, not at import."""
    return (os.environ.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT).rstrip("/")


def _host() -> str:
    return urlsplit(endpoint()).netloc.rpartition("@")[2]


def _offline() -> bool:
    return any(
        os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _metadata(repo: str, revision: str | None, token: str | None) -> _Metadata:
    answer = _ask_unless(repo, revision, token, None)
    assert answer is not None, "a server that was asked for no condition cannot say that it holds"
    return answer[0]


def _ask_unless(
    repo: str, revision: str | None, token: str | None, tag: str | None
) -> tuple[_Metadata, str | None] | None:
    """The repository's metadata and their ETag; None when they still are what `tag` names."""
    if _offline():
        raise SourceUnreachable(
            f"{repo} cannot be looked up.",
            why="HF_HUB_OFFLINE is set.",
            hint="Unset HF_HUB_OFFLINE, or choose a model that is on this machine (`launchpad list`).",
        )
    url = f"{endpoint()}/api/models/{repo}/revision/{quote(revision or 'main', safe='')}?blobs=true"
    answer = fetch_changed(url, tag, token=token, token_host=_host())
    if answer is None:
        return None
    try:
        return msgspec.convert(answer[0], _Metadata), answer[1]
    except msgspec.ValidationError as error:
        raise PullError(
            f"The metadata of {repo} cannot be read.",
            why=f"{ascii(str(error))[:160]}.",
            hint="Check HF_ENDPOINT: the answer is not that of a Hub.",
        ) from error


def _commit(metadata: _Metadata, repo: str, asked: str | None) -> str:
    pinned = asked if asked and _COMMIT.fullmatch(asked) else None
    if not _COMMIT.fullmatch(metadata.sha) or (pinned and metadata.sha != pinned):
        raise PullError(
            f"{repo} does not have the revision {asked or 'main'}.",
            why=f"The server names {ascii(metadata.sha)[:80]} instead of it.",
            hint="A deleted account's name may have been taken over: choose another repository.",
        )
    return metadata.sha

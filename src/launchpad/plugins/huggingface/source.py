"""Resolving `hf://` references on the Hub or a mirror of it (`HF_ENDPOINT`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from launchpad.plugins import (
    Build,
    Format,
    Listing,
    LocalModel,
    ModelFile,
    PullError,
    Reachability,
    RefusedError,
    RemoteFile,
    Resolved,
    SourceUnreachable,
    UsageError,
    allowed_kind,
    ask_source,
    check_name,
    fetch_changed,
    hub_cache,
    is_model,
    pick_files,
    quantization_of,
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
        siblings = {sibling.path: sibling for sibling in metadata.siblings}
        paths = _choose(build, repo, list(siblings), quantization)
        files = tuple(_remote_file(repo, commit, siblings[check_name(path)], build) for path in paths)
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
        return _all_builds(f"hf://{repo}@{asked}" if asked else f"hf://{repo}", metadata)

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
        builds = tuple(_all_builds(f"hf://{repo}@{revision}", metadata))
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


def _quantizations(names: Sequence[str]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Each quantization that a repository has whole, with its files."""
    ggufs = [name for name in names if name.lower().endswith(".gguf") and is_model(name)]
    for quantization in sorted({found for name in ggufs if (found := quantization_of(name))}):
        if paths := pick_files(ggufs, quantization):
            yield quantization, paths


def _all_builds(base: str, metadata: _Metadata) -> Iterable[Build]:
    siblings = {sibling.path: sibling for sibling in metadata.siblings}
    for quantization, paths in _quantizations(list(siblings)):
        yield _listed(f"{base}:{quantization}", "gguf", quantization, [siblings[path] for path in paths])
    if weights := [sibling for path, sibling in siblings.items() if path.endswith(".safetensors")]:
        yield _listed(base, "safetensors", "original", weights)


def _listed(ref: str, form: Format, quantization: str, siblings: Sequence[_Sibling]) -> Build:
    """A build with its size; the files of GGUF builds are named, so that the same ones are pulled."""
    sizes = [sibling.lfs.size if sibling.lfs else sibling.size for sibling in siblings]
    known = [size for size in sizes if size is not None]
    files = tuple(
        ModelFile(path=check_name(s.path), size=size, sha256=s.lfs.sha256 if s.lfs else None)
        for s, size in zip(siblings, sizes, strict=True)
    )
    return Build(
        ref=ref,
        format=form,
        quantization=quantization,
        size=sum(known) if len(known) == len(sizes) else None,
        size_exact=len(known) == len(sizes),
        files=files if form == "gguf" else (),
    )


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


def _choose(build: Build, repo: str, names: Sequence[str], quantization: str | None) -> tuple[str, ...]:
    """The files of the build: those of its pins, else the GGUF files of the quantization, else all that is data."""
    if build.files:
        if missing := [file.path for file in build.files if file.path not in names]:
            raise PullError(
                f"{repo} no longer has {missing[0]}.",
                why="The catalog pins that file.",
                hint="Choose another build of it (`launchpad fit MODEL` lists them), or another model.",
            )
        return tuple(file.path for file in build.files)
    ggufs = [name for name in names if name.lower().endswith(".gguf")]
    if build.format == "safetensors":
        if any(name.endswith(".safetensors") for name in names):
            return tuple(sorted(name for name in names if allowed_kind(name) and name not in ggufs))
        raise RefusedError(
            f"{repo} has no weights in a safe format.",
            why="Formats such as .bin and .pt can run code when they are loaded; launchpad never fetches them.",
            hint="Look for a repository with .gguf or .safetensors files.",
        )
    wanted = quantization or _only_one(ggufs) or "Q4_K_M"
    if files := pick_files(ggufs, wanted):
        return files
    there = sorted({found for name in ggufs if (found := quantization_of(name))})
    raise PullError(
        f"{repo} has no complete GGUF model of the quantization {wanted}.",
        why=f"It has: {', '.join(there) or 'no GGUF file'}.",
        hint=f"Choose one of them: hf://{repo}:{there[0]}"
        if there
        else "Look for a repository with -GGUF in its name.",
    )


def _only_one(ggufs: Sequence[str]) -> str | None:
    found = {quantization_of(name) for name in ggufs}
    return found.pop() if len(found) == 1 else None


def _remote_file(repo: str, commit: str, sibling: _Sibling, build: Build) -> RemoteFile:
    pin = next((file for file in build.files if file.path == sibling.path), None)
    lfs = sibling.lfs
    sha256 = lfs.sha256 if lfs else None
    size = lfs.size if lfs else sibling.size
    if pin and (
        (pin.sha256 and sha256 not in (None, pin.sha256)) or (pin.size is not None and pin.size != size)
    ):
        raise PullError(
            f"{sibling.path} in {repo} is not the file that the catalog pins.",
            why=f"The repository has sha256 {sha256} and {size} bytes.",
            hint="The repository was changed under the same name: do not use it, and report it.",
        )
    return RemoteFile(
        path=sibling.path,
        urls=(f"{endpoint()}/{repo}/resolve/{commit}/{quote(sibling.path)}",),
        size=size,
        sha256=sha256 or (pin.sha256 if pin else None),
        git_sha1=None if lfs else sibling.blob_id,
    )

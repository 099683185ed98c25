"""Which files of a repository make up a build: rules that all repositories of weights share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from launchpad.catalog.model import Build, Format, ModelFile
from launchpad.errors import PullError, RefusedError
from launchpad.plugins.spec import RemoteFile
from launchpad.pull.gguf_names import is_model, pick_files, projector_for, quantization_of
from launchpad.pull.names import allowed_kind, check_name

_USUAL = "Q4_K_M"


class ListedFile(Struct, frozen=True, kw_only=True):
    """A file as the repository's own listing describes it: not to be believed before it was checked."""

    path: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


def choose_files(
    build: Build, where: str, files: Mapping[str, ListedFile], wanted: str | None
) -> tuple[str, ...]:
    """The files of the build, the one for the engine first: those of its pins, else the GGUF files of the quantization
    `wanted`, else all that is data. The vision projector of a GGUF model comes last.

    `where` is the place as a reference names it. Raises `PullError`, `RefusedError`.
    """
    weights = _weights(build, where, files, wanted)
    if build.format != "gguf":
        return weights
    projector = projector_for(weights[0], files)
    return weights if projector is None or projector in weights else (*weights, projector)


def _weights(
    build: Build, where: str, files: Mapping[str, ListedFile], wanted: str | None
) -> tuple[str, ...]:
    if build.files:
        if missing := [file.path for file in build.files if file.path not in files]:
            raise PullError(
                f"{where} no longer has {missing[0]}.",
                why="The catalog pins that file.",
                hint="Choose another build of it (`launchpad fit MODEL` lists them), or another model.",
            )
        return tuple(file.path for file in build.files)
    ggufs = [path for path in files if path.lower().endswith(".gguf")]
    if build.format == "safetensors":
        return _safetensors(where, files)
    quantization = wanted or _only_one(ggufs) or _USUAL
    if found := pick_files(ggufs, quantization):
        return found
    there = sorted({name for path in ggufs if is_model(path) and (name := quantization_of(path))})
    raise PullError(
        f"{where} has no complete GGUF model of the quantization {quantization}.",
        why=f"It has: {', '.join(there) or 'no GGUF file'}.",
        hint=f"Choose one of them: {where}:{there[0]}"
        if there
        else "Look for a repository with -GGUF in its name.",
    )


def _only_one(ggufs: Sequence[str]) -> str | None:
    found = {quantization_of(path) for path in ggufs if is_model(path)}
    return found.pop() if len(found) == 1 else None


def _safetensors(where: str, files: Mapping[str, ListedFile]) -> tuple[str, ...]:
    """Weights, tokenizer and settings. What is code by its kind, or the same weights in another form, stays there."""
    weights = safetensors_weights(files)
    if weights:
        others = (
            path for path in files if allowed_kind(path) and not path.endswith((".safetensors", ".gguf"))
        )
        return tuple(sorted((*weights, *others)))
    raise RefusedError(
        f"{where} has no weights in a safe format.",
        why="Formats such as .bin and .pt can run code when they are loaded; launchpad never fetches them.",
        hint="Look for a repository with .gguf or .safetensors files.",
    )


def safetensors_weights(paths: Mapping[str, ListedFile] | Sequence[str]) -> list[str]:
    """The safetensors files that hold the model: those of the usual name, or all where there are none of that name."""
    found = sorted(path for path in paths if path.endswith(".safetensors"))
    return [path for path in found if path.startswith("model")] or found


def listed_file(listed: ListedFile, urls: tuple[str, ...], build: Build, where: str) -> RemoteFile:
    """The file to fetch; what the catalog pins of it must agree with the listing. Raises `PullError`."""
    check_name(listed.path)
    pin = next((file for file in build.files if file.path == listed.path), None)
    if pin and (
        (pin.sha256 and listed.sha256 not in (None, pin.sha256))
        or (pin.size is not None and pin.size != listed.size)
    ):
        raise PullError(
            f"{listed.path} in {where} is not the file that the catalog pins.",
            why=f"The repository has sha256 {ascii(listed.sha256)[:80]} and {listed.size} bytes.",
            hint="The repository was changed under the same name: do not use it, and report it.",
        )
    return RemoteFile(
        path=listed.path,
        urls=urls,
        size=listed.size,
        sha256=listed.sha256 or (pin.sha256 if pin else None),
        git_sha1=listed.git_sha1,
    )


def builds_of(base: str, files: Mapping[str, ListedFile]) -> Iterator[Build]:
    """One build per quantization that is there whole, and the safetensors files together."""
    ggufs = [path for path in files if is_model(path)]
    for quantization in sorted({name for path in ggufs if (name := quantization_of(path))}):
        if paths := pick_files(ggufs, quantization):
            yield _build(f"{base}:{quantization}", "gguf", quantization, [files[path] for path in paths])
    if weights := safetensors_weights(files):
        yield _build(base, "safetensors", "original", [files[path] for path in weights])


def _build(ref: str, form: Format, quantization: str, listed: Sequence[ListedFile]) -> Build:
    """A build with its size; the files of GGUF builds are named, so that the same ones are pulled."""
    known = [file.size for file in listed if file.size is not None]
    whole = len(known) == len(listed)
    files = tuple(ModelFile(path=check_name(f.path), size=f.size, sha256=f.sha256) for f in listed)
    return Build(
        ref=ref,
        format=form,
        quantization=quantization,
        size=sum(known) if whole else None,
        size_exact=whole,
        files=files if form == "gguf" else (),
    )

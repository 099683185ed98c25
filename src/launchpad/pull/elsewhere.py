"""Models that other programs keep on this machine: LM Studio, Ollama, llama.cpp, Jan, GPT4All, RamaLama.

They are used where they lie and never written to. What launchpad learns about them (their hashes) is kept in its own
state folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from launchpad.catalog.model import LocalModel
from launchpad.errors import LaunchpadError
from launchpad.pull import stamps
from launchpad.pull.gguf_names import group_shards, is_model, projector_for, quantization_of
from launchpad.pull.names import Digest
from launchpad.pull.registry import Layer

OLLAMA = "ollama"
_DEEPEST = 6  # folders below a store's root
_MOST = 20_000  # entries looked at per store: a folder that is none must not cost minutes
_LARGEST_MANIFEST = 1 << 20
_LIBRARY = "registry.ollama.ai"
_MODEL = "application/vnd.ollama.image.model"
_PROJECTOR = "application/vnd.ollama.image.projector"


def models_elsewhere() -> list[LocalModel]:
    """Every GGUF model in another program's store. Never raises; a store that cannot be read has none."""
    found: dict[Path, LocalModel] = {}
    for owner, root in _stores():
        for model in _scan(owner, root):
            found.setdefault(Path(model.path).resolve(), model)
    for root in ollama_stores():
        for model in _ollama(root):
            found.setdefault(
                Path(model.ref), model
            )  # tags may share a blob, and each is a name that people use
    return list(found.values())


def foreign_roots() -> list[tuple[str, Path]]:
    """All stores of other programs that are there, with their owners; the Hub's cache is not among them."""
    every = [*_stores(), *((OLLAMA, root) for root in ollama_stores())]
    return [(owner, root) for owner, root in every if _is_folder(root)]


def ollama_stores() -> list[Path]:
    """The folders that Ollama may keep its models in."""
    own = os.environ.get("OLLAMA_MODELS")
    places = [Path(own).expanduser()] if own else [_home() / ".ollama" / "models"]
    if sys.platform == "linux":
        places.append(Path("/usr/share/ollama/.ollama/models"))
    return places


def _stores() -> Iterator[tuple[str, Path]]:
    """Owners and roots of the stores that are plain folders of GGUF files."""
    home, data, cache = _home(), _user_data(), _user_cache()
    own = os.environ.get("LLAMA_CACHE")
    yield "llama.cpp", Path(own).expanduser() if own else cache / "llama.cpp"
    yield "lm-studio", home / ".lmstudio" / "models"
    yield "lm-studio", home / ".cache" / "lm-studio" / "models"
    yield "jan", data / "Jan" / "data" / "llamacpp" / "models"
    yield "gpt4all", data / "nomic.ai" / "GPT4All"
    yield "ramalama", home / ".local" / "share" / "ramalama" / "store"


def _home() -> Path:
    return Path(os.path.expanduser("~"))  # noqa: PTH111  Path.home() raises without a home


def _user_data() -> Path:
    """Where programs of this system keep data."""
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or _home() / "AppData" / "Roaming")
    return Path(os.environ.get("XDG_DATA_HOME") or _home() / ".local" / "share")


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")


# -- folders of GGUF files --------------------------------------------------------------------------------------


def _scan(owner: str, root: Path) -> Iterator[LocalModel]:
    for folder, names in _folders(root):
        ggufs = [name for name in names if name.lower().endswith(".gguf")]
        for entry, group in group_shards(name for name in ggufs if is_model(name)).items():
            if model := _model(owner, folder, entry, group, projector_for(entry, ggufs)):
                yield model


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder below `root` with the names of its files, as far as it may be read. No loop through links."""
    seen = 0
    for folder, below, names in os.walk(root):
        seen += len(below) + len(names)
        if seen > _MOST:
            return
        here = Path(folder)
        if len(here.relative_to(root).parts) >= _DEEPEST:
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield here, [name for name in sorted(names) if name.isprintable()]


def _model(
    owner: str, folder: Path, entry: str, group: tuple[str, ...], projector: str | None
) -> LocalModel | None:
    paths = [folder / name for name in group]
    try:
        size = sum(path.stat().st_size for path in paths)
        ref = paths[0].as_uri()
    except (OSError, ValueError, UnicodeError):  # gone, not to be read, or a name that is no text
        return None
    stamp = stamps.read(paths[0]) if len(paths) == 1 else None
    return LocalModel(
        ref=ref,
        path=str(paths[0]),
        size=size,
        format="gguf",
        owner=owner,
        quantization=quantization_of(f"{folder.name}/{entry}"),
        sha256=stamp.key if stamp else None,
        projector=str(folder / projector) if projector else None,
    )


# -- Ollama -----------------------------------------------------------------------------------------------------


class _Manifest(Struct):
    layers: tuple[Layer, ...] = ()
    config: Layer | None = None


class _Config(Struct):
    """What Ollama notes of a model's file, beside it."""

    file_type: str = ""


def _ollama(root: Path) -> Iterator[LocalModel]:
    """One model per tag: its manifest names the blob, and the blob its sha256."""
    manifests = root / "manifests"
    for folder, names in _folders(manifests):
        for name in names:
            place = (folder / name).relative_to(manifests).parts
            if len(place) == 4 and (model := _tag(root, place)):
                yield model


def _tag(root: Path, place: tuple[str, ...]) -> LocalModel | None:
    host, space, name, tag = place
    try:
        with root.joinpath("manifests", *place).open("rb") as file:
            manifest = msgspec.json.decode(file.read(_LARGEST_MANIFEST), type=_Manifest)
        layers = manifest.layers
        weights = [layer for layer in layers if layer.media_type == _MODEL]
        if len(weights) != 1:
            return None
        blob, digest = _blob(root, weights[0])
        projector = next((layer for layer in layers if layer.media_type == _PROJECTOR), None)
        eyes = str(_blob(root, projector)[0]) if projector else None
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError, LaunchpadError):
        return None
    owner = "" if (host, space) == (_LIBRARY, "library") else f"{space}/"
    where = "" if host == _LIBRARY else f"{host}/"
    return LocalModel(
        ref=f"ollama://{where}{owner or ('library/' if where else '')}{name}:{tag}",
        path=str(blob),
        size=weights[0].size,
        format="gguf",
        owner=OLLAMA,
        quantization=quantization_of(f"{tag}.gguf") or _file_type(root, manifest.config),
        sha256=digest,
        projector=eyes,
    )


def _file_type(root: Path, config: Layer | None) -> str | None:
    """The quantization as Ollama noted it; None where it did not, or not so that it can be read."""
    try:
        if config is None:
            return None
        path, _ = _blob(root, config)
        with path.open("rb") as file:
            noted = msgspec.json.decode(file.read(_LARGEST_MANIFEST), type=_Config).file_type
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError, LaunchpadError):
        return None
    return quantization_of(f"{noted}.gguf")


def _blob(root: Path, layer: Layer) -> tuple[Path, str]:
    """The file of a layer and its sha256. Raises `ValueError` unless it is there with the right size."""
    digest = Digest.parse(layer.digest).hex()
    path = root / "blobs" / f"sha256-{digest}"
    if path.stat().st_size != layer.size:
        raise ValueError("the blob is not whole")
    return path, digest


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False

"""What the names of GGUF files say: quantization, shards, and which of them are no models of their own."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

_SHARD = re.compile(
    r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})\.(?:gguf|safetensors)", re.ASCII | re.IGNORECASE
)
_QUANTIZATION = re.compile(
    r"(?:UD-)?(?:I?Q[1-8](?:_[0-9A-Z]+)*|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32)", re.IGNORECASE
)
_BORDER = "-._ "
_COMPANIONS = re.compile(r"(^|[-._])(mmproj|imatrix)([-._]|$)", re.IGNORECASE)
_PROJECTOR = re.compile(r"(^|[-._])mmproj([-._]|$)", re.IGNORECASE)
# Best first: a projector is small beside its model, and half precision is what it was made in.
_PROJECTOR_TYPES = ("F16", "BF16", "Q8_0", "F32")


def quantization_of(path: str) -> str | None:
    """The quantization that a GGUF file's name states last, upper-case (`UD-Q4_K_XL`), or None.

    When the name is silent, the name of its folder may say it.
    """
    for part in reversed(_stem(path).split("/")):
        if found := [
            match[0].upper() for match in _QUANTIZATION.finditer(part) if _stands_alone(part, match)
        ]:
            return found[-1]
    return None


def is_model(path: str) -> bool:
    """Whether `path` is a GGUF model, and not a vision projector or an importance matrix that goes with one."""
    return path.lower().endswith(".gguf") and not _COMPANIONS.search(path.rpartition("/")[2])


def is_projector(path: str) -> bool:
    """Whether `path` is the vision projector that goes with a GGUF model."""
    return path.lower().endswith(".gguf") and bool(_PROJECTOR.search(path.rpartition("/")[2]))


def projector_for(entry: str, paths: Iterable[str]) -> str | None:
    """The vision projector among `paths` that goes with the model `entry`, None where there is none.

    One in the model's own folder wins over one at the top; half precision over other types. Where a folder holds
    models of several names, the projector that shares the longest beginning with the model's name is its own.
    """
    folder = entry.rpartition("/")[0]
    found = [path for path in paths if is_projector(path) and path.rpartition("/")[0] in (folder, "")]
    return min(found, key=lambda path: _projector_rank(path, folder, entry), default=None)


def projector_beside(entry: str, paths: Collection[str]) -> str | None:
    """The vision projector of the model `entry` in a folder of anything, such as one of downloads.

    Only one that is certain: no other model lies there, or its name is the beginning of the model's.
    """
    own = _name_alone(entry)
    if {_name_alone(path) for path in paths if is_model(path)} == {own}:
        return projector_for(entry, paths)
    return projector_for(entry, [path for path in paths if _begins_with(own, path)])


def _begins_with(model: str, projector: str) -> bool:
    bare = re.sub(r"[-._]?mmproj[-._]?", "", _name_alone(projector))
    return bool(bare) and model.startswith(bare)


def _name_alone(path: str) -> str:
    """The name without the quantization at its end."""
    stem = _stem(path).lower()
    return stem.removesuffix((quantization_of(path) or "").lower()).rstrip(_BORDER)


def _projector_rank(path: str, folder: str, entry: str) -> tuple[bool, int, int, str]:
    own_folder, _, name = path.rpartition("/")
    bare = re.sub(r"(?i)mmproj[-._]?", "", name).lower()
    model = entry.rpartition("/")[2].lower()
    shared = next((i for i, (a, b) in enumerate(zip(bare, model, strict=False)) if a != b), len(bare))
    kind = quantization_of(name) or ""
    order = _PROJECTOR_TYPES.index(kind) if kind in _PROJECTOR_TYPES else len(_PROJECTOR_TYPES)
    return own_folder != folder, -shared, order, path


def group_shards(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Models by their first file: complete sets of shards (`-00001-of-0000N`) in order, others alone."""
    sets: dict[tuple[str, int], dict[int, str]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for path in sorted(paths):
        if match := _SHARD.fullmatch(path):
            sets.setdefault((match["stem"], int(match["count"])), {})[int(match["index"])] = path
        else:
            groups[path] = (path,)
    for (_, count), shards in sets.items():
        if len(shards) == count and set(shards) == set(range(1, count + 1)):
            ordered = tuple(shards[index] for index in range(1, count + 1))
            groups[ordered[0]] = ordered
    return groups


def pick_files(paths: Sequence[str], quantization: str) -> tuple[str, ...]:
    """The files of the model with this quantization, first shard first; empty when there is none.

    The spelling as given wins over another case, and a short path over one in a folder. `Q4_K_M` never means
    `UD-Q4_K_M`.
    """
    wanted = quantization.upper()
    groups = group_shards(path for path in paths if is_model(path))
    fits = [files for entry, files in groups.items() if wanted in (quantization_of(entry), _ending(entry))]
    exact = [files for files in fits if quantization in files[0]]
    return min(exact or fits, key=lambda files: (files[0].count("/"), len(files[0]), files[0]), default=())


def _ending(path: str) -> str:
    """The last word of the name: how a quantization is found that is not known here yet."""
    stem = _stem(path).rpartition("/")[2].upper()
    words = re.split(r"[-. ]", stem)
    return "-".join(words[-2:]) if words[-2:-1] == ["UD"] else words[-1]


def _stem(path: str) -> str:
    match = _SHARD.fullmatch(path)
    return (
        match["stem"] if match else path.removesuffix(path[-5:]) if path.lower().endswith(".gguf") else path
    )


def _stands_alone(stem: str, match: re.Match[str]) -> bool:
    before, after = stem[: match.start()][-1:], stem[match.end() :][:1]
    return (not before or before in _BORDER) and (not after or after in _BORDER)

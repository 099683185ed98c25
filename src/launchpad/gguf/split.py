"""A model in several files: `name-00001-of-00003.gguf` and so on."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from launchpad.errors import BadModelFile
from launchpad.gguf.header import GGUFHeader, TensorInfo

MOST_FILES = 1 << 10


def split_count(header: GGUFHeader) -> int:
    """Number of files of the model that this file belongs to."""
    count = header.metadata.get("split.count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_FILES:
        raise BadModelFile("the model file cannot be used", why="its number of files is not a count")
    return max(1, count)


def join_splits(headers: Sequence[GGUFHeader]) -> GGUFHeader:
    """One header for all files of a split model: metadata of the first, tensors of all.

    Raises `BadModelFile` when a file is missing, comes twice, or belongs to another model.
    """
    if not headers:
        raise BadModelFile("the model file cannot be used", why="there is no file")
    count = split_count(headers[0])
    if len(headers) != count:
        raise BadModelFile("the model is not complete", why=f"it has {count} files, {len(headers)} are here")
    tensors: dict[str, TensorInfo] = {}
    for number, header in enumerate(headers):
        if count > 1 and header.metadata.get("split.no") != number:
            raise BadModelFile(
                "the model's files do not belong together", why=f"file {number + 1} is another one"
            )
        for tensor in header.tensors:
            if tensor.name in tensors:
                raise BadModelFile(
                    "the model's files do not belong together", why="they hold the same tensor twice"
                )
            tensors[tensor.name] = tensor
    promised = headers[0].metadata.get("split.tensors.count", len(tensors))
    if promised != len(tensors):
        raise BadModelFile(
            "the model is not complete", why=f"{len(tensors)} of {promised!r:.20} tensors are here"
        )
    return structs.replace(
        headers[0], tensors=tuple(tensors.values()), size=sum(header.size for header in headers)
    )

"""What a model at a source says about itself, read from the headers of its files: no weights are fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.hub_config import LONGEST_CONFIG, parse_config
from launchpad.catalog.model import Build, ModelFile
from launchpad.errors import BadModelFile, LaunchpadError
from launchpad.fit.layout import Projector
from launchpad.fit.projector import projector_from_gguf, projector_of_size
from launchpad.gguf import GGUFHeader, join_splits, read_header
from launchpad.gguf.split import split_count
from launchpad.lookup.model_facts import ModelFacts, facts_of_config, facts_of_gguf
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.companions import weight_files
from launchpad.pull.gguf_names import is_projector
from launchpad.pull.names import quote
from launchpad.pull.ranges import Ranges, ranges
from launchpad.safetensors import SafetensorsHeader, read_safetensors
from launchpad.safetensors.index import INDEX, LONGEST_INDEX, missing_shards, parse_index

FIRST_READ = 1 << 20  # a header without tokenizer fits, one with it takes 2 to 12 MB
SHARD_READ = 1 << 16  # later shards hold a tensor table only
LARGEST_REST = 0.02  # share of safetensors files that is not tensors


class RemoteGGUF(Struct, frozen=True, kw_only=True):
    """The header of a GGUF model, all shards joined, and the first bytes of each of its files, in their order."""

    header: GGUFHeader
    prefixes: tuple[bytes, ...]


def read_remote(resolved: Resolved) -> ModelFacts | None:
    """What the files of a resolved build say; None when they are of a kind whose header cannot be read from afar.

    Raises `BadModelFile` for files that no engine should be given, and what a pull raises.
    """
    if not resolved.files:
        return None
    if resolved.files[0].path.lower().endswith(".gguf"):
        return facts_of_gguf(read_remote_gguf(resolved).header)
    if any(file.path.endswith(".safetensors") for file in resolved.files):
        return _safetensors(resolved)
    return None


def read_remote_gguf(resolved: Resolved) -> RemoteGGUF:
    """The header of a GGUF build and the bytes that it was read from. Raises as `read_remote` does.

    The last ones are kept: the header of a pick is needed to compute with, and again to ask the engine.
    """
    # What is known of the build grows in between; its files are the same.
    return _read_gguf(replace(resolved, build=Build(ref=resolved.ref, format="gguf", quantization="")))


@lru_cache(maxsize=4)
def _read_gguf(resolved: Resolved) -> RemoteGGUF:
    with ranges(resolved) as reader:
        files = weight_files(resolved)
        first, data = _gguf(reader, files[0], FIRST_READ)
        if split_count(first) != len(files):
            raise BadModelFile(
                "The model at the source is not complete.",
                why=f"It consists of {split_count(first)} files, and {len(files)} are there.",
                hint="Choose another repository.",
            )
        rest = [_gguf(reader, file, SHARD_READ) for file in files[1:]]
    header = join_splits([first, *(header for header, _ in rest)]) if rest else first
    return RemoteGGUF(header=header, prefixes=(data, *(prefix for _, prefix in rest)))


def _gguf(reader: Ranges, file: RemoteFile, first: int) -> tuple[GGUFHeader, bytes]:
    return reader.header(file, first, partial(read_header, size=_size(reader, file)))


def read_remote_projector(resolved: Resolved) -> Projector | None:
    """The vision projector among the files of a build; None where there is none, or nothing is known of it.

    A projector whose header does not tell, or cannot be had, is known by its size.
    """
    file = next((file for file in resolved.files if is_projector(file.path)), None)
    if file is None:
        return None
    try:
        with ranges(resolved) as reader:
            return projector_from_gguf(_gguf(reader, file, SHARD_READ)[0])
    except (LaunchpadError, OSError):
        return projector_of_size(file.size) if file.size else None


def _safetensors(resolved: Resolved) -> ModelFacts:
    """`config.json`, and the index or the header of the one file that there is."""
    files = {file.path: file for file in resolved.files}
    config = files.get("config.json")
    if config is None:
        raise BadModelFile(
            "The repository does not say what its weights are.",
            why="It has safetensors files and no config.json.",
            hint="Look for a repository with .gguf files.",
        )
    with ranges(resolved) as reader:
        text = _whole(reader, config, LONGEST_CONFIG)
        names, size = _weights(reader, files)
    tied = not any(name.endswith("lm_head.weight") for name in names)
    return facts_of_config(parse_config(text, tied=tied), size)


def _weights(reader: Ranges, files: dict[str, RemoteFile]) -> tuple[Sequence[str], int]:
    """Names of the tensors, and their bytes."""
    if INDEX in files:
        index = parse_index(_whole(reader, files[INDEX], LONGEST_INDEX))
        if missing := missing_shards(index, files):
            raise BadModelFile(
                "The model at the source is not complete.",
                why=f"{INDEX} names {quote(missing[0])}, which is not there.",
                hint="Choose another repository.",
            )
        total = index.metadata.total_size
        known = sum(_size(reader, files[path]) for path in index.files)
        # Headers are the small rest: a claim that is further off is not one about these files.
        believed = total is not None and (1 - LARGEST_REST) * known <= total <= known
        return tuple(index.weight_map), int(total) if believed and total else known
    weights = [file for path, file in files.items() if path.endswith(".safetensors")]
    headers = [_safetensors_header(reader, file) for file in weights]
    return [t.name for h in headers for t in h.tensors], sum(h.tensor_bytes for h in headers)


def _safetensors_header(reader: Ranges, file: RemoteFile) -> SafetensorsHeader:
    parse: Callable[[bytes], SafetensorsHeader] = partial(read_safetensors, size=_size(reader, file))
    return reader.header(file, SHARD_READ, parse)[0]


def _whole(reader: Ranges, file: RemoteFile, most: int) -> bytes:
    size = _size(reader, file)
    if size > most:
        raise BadModelFile(f"{file.path} cannot be used.", why=f"It has {size:,} bytes.")
    return reader.read(file, 0, size)


def _size(reader: Ranges, file: RemoteFile) -> int:
    size = reader.size(file)
    if size is None:
        raise BadModelFile(f"The size of {file.path} is not known.", why="Its source does not state it.")
    return size


def with_sizes(build: Build, resolved: Resolved) -> Build:
    """The build with sizes and hashes of its weights, as the source states them. What the build pins itself stands."""
    files = weight_files(resolved)
    sizes = [file.size for file in files]
    if not sizes or None in sizes:
        return build
    if build.format == "gguf" and not any(file.sha256 for file in build.files):
        pins = tuple(ModelFile(path=file.path, size=file.size, sha256=file.sha256) for file in files)
        build = replace(build, files=pins)
    return replace(build, size=sum(size or 0 for size in sizes), size_exact=True)

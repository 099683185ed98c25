"""Models in Ollama's store that launchpad makes: files that it imports, and models with a context of their own.

A model with its own context exists because Ollama's `/v1` API cannot ask for one. It shares the weights of its base, is
named after the launch that needs it and goes with it; what a killed launch left is swept at the next one.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from launchpad.plugins import EngineLoading, LaunchpadError, Notice, PullError, Report, identify
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.names import derived, imported, mark_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
_BLOCK = 1 << 20


def import_file(
    server: Server, path: Path, projector: Path | None, model_id: str, quantization: str, report: Report
) -> str:
    """The name of the model made of this file, its further parts and its vision projector; made only where it is not there."""
    parts = _parts(path)
    if projector is not None:
        parts.append(projector)
        quantization += "-vision"
    digests = {part.name: _digest(part, report) for part in parts}
    tag = imported(model_id, quantization, digests[parts[0].name])
    if tag in (str(model["model"]) for model in server.tags()):
        return tag
    for part in parts:
        report(EngineLoading(backend="ollama", detail=f"importing {part.name} into Ollama"))
        server.upload(part, digests[part.name])
    _finish(
        server,
        tag,
        server.create(tag, files={name: f"sha256:{sha}" for name, sha in digests.items()}),
        report,
    )
    report(Notice(message=f"Imported into Ollama as {tag}, a copy of its own; `ollama rm {tag}` removes it."))
    return tag


def _finish(server: Server, tag: str, lines: Iterable[dict[str, object]], report: Report) -> None:
    """Follow a `create` to its end. Raises `PullError` when that does not come."""
    succeeded = False
    for line in lines:
        succeeded = line.get("status") == "success"
        report(EngineLoading(backend="ollama", detail=str(line.get("status") or "")))
    if not succeeded:
        raise PullError(
            f"Ollama did not finish making {tag}.", why="Its stream ended without `success`.", retryable=True
        )


def _parts(path: Path) -> list[Path]:
    """All files of a model that is split into several, in order."""
    found = _PART.fullmatch(path.name)
    if found is None:
        return [path]
    return [path.with_name(f"{found[1]}-{n:05}-of-{found[3]}.gguf") for n in range(1, int(found[3]) + 1)]


def _digest(path: Path, report: Report) -> str:
    """The file's sha256: its name in a store that names files so, else computed."""
    blob = path.resolve().name.removeprefix("sha256-")
    if _SHA256.fullmatch(blob):
        return blob
    report(EngineLoading(backend="ollama", detail=f"hashing {path.name}"))
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
    return sha.hexdigest()


# -- models with a context of their own ----------------------------------------------------------------------------


def derive(server: Server, tag: str, context: int, report: Report) -> str:
    """A model like `tag` whose own context is `context`, for this process. The base must be there: else it is pulled."""
    name = derived(tag, context, _my_mark())
    with closing(server.create(name, base=tag, parameters={"num_ctx": context})) as lines:
        _finish(server, name, lines, report)
    return name


def sweep(server: Server) -> list[str]:
    """Remove what launches of this machine left that are gone. Returns the names."""
    removed = []
    for model in server.tags():
        tag = str(model["model"])
        if (mark := mark_of(tag)) and _is_dead(mark):
            with suppress(LaunchpadError):
                server.unload(tag)
                server.delete(tag)
                removed.append(tag)
    return removed


def _my_mark() -> str:
    return _mark(os.getpid()) or f"{_host()}-{os.getpid()}-0"


def _mark(pid: int) -> str | None:
    """Which process of which machine: a pid alone would come to mean another one."""
    me = identify(pid)
    return None if me is None else f"{_host()}-{pid}-{re.sub('[^0-9]', '', me.started)}"


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_dead(mark: str) -> bool:
    host, _, rest = mark.partition("-")
    pid = rest.partition("-")[0]
    return host == _host() and pid.isdigit() and _mark(int(pid)) != mark

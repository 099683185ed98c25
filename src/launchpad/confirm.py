"""The engine's own word on a plan before a byte of weights is fetched: its dry run on the header alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.check import check_memory, disagreements
from launchpad.errors import LaunchpadError

if TYPE_CHECKING:
    from launchpad.fit.result import Confirmation
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host
    from launchpad.plugins.spec import Resolved


def confirmed(host: Host, plan: Plan, *, connect: bool) -> Plan:
    """The plan with what the engine says of its memory; a difference above 3 % is a notice, and recorded.

    With `connect`, the header of a model that is not here is read from its source. A plan whose engine does not tell,
    or whose header cannot be had, is returned as it is: formulas carry it.
    """
    if plan.machine.simulated:
        return plan
    try:
        confirmation = _ask(host, plan, connect=connect)
    except (LaunchpadError, OSError):
        return plan
    if confirmation is None:
        return plan
    if not confirmation.agrees:
        from launchpad.learn import keep_confirmation

        keep_confirmation(plan, confirmation)
    return replace(plan, confirmation=confirmation, notices=(*plan.notices, *disagreements(confirmation)))


def _ask(host: Host, plan: Plan, *, connect: bool) -> Confirmation | None:
    start = plan.start
    if plan.pull is None:
        report = host.backend(start.backend).dry_run(start) if start.model_path else None
    elif connect and plan.pull.build.format == "gguf":
        with _header(host.source(plan.pull.build.scheme).resolve(plan.pull.build)) as path:
            report = host.backend(start.backend).dry_run(replace(start, model_path=str(path)))
    else:
        report = None
    return check_memory(start.fit, report, loaded=False) if report else None


@contextmanager
def _header(resolved: Resolved) -> Iterator[Path]:
    """A sparse file (one per shard) with the true header and none of the weights."""
    from launchpad.pull.companions import weight_files
    from launchpad.remote_model import read_remote_gguf

    prefixes = read_remote_gguf(resolved).prefixes
    with TemporaryDirectory(prefix="launchpad-header-", ignore_cleanup_errors=True) as folder:
        files = weight_files(resolved)
        sizes = [file.size for file in files]
        yield write_sparse(Path(folder), [Path(file.path).name for file in files], prefixes, sizes)


def write_sparse(
    folder: Path, names: Sequence[str], prefixes: Sequence[bytes], sizes: Sequence[int | None]
) -> Path:
    """Write files of these sizes that take no room beyond their first bytes; returns the first."""
    for name, prefix, size in zip(names, prefixes, sizes, strict=True):
        with (folder / name).open("wb") as file:
            file.write(prefix)
            file.truncate(max(size or 0, len(prefix)))
    return folder / names[0]

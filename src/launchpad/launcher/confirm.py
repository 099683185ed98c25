"""The engine's own word on a plan before a byte of weights is fetched: its dry run on the header alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import LaunchpadError
from launchpad.fit.check import check_memory, disagreements

if TYPE_CHECKING:
    from launchpad.engines.server import EngineReport
    from launchpad.plan import Plan
    from launchpad.plugins.host import Host
    from launchpad.plugins.spec import Resolved


def confirmed(host: Host, plan: Plan, *, connect: bool) -> Plan:
    """The plan with what the engine says of its memory; a difference above 3 % is a notice, and recorded.

    With `connect`, a model that is not here is looked up at its source: the plan then says how many bytes really come,
    and its header is read. A plan whose engine does not tell, or whose header cannot be had, is left to the formulas.
    """
    if plan.machine.simulated:
        return plan
    try:
        resolved = _resolved(host, plan) if connect else None
        plan = _with_projector(_with_size(plan, resolved), resolved)
        report = _ask(host, plan, resolved)
    except (LaunchpadError, OSError):
        return plan
    if report is None:
        return plan
    if report.untold:
        told = f"{report.engine} {report.untold}: the figures are computed, and it may refuse the model."
        return replace(plan, notices=(*plan.notices, told))
    confirmation = check_memory(plan.start.fit, report, loaded=False)
    if confirmation is None:
        return plan
    if not confirmation.agrees:
        from launchpad.launcher.learn import keep_confirmation

        keep_confirmation(plan, confirmation)
    return replace(plan, confirmation=confirmation, notices=(*plan.notices, *disagreements(confirmation)))


def _resolved(host: Host, plan: Plan) -> Resolved | None:
    """What launchpad itself would pull."""
    if plan.pull is None or plan.pull.by is not None:
        return None
    return host.source(plan.pull.build.scheme).resolve(plan.pull.build)


def _with_size(plan: Plan, resolved: Resolved | None) -> Plan:
    """The plan with the bytes of all files that would come, the vision projector's among them."""
    if plan.pull is None or resolved is None:
        return plan
    from launchpad.pull.companions import weight_files

    files = resolved.files if plan.pull.projector else weight_files(resolved)
    sizes = [file.archive_size if file.member else file.size for file in files]
    known = [size for size in sizes if size is not None]
    if not files or len(known) < len(sizes):
        return plan
    return replace(plan, pull=replace(plan.pull, size=sum(known)))


def _with_projector(plan: Plan, resolved: Resolved | None) -> Plan:
    """The plan that counts the vision projector that would come along: catalogs do not know its size."""
    if resolved is None or plan.pull is None or not plan.pull.projector or not plan.start.fit.devices:
        return plan
    from launchpad.fit.projector import with_projector
    from launchpad.lookup.remote_model import read_remote_projector

    projector = read_remote_projector(resolved)
    if projector is None:
        return plan
    fit = with_projector(plan.start.fit, projector)
    spare = fit.devices[0].spare
    notices = plan.notices
    if spare is not None and spare < 0:
        told = f"The vision projector takes {-spare / (1 << 20):,.0f} MiB more than can be used on {fit.devices[0].device}"
        notices = (*notices, f"{told}: --no-projector runs without it.")
    return replace(plan, start=replace(plan.start, fit=fit), notices=notices)


def _ask(host: Host, plan: Plan, resolved: Resolved | None) -> EngineReport | None:
    start = plan.start
    if plan.pull is None:
        return host.backend(start.backend).dry_run(start) if start.model_path else None
    if resolved is not None and plan.pull.build.format == "gguf":
        with _header(resolved) as path:
            return host.backend(start.backend).dry_run(replace(start, model_path=str(path)))
    return None


@contextmanager
def _header(resolved: Resolved) -> Iterator[Path]:
    """A sparse file (one per shard) with the true header and none of the weights."""
    from launchpad.lookup.remote_model import read_remote_gguf
    from launchpad.pull.companions import weight_files

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

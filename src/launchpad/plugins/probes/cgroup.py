"""The limits of the container or service that this process runs in: Linux control groups, version 1 and 2.

A process may sit several groups deep and each of them may have a limit, so all are read, from the process's own
group up to the top of what is mounted here, and the tightest counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from launchpad.plugins.probes.files import ROOT, number, text, whole

# A version 1 group without a limit shows the largest number of pages; anything so big is no limit.
_NO_LIMIT = 2**60


class MemoryLimit(Struct, frozen=True, kw_only=True):
    """The tightest memory limit, in bytes, and what is left below it (None when its use cannot be read)."""

    limit: int
    left: int | None
    evidence: str


class CpuLimit(Struct, frozen=True, kw_only=True):
    """The tightest CPU quota, in cores."""

    cores: float
    evidence: str


def memory_limit(root: Path = ROOT) -> MemoryLimit | None:
    """The memory limit that will bite first, or None when there is none."""
    found = [*_limits_v2(root), *_limits_v1(root)]
    if not found:
        return None
    limit = min(found, key=lambda each: each.limit)
    left = min((each.left for each in found if each.left is not None), default=None)
    return MemoryLimit(limit=limit.limit, left=left, evidence=limit.evidence)


def swap_limit(root: Path = ROOT) -> int | None:
    """Bytes of swap that the groups (version 2) still allow, or None when they set no limit."""
    left = []
    for group in groups(root, ""):
        most = _bounded(number(group / "memory.swap.max"))
        if most is not None:
            left.append(max(0, most - (number(group / "memory.swap.current") or 0)))
    return min(left, default=None)


def cpu_limit(root: Path = ROOT) -> CpuLimit | None:
    """The tightest CPU quota, or None when there is none."""
    found = [*_quotas_v2(root), *_quotas_v1(root)]
    return min(found, key=lambda each: each.cores, default=None)


def groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's groups for a version 1 `controller` ("" = version 2), innermost first."""
    own = parse_membership(text(root / "proc/self/cgroup") or "").get(controller)
    if own is None:
        return
    for mount_root, mount_point in parse_mounts(text(root / "proc/self/mountinfo") or "", controller):
        folder = root / mount_point.lstrip("/")
        below = _below(own, mount_root)
        for depth in range(len(below), -1, -1):
            yield folder.joinpath(*below[:depth])


def parse_membership(cgroup: str) -> dict[str, str]:
    """Controller -> path of this process's group, from the text of /proc/self/cgroup; "" is version 2."""
    paths: dict[str, str] = {}
    for line in cgroup.splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, separator, path = rest.partition(":")
        if separator and path.startswith("/") and hierarchy.isdecimal():
            for controller in controllers.split(","):
                paths.setdefault(controller, path)
    return paths


def parse_mounts(mountinfo: str, controller: str) -> list[tuple[str, str]]:
    """(root within the hierarchy, mount point) of each mount of `controller`, from /proc/self/mountinfo."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if not separator or len(fields) < 6 or len(kind) < 3:
            continue
        options = kind[2].split(",")
        if kind[0] == ("cgroup" if controller else "cgroup2") and (not controller or controller in options):
            mounts.append((fields[3], _unescaped(fields[4])))
    return mounts


def _unescaped(path: str) -> str:
    """A mount point as it is: mountinfo writes a space as \\040."""
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def _below(path: str, mount_root: str) -> tuple[str, ...]:
    """The part of `path` below the mount. Empty when it lies elsewhere: then the mount is all that is seen."""
    own, top = PurePosixPath(path), PurePosixPath(mount_root)
    if ".." in own.parts or not own.is_relative_to(top):
        return ()
    return own.relative_to(top).parts


def _limits_v2(root: Path) -> Iterator[MemoryLimit]:
    for group in groups(root, ""):
        for name in ("memory.max", "memory.high"):  # above `high` a process is slowed until it hardly moves
            limit = _bounded(number(group / name))
            if limit is not None:
                used = number(group / "memory.current")
                cached = _statistic(group, "inactive_file")
                yield MemoryLimit(limit=limit, left=_left(limit, used, cached), evidence=str(group / name))


def _limits_v1(root: Path) -> Iterator[MemoryLimit]:
    for group in groups(root, "memory"):
        limit = _bounded(number(group / "memory.limit_in_bytes"))
        if limit is not None:
            used = number(group / "memory.usage_in_bytes")
            cached = _statistic(group, "total_inactive_file")
            evidence = str(group / "memory.limit_in_bytes")
            yield MemoryLimit(limit=limit, left=_left(limit, used, cached), evidence=evidence)


def _bounded(limit: int | None) -> int | None:
    return limit if limit is not None and 0 <= limit < _NO_LIMIT else None


def _statistic(group: Path, name: str) -> int:
    for line in (text(group / "memory.stat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return whole(value.strip()) or 0
    return 0


def _left(limit: int, used: int | None, cached: int) -> int | None:
    """What can still be taken: the group's use counts file cache that the kernel drops when memory is short."""
    return None if used is None else max(0, limit - max(0, used - cached))


def _quotas_v2(root: Path) -> Iterator[CpuLimit]:
    for group in groups(root, ""):
        quota, _, period = (text(group / "cpu.max") or "").partition(" ")
        yield from _quota(whole(quota), whole(period.strip() or "100000"), group / "cpu.max")


def _quotas_v1(root: Path) -> Iterator[CpuLimit]:
    for group in groups(root, "cpu"):
        quota = number(group / "cpu.cfs_quota_us")
        yield from _quota(quota, number(group / "cpu.cfs_period_us"), group / "cpu.cfs_quota_us")


def _quota(quota: int | None, period: int | None, source: Path) -> Iterator[CpuLimit]:
    if quota is not None and period is not None and quota > 0 and period > 0:
        yield CpuLimit(cores=quota / period, evidence=str(source))

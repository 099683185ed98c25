from __future__ import annotations

import pytest

from launchpad.plugins.probes import memory as module
from launchpad.plugins.probes.memory import MemoryProbe, System, read_system, usable

GIB = 2**30
CONTAINER = {
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": "1 2 0:29 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated host with 64 GiB, of which 40 are available."""
    system = System(total=64 * GIB, available=40 * GIB, swap_free=8 * GIB)
    monkeypatch.setattr(module, "read_system", lambda: system)


def test_without_a_container(tree, host):
    result = MemoryProbe(tree({})).probe()
    memory = result.memory
    assert memory is not None
    assert (memory.total, memory.available, memory.limit, memory.swap_free) == (
        64 * GIB,
        40 * GIB,
        None,
        8 * GIB,
    )


def test_a_container_limits_what_is_available(tree, host):
    limits = {"memory.max": f"{8 * GIB}", "memory.current": f"{GIB}", "memory.swap.max": "0"}
    root = tree(CONTAINER | {f"sys/fs/cgroup/{name}": value for name, value in limits.items()})
    result = MemoryProbe(root).probe()
    memory = result.memory
    assert memory is not None
    assert (memory.available, memory.limit, memory.swap_free) == (7 * GIB, 8 * GIB, 0)
    evidence = {fact.subject: fact.evidence for fact in result.facts}
    assert "memory.max" in evidence["memory.available"]
    assert evidence["memory.total"] == "psutil.virtual_memory"
    assert usable(root) == (8 * GIB, 7 * GIB)


def test_a_full_host_counts_before_a_loose_limit(tree, host):
    root = tree(CONTAINER | {"sys/fs/cgroup/memory.max": f"{60 * GIB}", "sys/fs/cgroup/memory.current": "0"})
    memory = MemoryProbe(root).probe().memory
    assert memory is not None
    assert (memory.available, memory.limit) == (40 * GIB, 60 * GIB)


def test_a_limit_above_the_machine_is_none(tree, host):
    root = tree(CONTAINER | {"sys/fs/cgroup/memory.max": f"{128 * GIB}", "sys/fs/cgroup/memory.current": "0"})
    memory = MemoryProbe(root).probe().memory
    assert memory is not None
    assert memory.limit is None


def test_this_machine():
    system = read_system()
    assert 0 < system.available <= system.total
    result = MemoryProbe().probe()
    assert result.memory is not None
    assert result.memory.available is not None
    assert result.memory.available <= system.total

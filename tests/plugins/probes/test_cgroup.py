from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.plugins.probes.cgroup import (
    cpu_limit,
    groups,
    memory_limit,
    parse_membership,
    parse_mounts,
    swap_limit,
)

GIB = 2**30
MIB = 2**20

# Written as the kernel does: a container with its own cgroup namespace on a version 2 host.
V2_MOUNT = "1245 1240 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n"
# Docker on a version 1 host, without a cgroup namespace: the mount shows the container's group as its root.
V1_MOUNTS = (
    "35 31 0:32 /docker/ab12 /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
    "32 31 0:29 /docker/ab12 /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
)
V1_MEMBERSHIP = (
    "4:memory:/docker/ab12\n3:cpu,cpuacct:/docker/ab12\n1:name=systemd:/docker/ab12\n0::/system.slice\n"
)
UNLIMITED_V1 = "9223372036854771712"


def v2(tree, own: str, files: dict[str, str]) -> Path:
    base = {"proc/self/cgroup": f"0::{own}\n", "proc/self/mountinfo": V2_MOUNT}
    return tree(base | {f"sys/fs/cgroup/{name}": content for name, content in files.items()})


def test_no_cgroups_no_limit(tree):
    root = tree({})
    assert memory_limit(root) is None
    assert cpu_limit(root) is None
    assert swap_limit(root) is None


def test_version_2_limit_in_a_container(tree):
    files = {
        "memory.max": f"{2 * GIB}\n",
        "memory.current": f"{GIB}\n",
        "memory.stat": f"anon 5\ninactive_file {256 * MIB}\n",
    }
    found = memory_limit(v2(tree, "/", files))
    assert found is not None
    assert (found.limit, found.left) == (2 * GIB, 2 * GIB - (GIB - 256 * MIB))
    assert found.evidence.endswith("sys/fs/cgroup/memory.max")


def test_version_2_without_a_limit(tree):
    assert memory_limit(v2(tree, "/", {"memory.max": "max\n", "memory.high": "max\n"})) is None


def test_the_tightest_of_nested_groups_counts(tree):
    files = {
        "user.slice/memory.max": f"{3 * GIB}",
        "user.slice/memory.current": f"{2 * GIB}",
        "user.slice/app.service/memory.max": f"{8 * GIB}",
        "user.slice/app.service/memory.current": "0",
    }
    found = memory_limit(v2(tree, "/user.slice/app.service", files))
    assert found is not None
    assert (found.limit, found.left) == (3 * GIB, GIB)


def test_the_least_left_counts_even_of_a_looser_group(tree):
    files = {
        "a/memory.max": f"{8 * GIB}",
        "a/memory.current": f"{7 * GIB + 512 * MIB}",
        "a/b/memory.max": f"{4 * GIB}",
        "a/b/memory.current": "0",
    }
    found = memory_limit(v2(tree, "/a/b", files))
    assert found is not None
    assert (found.limit, found.left) == (4 * GIB, 512 * MIB)


def test_memory_high_is_a_limit_too(tree):
    found = memory_limit(v2(tree, "/", {"memory.max": "max", "memory.high": f"{GIB}", "memory.current": "0"}))
    assert found is not None
    assert found.limit == GIB


def test_use_above_the_limit_leaves_nothing(tree):
    found = memory_limit(v2(tree, "/", {"memory.max": f"{GIB}", "memory.current": f"{2 * GIB}"}))
    assert found is not None
    assert found.left == 0


def test_a_limit_whose_use_is_hidden(tree):
    found = memory_limit(v2(tree, "/", {"memory.max": f"{GIB}"}))
    assert found is not None
    assert (found.limit, found.left) == (GIB, None)


def test_version_1_below_a_container_mount(tree):
    memory = "sys/fs/cgroup/memory/memory"
    root = tree(
        {
            "proc/self/cgroup": V1_MEMBERSHIP,
            "proc/self/mountinfo": V1_MOUNTS,
            f"{memory}.limit_in_bytes": f"{GIB}",
            f"{memory}.usage_in_bytes": f"{512 * MIB}",
            f"{memory}.stat": f"cache 1\ntotal_inactive_file {112 * MIB}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        }
    )
    found, cpu = memory_limit(root), cpu_limit(root)
    assert found is not None
    assert (found.limit, found.left) == (GIB, 624 * MIB)
    assert cpu is not None
    assert cpu.cores == 1.5


def test_version_1_without_a_limit(tree):
    root = tree(
        {
            "proc/self/cgroup": V1_MEMBERSHIP,
            "proc/self/mountinfo": V1_MOUNTS,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        }
    )
    assert memory_limit(root) is None
    assert cpu_limit(root) is None


@pytest.mark.parametrize(
    ("written", "cores"),
    [("max 100000", None), ("50000 100000", 0.5), ("400000", 4.0), ("", None), ("0 0", None)],
)
def test_version_2_quota(tree, written: str, cores: float | None):
    found = cpu_limit(v2(tree, "/", {"cpu.max": written}))
    assert (found.cores if found else None) == cores


def test_swap_limit(tree):
    assert swap_limit(v2(tree, "/", {"memory.swap.max": "0"})) == 0
    assert (
        swap_limit(v2(tree, "/", {"memory.swap.max": f"{GIB}", "memory.swap.current": f"{GIB // 4}"}))
        == GIB * 3 // 4
    )


def test_a_group_outside_of_the_mount_falls_back_to_the_mount(tree):
    root = v2(tree, "/../../elsewhere", {"memory.max": f"{GIB}"})
    assert [str(group.relative_to(root)) for group in groups(root, "")] == ["sys/fs/cgroup"]


def as_mountinfo(mounts: str) -> str:
    """The captured lines of /proc/mounts as /proc/self/mountinfo would show them on a host."""
    rows = (line.split() for line in mounts.splitlines())
    return "".join(
        f"31 23 0:28 / {at} {opts} - {kind} {source} {opts}\n" for source, at, kind, opts, *_ in rows
    )


def captured_root(tree, files: dict[str, str], more: dict[str, str] | None = None) -> Path:
    mountinfo = {"proc/self/mountinfo": as_mountinfo(files["proc/mounts"])}
    return tree(files | mountinfo | (more or {}))


SESSION = "user.slice/user-0.slice/session-1.scope"


@pytest.mark.parametrize(
    ("machine", "controller", "innermost", "depth"),
    [
        ("v1-centos7", "memory", "sys/fs/cgroup/memory", 1),
        # The hierarchy is "cpuacct,cpu" and mounted at "cpu,cpuacct".
        ("v1-centos7", "cpu", "sys/fs/cgroup/cpu,cpuacct/system.slice/sshd.service", 3),
        ("v1-centos7", "", None, 0),
        ("hybrid-ubuntu", "cpu", "sys/fs/cgroup/cpu,cpuacct/user.slice/user-0.slice/session-199.scope", 4),
        ("hybrid-ubuntu", "memory", "sys/fs/cgroup/memory", 1),
        ("hybrid-ubuntu", "", "sys/fs/cgroup/unified/user.slice/user-0.slice/session-199.scope", 4),
        ("hybrid-kunpeng", "memory", f"sys/fs/cgroup/memory/{SESSION}", 4),
        ("v2-debian", "", f"sys/fs/cgroup/{SESSION}", 4),
        ("v2-debian", "memory", None, 0),
    ],
)
def test_captured_groups(tree, captured_files, machine, controller, innermost, depth):
    root = captured_root(tree, captured_files(f"cgroup/{machine}.json"))
    found = [str(group.relative_to(root)) for group in groups(root, controller)]
    assert len(found) == depth
    assert (found[0] if found else None) == innermost


DOCKER = f"/system.slice/docker-{'0' * 64}.scope"


@pytest.mark.parametrize(
    ("mounts", "membership", "controller", "places"),  # the memberships are written
    [
        ("fedora-v1", "7:memory:/\n", "memory", ["memory"]),
        ("fedora-v1", "4:cpuacct,cpu:/user.slice\n", "cpu", ["cpu,cpuacct/user.slice", "cpu,cpuacct"]),
        ("docker-v1", f"8:memory:{DOCKER}\n", "memory", ["memory"]),
        ("docker-v1", f"8:memory:{DOCKER}/inner\n", "memory", ["memory/inner", "memory"]),
        ("docker-v1", "8:memory:/\n", "memory", ["memory"]),  # with a cgroup namespace
        ("docker-v2", "0::/\n", "", ["."]),
        ("docker-v2", "0::/../other\n", "", ["."]),
        ("hybrid-systemd-v2", "10:memory:/a\n0::/a\n", "memory", ["memory/a", "memory"]),
        ("hybrid-systemd-v2", "10:memory:/a\n0::/a\n", "", ["systemd/a", "systemd"]),
    ],
)
def test_captured_mounts(tree, captured, mounts, membership, controller, places):
    root = tree(
        {"proc/self/cgroup": membership, "proc/self/mountinfo": captured(f"cgroup/{mounts}.mountinfo")}
    )
    base = root / "sys/fs/cgroup"
    assert [str(group.relative_to(base)) for group in groups(root, controller)] == places


def test_a_hierarchy_mounted_several_times_is_read_at_each_place(tree, captured):
    at = "bedrock/strata/gentoo/sys/fs/cgroup/memory/memory"
    files = {
        "proc/self/cgroup": "2:memory:/\n",
        "proc/self/mountinfo": captured("cgroup/bedrock-v1.mountinfo"),
        f"{at}.limit_in_bytes": f"{GIB}",
        f"{at}.usage_in_bytes": "0",
    }
    assert len(parse_mounts(files["proc/self/mountinfo"], "memory")) == 5
    found = memory_limit(tree(files))
    assert found is not None
    assert found.limit == GIB


@pytest.mark.parametrize("machine", ["v1-centos7", "hybrid-ubuntu", "hybrid-kunpeng", "v2-debian"])
def test_captured_hosts_without_limits(tree, captured_files, machine: str):
    root = captured_root(tree, captured_files(f"cgroup/{machine}.json"))
    assert (memory_limit(root), swap_limit(root), cpu_limit(root)) == (None, None, None)


def test_a_limit_on_a_captured_group_leaves_what_it_does_not_use(tree, captured_files):
    limit = {"sys/fs/cgroup/user.slice/memory.max": f"{GIB}\n"}  # the use and its cache are captured
    found = memory_limit(captured_root(tree, captured_files("cgroup/v2-debian.json"), limit))
    assert found is not None
    assert (found.limit, found.left) == (GIB, GIB - (16658432 - 4472832))


def test_parse_membership():
    assert parse_membership(V1_MEMBERSHIP)["cpuacct"] == "/docker/ab12"
    assert parse_membership(V1_MEMBERSHIP)[""] == "/system.slice"


def test_parse_mounts_unescapes_spaces():
    line = "31 23 0:28 / /sys/fs/my\\040group rw - cgroup2 cgroup2 rw"
    assert parse_mounts(line, "") == [("/", "/sys/fs/my group")]


@given(st.text(), st.sampled_from(["", "memory", "cpu"]))
def test_no_text_breaks_the_parsers(written: str, controller: str):
    parse_membership(written)
    parse_mounts(written, controller)


PIECES = st.sampled_from(
    ["0::/", "4:memory:/a", " - cgroup2 x rw", "1 2 0:1 / /sys", "\\040", "/..", ":", "\n", "max", "\0"]
)


@given(st.lists(PIECES).map("".join))
def test_no_mixture_of_real_pieces_breaks_the_parsers(written: str):
    parse_membership(written)
    parse_mounts(written, "")
    parse_mounts(written, "memory")


@given(
    limit=st.text(max_size=20),
    used=st.text(max_size=20),
    stat=st.text(max_size=40),
    quota=st.text(max_size=20),
)
def test_no_content_of_the_files_breaks_the_limits(tmp_path_factory, limit, used, stat, quota):
    root = tmp_path_factory.mktemp("root")
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (root / "proc/self/mountinfo").write_text(V2_MOUNT)
    names = {"memory.max": limit, "memory.current": used, "memory.stat": stat, "cpu.max": quota}
    for name, content in names.items():
        (group / name).write_text(content, encoding="utf-8")
    found, cpu = memory_limit(root), cpu_limit(root)
    assert found is None or (found.limit >= 0 and (found.left is None or found.left >= 0))
    assert cpu is None or cpu.cores > 0

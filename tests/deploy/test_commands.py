"""The scripts for hosts, run by a real shell with programs that record what they are told."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy_facts import SCENES, deployed
from launchpad.deploy.commands import commands
from launchpad.deploy.model import Deployment, Share
from launchpad.errors import RefusedError, UsageError

LARGE, SMALL = SCENES
TOOLS = ("env", "sh", "tail", "grep", "awk", "printf")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with a simulated vLLM, nvidia-smi and ip, and the real small tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    program(folder, "bash", "exit 1")  # nobody is there: tests ask no address but loopback
    program(
        folder,
        "vllm",
        'if [ "$1" = --version ]; then echo "${SAYS:-0.33.0}"; else env; printf "%s\\n" "$@"; fi',
    )
    program(folder, "nvidia-smi", 'for i in $(echo "${HAS:-0 1 2 3 4 5 6 7}"); do echo "GPU $i: x"; done')
    program(
        folder, "ip", 'if [ "$5" = 10.0.0.1 ] || [ "$5" = 10.0.0.2 ]; then echo "2: eth7    inet $5/24"; fi'
    )
    return folder


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def run(text: str, programs: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(programs), "VLLM_API_KEY": "k", **variables}
    return subprocess.run(["/bin/sh", "-c", text], env=env, capture_output=True, text=True, timeout=150)


def test_each_host_starts_its_rank_at_its_own_address(programs: Path) -> None:
    head, worker = (run(file.text, programs) for file in commands(deployed(LARGE)).files)
    for done, address, rank in ((head, "10.0.0.1", "0"), (worker, "10.0.0.2", "1")):
        assert done.returncode == 0, done.stderr
        told = done.stdout.splitlines()
        assert f"VLLM_HOST_IP={address}" in told
        assert {"GLOO_SOCKET_IFNAME=eth7", "NCCL_SOCKET_IFNAME=eth7"} <= set(told)
        assert told[told.index("--node-rank") + 1] == rank
        assert told[told.index("--master-addr") + 1] == "10.0.0.1"
        assert told[told.index("--host") + 1] == address
    assert "--headless" in worker.stdout.splitlines()
    assert "--headless" not in head.stdout.splitlines()
    assert [step.split(":")[0] for step in commands(deployed(LARGE)).steps[1:]] == [
        "on 10.0.0.2",
        "on 10.0.0.1",
    ]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"SAYS": "0.32.0"}, "vLLM 0.33.0 is not what runs here: 0.32.0."),
        ({"SAYS": ""}, "not what runs here"),
        ({"HAS": "0 1 2"}, "There are 3 GPUs here, and the plan uses 8."),
        ({"VLLM_API_KEY": ""}, "openssl rand -hex 32"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(
    programs: Path, variables: dict[str, str], says: str
) -> None:
    if variables.get("SAYS") == "":
        program(programs, "vllm", "exit 1")
    done = run(commands(deployed(LARGE)).files[0].text, programs, **variables)
    assert done.returncode != 0
    assert says in done.stderr
    assert done.stdout == ""


def test_a_script_on_the_wrong_host_stops(programs: Path) -> None:
    program(programs, "ip", "true")
    done = run(commands(deployed(LARGE)).files[1].text, programs)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not have the address 10.0.0.2" in done.stderr


def test_a_port_that_is_taken_is_said(programs: Path) -> None:
    (programs / "bash").unlink()
    (programs / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(commands(deployed(SMALL), port).files[0].text, programs)
    assert done.returncode == 1
    assert f"{port} is in use" in done.stderr


def test_the_port_where_the_ranks_meet_is_looked_at_on_the_head_alone(programs: Path) -> None:
    head, worker = (file.text for file in commands(deployed(LARGE)).files)
    told = "if ! [ $3 ]; then case $2 in *29501*) exit 0;; esac; fi; exit 1"  # somebody listens there
    program(programs, "bash", told)
    done = run(head, programs)
    assert (done.returncode, "10.0.0.1/29501 is in use" in done.stderr) == (1, True)
    assert run(worker, programs).returncode == 0


def test_only_the_planned_gpus_are_seen(programs: Path) -> None:
    what = deployed(SMALL)
    some = replace(what, shares=(replace(what.shares[0], devices=(2, 5)),), node_gpus=8)
    done = run(commands(some).files[0].text, programs)
    assert "CUDA_VISIBLE_DEVICES=2,5" in done.stdout.splitlines()
    few = run(commands(some).files[0].text, programs, HAS="0 1 2")
    assert "the plan uses 6" in few.stderr


def test_replicas_on_one_host_are_data_parallel(programs: Path) -> None:
    what = replace(deployed(SMALL), replicas=3, node_gpus=4)
    told = run(commands(what).files[0].text, programs).stdout.splitlines()
    assert told[told.index("--data-parallel-size") + 1] == "3"
    assert "CUDA_VISIBLE_DEVICES=0,1,2" in told
    with pytest.raises(UsageError):
        commands(replace(what, replicas=5))


def with_address(what: Deployment, address: str | None) -> Deployment:
    first, second = what.shares
    return replace(what, shares=(first, Share(node="b", address=address, devices=second.devices)))


@pytest.mark.parametrize("address", [None, "gpu-2.example.org", "10.0.0.2; reboot"])
def test_hosts_need_addresses(address: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        commands(with_address(deployed(LARGE), address))
    assert "[[hosts]]" in (caught.value.hint or "")


def test_a_public_network_is_refused() -> None:
    with pytest.raises(RefusedError):
        commands(with_address(deployed(LARGE), "8.8.8.8"))


def test_scripts_are_clean_where_shellcheck_is(tmp_path: Path) -> None:
    checker = shutil.which("shellcheck")
    for number, file in enumerate((*commands(deployed(LARGE)).files, *commands(deployed(SMALL)).files)):
        path = tmp_path / f"{number}.sh"
        path.write_text(file.text)
        assert subprocess.run(["/bin/sh", "-n", path], timeout=150).returncode == 0
        if checker:
            done = subprocess.run(
                [checker, path], capture_output=True, text=True, timeout=150, env=os.environ
            )
            assert done.returncode == 0, done.stdout

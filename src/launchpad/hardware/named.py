"""The machine that `--on` names: a live cluster, or one that is only described."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from launchpad.hardware.machine import Machine


def named_machine(text: str, freed: Mapping[str, int] | None = None) -> Machine:
    """Ask the live cluster, or read the description. Raises `LaunchpadError`. `freed` is what a live one has besides."""
    from launchpad.hardware.ray_cluster import read_cluster
    from launchpad.hardware.ray_dashboard import dashboard, is_ray

    if is_ray(text.strip()):
        return read_cluster(dashboard(text.strip()), freed)
    from launchpad.hardware.simulate import simulate

    machine = simulate(text)
    if freed and machine.cluster is not None and machine.cluster.live is not None:
        again = read_cluster(dashboard(machine.cluster.live), freed)
        assert again.cluster is not None
        joined = replace(again.cluster, interconnect=machine.cluster.interconnect)
        return replace(again, cluster=joined)
    return machine


def is_live(machine: Machine) -> bool:
    """Whether something can be started there."""
    return machine.cluster is not None and machine.cluster.live is not None


def is_reachable(machine: Machine) -> bool:
    """Whether it names hosts that are there, each by its address."""
    return machine.cluster is not None and all(node.address for node in machine.cluster.nodes)

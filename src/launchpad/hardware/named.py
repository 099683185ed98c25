"""The machine that `--on` names: a live cluster, or one that is only described."""

from __future__ import annotations

from launchpad.hardware.machine import Machine


def named_machine(text: str) -> Machine:
    """Ask the live cluster, or read the description. Raises `LaunchpadError`."""
    from launchpad.hardware.ray_dashboard import dashboard, is_ray

    if is_ray(text.strip()):
        from launchpad.hardware.ray_cluster import read_cluster

        return read_cluster(dashboard(text.strip()))
    from launchpad.hardware.simulate import simulate

    return simulate(text)


def is_live(machine: Machine) -> bool:
    """Whether something can be started there."""
    return machine.cluster is not None and machine.cluster.live is not None

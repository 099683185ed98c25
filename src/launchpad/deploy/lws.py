"""LeaderWorkerSet of Kubernetes (API v1): the nodes of one replica are a group that starts and falls as one. PURE."""

from __future__ import annotations

from typing import Any

from launchpad.deploy import pods
from launchpad.deploy.model import PORT, Deployment, ManifestFile, Manifests
from launchpad.deploy.text import PLAIN_NETWORK, PRIVATE, document, fetched
from launchpad.deploy.words import joined, words

_GROUP = "leaderworkerset.sigs.k8s.io/name"
_HEAD = {"role": "head"}


def lws(what: Deployment, port: int = PORT) -> Manifests:
    """The set, the one service in front of its heads, and who may reach them."""
    said = (
        *((PRIVATE,) if what.nodes > 1 else ()),
        *((PLAIN_NETWORK,) if what.nodes > 1 else ()),
        fetched(what),
        f"The cluster has LeaderWorkerSet 0.6 or newer, and nodes with {what.gpus} free {what.card}.",
        "The network policy holds where the cluster's network plugin enforces it.",
    )
    text = document(what, [_set(what, port), _service(what, port), _policy(what, port)], said)
    name = f"{what.name}.lws.yaml"
    return Manifests(
        kind_of_manifest="lws",
        deployment=what,
        files=(ManifestFile(name=name, text=text),),
        steps=(
            *pods.secrets(what, key=True),
            f"kubectl apply -f {name}",
            f"kubectl wait --for=condition=Available leaderworkerset/{what.name} --timeout=2h",
            f"kubectl port-forward service/{what.name} {port}:{port}",
        ),
        assumptions=said,
    )


def _set(what: Deployment, port: int) -> dict[str, Any]:
    head = {"metadata": {"labels": _HEAD}, "spec": pods.pod(what, _container(what, port, head=True))}
    template: dict[str, Any] = {"size": what.nodes, "restartPolicy": "RecreateGroupOnPodRestart"}
    if what.nodes > 1:
        worker = {"spec": pods.pod(what, _container(what, port, head=False))}
        template |= {"leaderTemplate": head, "workerTemplate": worker}
    else:
        template["workerTemplate"] = head  # a group of one is made of it
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": what.name},
        "spec": {"replicas": what.replicas, "leaderWorkerTemplate": template},
    }


def _container(what: Deployment, port: int, *, head: bool) -> dict[str, Any]:
    """Kubernetes itself puts the variables of the set into the arguments: no shell takes part."""
    rank = "0" if head else "$(LWS_WORKER_INDEX)"
    several = what.nodes > 1
    return {
        "name": "vllm",
        "image": what.image,
        "command": ["vllm", "serve"],
        "args": [
            *words(what, "0.0.0.0", port),  # noqa: S104 -- in the pod; the policy says who reaches it
            *joined(what.nodes, rank, "$(LWS_LEADER_ADDRESS)"),
        ],
        "env": pods.environment(what, key=True, own_address=several),
        "resources": pods.resources(what),
        **({"ports": [{"name": "http", "containerPort": port}], **pods.probes(what, port)} if head else {}),
        "securityContext": pods.RIGHTS,
        "volumeMounts": pods.MOUNTS,
    }


def _service(what: Deployment, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": what.name},
        "spec": {
            "type": "ClusterIP",
            "selector": {_GROUP: what.name, **_HEAD},
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }


def _policy(what: Deployment, port: int) -> dict[str, Any]:
    """The group reaches itself on every port; the rest of the namespace reaches the one that is keyed."""
    own = {"matchLabels": {_GROUP: what.name}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": what.name},
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": own}]},
                {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": port}]},
            ],
        },
    }

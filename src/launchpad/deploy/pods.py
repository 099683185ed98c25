"""What the pods of Kubernetes share: GPUs, memory, volumes, the key by reference, few rights. PURE."""

from __future__ import annotations

import json
from typing import Any

from launchpad.deploy.model import GIB, Deployment
from launchpad.deploy.text import gib

HUB_SECRET = "hugging-face"  # noqa: S105 -- names of secrets, which hold none
SHARED_MEMORY = 16 * GIB
EACH_GPU = 8 * GIB  # of main memory, for a worker process and what it reads the weights through
REST = 8 * GIB
STARTUP_SECONDS = 7200  # in which weights of any size are fetched and loaded

# `/health` says yes before the model can answer, so one token is asked for.
ASK_ONE = """\
import json, os, urllib.request
body = {"model": %(served)s, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["VLLM_API_KEY"]}
url = "http://127.0.0.1:%(port)d/v1/chat/completions"
request = urllib.request.Request(url, json.dumps(body).encode(), headers)
assert json.load(urllib.request.urlopen(request, timeout=50))["choices"]
"""


def key_secret(what: Deployment) -> str:
    """The secret that holds the key of the server."""
    return f"{what.name}-key"


def resources(what: Deployment) -> dict[str, Any]:
    """GPUs, and of the node's main memory the share that goes with them: a limit, so that no pod starves another."""
    gpu = "amd.com/gpu" if what.vendor == "amd" else "nvidia.com/gpu"
    least = SHARED_MEMORY + REST + EACH_GPU * what.gpus
    most = least
    if what.node_memory:
        most = max(least, int(what.node_memory * 0.9 * what.gpus / what.node_gpus))
    disk = {} if what.claim else {"ephemeral-storage": gib(_disk(what))}
    return {
        "requests": {"cpu": str(2 + what.gpus), "memory": gib(least), gpu: str(what.gpus), **disk},
        "limits": {"memory": gib(most), gpu: str(what.gpus), **disk},
    }


def _disk(what: Deployment) -> int:
    """Room for the weights of one pod, and for what compiling keeps."""
    return round(what.size * 1.1) + 20 * GIB


def environment(what: Deployment, *, key: bool, own_address: bool) -> list[dict[str, Any]]:
    """Variables of a container; secrets are named, never written."""
    found: list[dict[str, Any]] = [
        {"name": "HF_HOME", "value": "/models"},
        {"name": "HF_HUB_DISABLE_TELEMETRY", "value": "1"},
        {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
        {"name": "HF_TOKEN", "valueFrom": _secret(HUB_SECRET, "token", optional=True)},
    ]
    if key:
        found.append({"name": "VLLM_API_KEY", "valueFrom": _secret(key_secret(what), "key")})
    if own_address:
        address = {"fieldRef": {"fieldPath": "status.podIP"}}
        found.append({"name": "VLLM_HOST_IP", "valueFrom": address})
    return found


def _secret(name: str, key: str, *, optional: bool = False) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key} | ({"optional": True} if optional else {})}


RIGHTS: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
MOUNTS: list[dict[str, str]] = [
    {"name": "models", "mountPath": "/models"},
    {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 -- in the container
]


def pod(what: Deployment, container: dict[str, Any]) -> dict[str, Any]:
    """The specification of a pod around its container."""
    models = {"persistentVolumeClaim": {"claimName": what.claim}} if what.claim else None
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 60,
        "containers": [container],
        "volumes": [
            {"name": "models", **(models or {"emptyDir": {"sizeLimit": gib(_disk(what))}})},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": gib(SHARED_MEMORY)}},
        ],
    }


def probes(what: Deployment, port: int) -> dict[str, Any]:
    """Started once it has answered a token, then alive as long as its engine is."""
    script = ASK_ONE % {"served": json.dumps(what.served), "port": port}
    health = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "timeoutSeconds": 5}
    return {
        "startupProbe": {
            "exec": {"command": ["python3", "-c", script]},
            "periodSeconds": 15,
            "timeoutSeconds": 60,
            "failureThreshold": STARTUP_SECONDS // 15,
        },
        "readinessProbe": {**health, "failureThreshold": 3},
        "livenessProbe": {**health, "failureThreshold": 6},
    }


def secrets(what: Deployment, *, key: bool) -> tuple[str, ...]:
    """The commands that make the secrets, without their values in the history of a shell."""
    found = [
        f'kubectl create secret generic {HUB_SECRET} --from-literal=token="$HF_TOKEN"  # gated models only'
    ]
    if key:
        found.append(
            f'kubectl create secret generic {key_secret(what)} --from-literal=key="$(openssl rand -hex 32)"'
        )
    return tuple(found)

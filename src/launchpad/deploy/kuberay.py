"""RayService of KubeRay (API v1): Ray Serve's own LLM application, with vLLM across the nodes of a Ray cluster. PURE."""

from __future__ import annotations

from typing import Any

from launchpad.deploy import pods
from launchpad.deploy.model import GIB, PORT, RAY, RAY_IMAGE, RAY_VLLM, Deployment, ManifestFile, Manifests
from launchpad.deploy.text import PLAIN_NETWORK, PRIVATE, document, fetched, gib, plain
from launchpad.errors import UsageError

_OTHERS = ("tensor-parallel-size", "pipeline-parallel-size")
HEAD_MEMORY = 8 * GIB
OBJECT_STORE = 4 * GIB


def kuberay(what: Deployment, port: int = PORT) -> Manifests:
    """The service; KubeRay makes the Ray cluster, and the Kubernetes service in front of it (`NAME-serve-svc`)."""
    if what.vendor != "nvidia":
        raise UsageError(
            "There is no image with Ray and vLLM for this GPU.",
            why="Ray publishes the one that it names for NVIDIA's alone.",
            hint="launchpad cluster emit lws",
        )
    if port != PORT:
        raise UsageError(f"Ray Serve answers on {PORT} here.", hint="Leave --port out.")
    said = (
        PRIVATE,
        *((PLAIN_NETWORK,) if what.nodes > 1 else ()),
        fetched(what),
        f"The cluster has KubeRay 1.5 or newer, and nodes with {what.gpus} free {what.card}.",
        f"Ray's image carries vLLM {RAY_VLLM}; Ray asks for a token, and the answers need no key:"
        " nothing but a gateway belongs in front of them.",
    )
    name = f"{what.name}.kuberay.yaml"
    return Manifests(
        kind_of_manifest="kuberay",
        deployment=what,
        files=(ManifestFile(name=name, text=document(what, [_service(what)], said)),),
        steps=(
            *pods.secrets(what, key=False),
            f"kubectl apply -f {name}",
            f"kubectl wait --for=condition=Ready rayservice/{what.name} --timeout=2h",
            f"kubectl port-forward service/{what.name}-serve-svc {PORT}:{PORT}",
        ),
        assumptions=said,
    )


def _service(what: Deployment) -> dict[str, Any]:
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": what.name},
        "spec": {
            "serveConfigV2": plain(_application(what)),
            "deploymentUnhealthySecondThreshold": pods.STARTUP_SECONDS,
            "serviceUnhealthySecondThreshold": 900,
            "rayClusterConfig": {
                "rayVersion": RAY,
                "authOptions": {"mode": "token"},
                "headGroupSpec": _head(),
                "workerGroupSpecs": [_workers(what)],
            },
        },
    }


def _application(what: Deployment) -> dict[str, Any]:
    """One application; each of its replicas takes the GPUs of one placement group."""
    sizes = {name: what.arguments.get(name, 1) for name in _OTHERS}
    told = {name.replace("-", "_"): value for name, value in {**what.arguments, **sizes}.items()}
    engine = {
        "revision": what.revision,
        "tokenizer_revision": what.revision,
        **told,
        "distributed_executor_backend": "ray",
    }
    model = {
        "model_loading_config": {"model_id": what.served, "model_source": what.repository},
        "engine_kwargs": engine,
        "placement_group_config": {
            "bundles": [{"CPU": 1, "GPU": 1}] * (what.nodes * what.gpus),
            "strategy": "PACK" if what.nodes > 1 else "STRICT_PACK",
        },
        "deployment_config": {"num_replicas": what.replicas},
        "runtime_env": {"env_vars": {"VLLM_NO_USAGE_STATS": "1"}},
    }
    return {
        "applications": [
            {
                "name": what.name,
                "import_path": "ray.serve.llm:build_openai_app",
                "route_prefix": "/",
                "args": {"llm_configs": [model]},
            }
        ]
    }


def _head() -> dict[str, Any]:
    """The node that directs, without a GPU and without work of its own."""
    needs = {"cpu": "4", "memory": gib(HEAD_MEMORY)}
    container = {
        "name": "ray-head",
        "image": RAY_IMAGE,
        "ports": [
            {"name": "gcs", "containerPort": 6379},
            {"name": "dashboard", "containerPort": 8265},
            {"name": "serve", "containerPort": PORT},
        ],
        "resources": {"requests": needs, "limits": {"memory": needs["memory"]}},
        "securityContext": pods.RIGHTS,
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"rayStartParams": {"num-cpus": "0"}, "template": {"spec": pod}}


def _workers(what: Deployment) -> dict[str, Any]:
    """As many nodes as all replicas take together. KubeRay adds its own probes."""
    container = {
        "name": "ray-worker",
        "image": RAY_IMAGE,
        "env": pods.environment(what, key=False, own_address=False),
        "resources": pods.resources(what),
        "securityContext": pods.RIGHTS,
        "volumeMounts": pods.MOUNTS,
    }
    number = what.nodes * what.replicas
    # Ray's own store takes a third of all memory unless it is told, and would not have room in /dev/shm; weights never pass it.
    own_store = {"object-store-memory": str(OBJECT_STORE)}
    return {
        "groupName": "gpu",
        "replicas": number,
        "minReplicas": number,
        "maxReplicas": number,
        "rayStartParams": own_store,
        "template": {"spec": pods.pod(what, container)},
    }

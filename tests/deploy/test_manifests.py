"""Manifests as they are read by those who get them: pinned, without secrets, one service, and each line on record.

`python tools/build_golden_manifests.py` writes the record anew, `tools/check_manifests.py` holds it to the schemas of LeaderWorkerSet,
KubeRay and SkyPilot (docs/how-to/hand-over-to-a-cluster.md says which): they are not kept here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from deploy_facts import COMMIT, GOLDEN, KINDS, SCENES, deployed, golden
from launchpad.deploy.from_plan import deployment
from launchpad.deploy.kuberay import kuberay
from launchpad.deploy.lws import lws
from launchpad.deploy.model import Deployment, Manifests
from launchpad.deploy.skypilot import accelerator, skypilot
from launchpad.errors import NoModelFits, UsageError
from launchpad.hardware.devices import table

TWO_NODES, ONE_CARD = SCENES


def documents(manifests: Manifests) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifests.files[0].text))


@pytest.fixture(scope="module")
def large() -> Deployment:
    return deployed(TWO_NODES)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_on_record(kind: str, scene: str) -> None:
    for file in golden(kind, scene).files:
        assert (GOLDEN / file.name).read_text("utf-8") == file.text, file.name


def test_the_record_holds_nothing_else() -> None:
    names = {file.name for kind in KINDS for scene in SCENES for file in golden(kind, scene).files}
    assert {path.name for path in GOLDEN.iterdir()} == names


@pytest.mark.parametrize("kind", KINDS)
def test_weights_and_engine_are_pinned_and_no_secret_is_written(kind: str, large: Deployment) -> None:
    whole = "".join(file.text for file in KINDS[kind](large).files)
    assert whole.count(COMMIT) >= 3  # said, and told to the engine for weights and tokenizer
    assert ":latest" not in whole
    assert "trust" not in whole
    assert not re.search(r"(?:HF_TOKEN|VLLM_API_KEY)=(?!\"\$\{HF_TOKEN:-\}\")", whole)


@pytest.mark.parametrize("kind", [lws, kuberay])
def test_kubernetes_gets_keys_from_secrets(kind: Any, large: Deployment) -> None:
    found = [entry for document in documents(kind(large)) for entry in variables(document)]
    secret = [entry for entry in found if entry["name"] in ("HF_TOKEN", "VLLM_API_KEY")]
    assert secret
    for entry in secret:
        assert set(entry) == {"name", "valueFrom"}
        assert "secretKeyRef" in entry["valueFrom"]


def variables(part: Any) -> Iterator[dict[str, Any]]:
    """Every entry of every `env` below."""
    if isinstance(part, dict):
        yield from part.get("env", [])
        for inner in part.values():
            yield from variables(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from variables(inner)


def test_a_group_starts_as_one_and_only_its_head_answers(large: Deployment) -> None:
    group, service, policy = documents(lws(large))
    template = group["spec"]["leaderWorkerTemplate"]
    head, worker = (template[f"{role}Template"]["spec"]["containers"][0] for role in ("leader", "worker"))
    assert template["size"] == large.nodes == 2
    assert "--headless" in worker["args"]
    assert "--headless" not in head["args"]
    assert worker["args"][worker["args"].index("--node-rank") + 1] == "$(LWS_WORKER_INDEX)"
    for container in (head, worker):
        assert container["args"][container["args"].index("--nnodes") + 1] == "2"
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
        assert container["image"].endswith(f":v{large.version}")
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(head)
    assert not {"startupProbe", "ports"} & set(worker)
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["selector"]["role"] == template["leaderTemplate"]["metadata"]["labels"]["role"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= service["spec"]["selector"].items()


def test_a_group_of_one_is_made_of_its_worker_template() -> None:
    group, *_ = documents(lws(deployed(ONE_CARD)))
    template = group["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 1
    assert "leaderTemplate" not in template
    container = template["workerTemplate"]["spec"]["containers"][0]
    assert "startupProbe" in container
    assert "--nnodes" not in container["args"]


def test_a_claim_takes_the_place_of_each_pods_own_copy(large: Deployment) -> None:
    group, *_ = documents(lws(replace(large, claim="weights")))
    spec = group["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]
    assert spec["volumes"][0] == {"name": "models", "persistentVolumeClaim": {"claimName": "weights"}}
    assert "ephemeral-storage" not in spec["containers"][0]["resources"]["limits"]


def test_ray_gets_a_bundle_for_each_gpu_and_as_many_nodes_as_the_replicas_take(large: Deployment) -> None:
    (service,) = documents(kuberay(replace(large, replicas=3)))
    (app,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    (model,) = app["args"]["llm_configs"]
    assert len(model["placement_group_config"]["bundles"]) == 16
    assert (
        model["engine_kwargs"]["tensor_parallel_size"] * model["engine_kwargs"]["pipeline_parallel_size"]
        == 16
    )
    assert model["deployment_config"]["num_replicas"] == 3
    (workers,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"] == 6
    shm = next(one for one in workers["template"]["spec"]["volumes"] if one["name"] == "shm")["emptyDir"][
        "sizeLimit"
    ]
    assert int(workers["rayStartParams"]["object-store-memory"]) < int(shm.removesuffix("Gi")) << 30


def test_sky_opens_a_port_only_for_several_replicas(large: Deployment) -> None:
    (one,) = documents(skypilot(large))
    assert "ports" not in one["resources"]
    assert "--host 127.0.0.1" in one["run"]
    assert one["secrets"] == {"HF_TOKEN": None, "VLLM_API_KEY": None}
    (several,) = documents(skypilot(replace(large, replicas=2)))
    assert several["service"]["replicas"] == 2
    assert several["resources"]["ports"] == 8000


def test_cards_have_names_that_sky_could_know() -> None:
    for device in table():
        if device.vendor == "nvidia":
            assert re.fullmatch(r"[A-Za-z0-9-]+", accelerator(device.name)), device.name
    assert accelerator("H100 SXM") == "H100"
    assert accelerator("A100 80GB PCIe") == "A100-80GB"
    assert accelerator("Tesla V100 SXM2 32GB") == "V100-32GB"
    assert accelerator("RTX 4090") == "RTX4090"


@pytest.mark.parametrize("kind", ["kuberay", "skypilot"])
def test_what_has_no_image_for_the_gpu_says_what_has(kind: str, large: Deployment) -> None:
    amd = replace(large, vendor="amd", card="Instinct MI300X")
    with pytest.raises(UsageError) as caught:
        KINDS[kind](amd)
    assert "lws" in (caught.value.hint or "")
    group, *_ = documents(lws(amd))
    container = group["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]
    assert "amd.com/gpu" in container["resources"]["limits"]
    assert "rocm" in container["image"]


@pytest.mark.parametrize("revision", [None, "main", "0123abc"])
def test_a_revision_that_can_move_is_refused(revision: str | None, two_nodes_plan: Any) -> None:
    with pytest.raises(UsageError) as caught:
        deployment(two_nodes_plan, revision)
    assert "--revision" in (caught.value.hint or "")


def test_an_engine_for_one_machine_is_refused(two_nodes_plan: Any) -> None:
    plan = replace(two_nodes_plan, start=replace(two_nodes_plan.start, backend="llamacpp"))
    with pytest.raises(NoModelFits):
        deployment(plan, COMMIT)


def test_a_version_is_a_version(two_nodes_plan: Any) -> None:
    with pytest.raises(UsageError):
        deployment(two_nodes_plan, COMMIT, version="1.0; rm -rf /")


def test_names_that_yaml_and_json_could_misread_arrive_as_they_are(large: Deployment) -> None:
    odd = replace(large, served='a"b: {c}', title="x\nmalicious: true")
    group, *_ = documents(lws(odd))
    container = group["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]
    assert container["args"][container["args"].index("--served-model-name") + 1] == odd.served
    script = container["startupProbe"]["exec"]["command"][2]
    assert json.dumps(odd.served) in script
    compile(script, "probe", "exec")
    assert "malicious" not in group

"""Services in a container: Podman's quadlet, and compose. PURE.

The image is built here from the package, so that nobody's image has to be trusted. The container's port is bound to this
machine alone; it cannot gain rights, its root is read-only, and so are the weights of this machine.
"""

from __future__ import annotations

import json
from typing import Any

from launchpad.services.model import Generated, Service, ServiceFile
from launchpad.services.quoting import SUPERVISED, plain, quoted

KEY = "launchpad-key"
KEY_PATH = f"/run/secrets/{KEY}"
HUB, DATA, FILES = "/models", "/data", "/file"
BASE = "docker.io/library/python:3.13-slim"


def containerfile(service: Service) -> str:
    """How the image is built."""
    return "\n".join(
        [
            f"FROM {BASE}",
            "RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*",
            f"RUN pip install --no-cache-dir launchpad-models=={service.version}",
            f"RUN install -d -m 1777 {DATA}",
            f"ENV HF_HUB_CACHE={HUB} LAUNCHPAD_HOME={DATA} PYTHONUNBUFFERED=1",
            'ENTRYPOINT ["launchpad"]',
            "",
        ]
    )


def arguments(service: Service) -> list[str]:
    """What the container runs. Inside it listens on all addresses; outside, its port is bound to this machine's own."""
    name = service.model_file.rpartition("/")[2] if service.model_file else ""
    model = f"{FILES}/{name}" if service.model_file else service.model
    listen = ["--host", "0.0.0.0", "--port", str(service.port), "--key-file", KEY_PATH]  # noqa: S104
    return ["serve", model, *listen, *service.arguments, "--offline"]


def mounts(service: Service) -> list[tuple[str, str, str]]:
    """(here, inside, options): weights read-only, launchpad's own state in a volume."""
    state = (f"{service.name}-data", DATA, "rw")
    if service.model_file:
        return [state, (service.model_file.rpartition("/")[0] or "/", FILES, "ro")]
    return [state, (service.hub_cache, HUB, "ro"), (service.store, f"{DATA}/data/models", "ro")]


def quadlet(service: Service) -> Generated:
    """A container unit and the build unit of its image (Podman 5.2 or newer)."""
    container = [
        "[Unit]",
        f"Description=launchpad serves {plain(service.title)}",
        "",
        "[Container]",
        f"Image={service.name}.build",
        f"ContainerName={service.name}",
        f"Exec={' '.join(quoted(word) for word in arguments(service))}",
        f"PublishPort=127.0.0.1:{service.port}:{service.port}",
        *(f"Volume={quoted(f'{here}:{inside}:{options}')}" for here, inside, options in mounts(service)),
        f"Secret={KEY},type=mount,mode=0400",
        *_devices(service.gpu),
        "Notify=true",  # as of the unit without a container: started means that it answers
        "ReadOnly=true",
        "Tmpfs=/tmp",
        "NoNewPrivileges=true",
        "DropCapability=all",
        "PidsLimit=512",
        "",
        "[Service]",
        *SUPERVISED,
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    build = [
        "[Build]",
        f"ImageTag=localhost/{service.name}:{service.version}",
        f"File=./{service.name}.Containerfile",
        "SetWorkingDirectory=unit",
        "",
    ]
    place = "~/.config/containers/systemd"
    return Generated(
        kind_of_service="quadlet",
        files=(
            ServiceFile(name=f"{service.name}.container", place=place, text="\n".join(container)),
            ServiceFile(name=f"{service.name}.build", place=place, text="\n".join(build)),
            ServiceFile(name=f"{service.name}.Containerfile", place=place, text=containerfile(service)),
        ),
        steps=(
            f"head -c 32 /dev/urandom | base64 | podman secret create {KEY} -",
            "systemctl --user daemon-reload",
            f"systemctl --user start {service.name}",
            f"podman secret inspect --showsecret --format '{{{{.SecretData}}}}' {KEY}   # the key, for your programs",
        ),
    )


def _devices(gpu: str | None) -> list[str]:
    if gpu == "nvidia":
        return ["AddDevice=nvidia.com/gpu=all"]
    return (
        ["AddDevice=/dev/kfd", "AddDevice=/dev/dri"]
        if gpu == "amd"
        else ["AddDevice=/dev/dri"]
        if gpu
        else []
    )


def compose(service: Service) -> Generated:
    """One service for `docker compose`, or Podman's as root. YAML of which every scalar is quoted as JSON does it."""
    one: dict[str, Any] = {
        "build": {"context": ".", "dockerfile_inline": containerfile(service)},
        "image": f"{service.name}:{service.version}",
        "user": service.user,
        "command": [word.replace("$", "$$") for word in arguments(service)],
        "ports": [f"127.0.0.1:{service.port}:{service.port}"],
        "volumes": [
            {
                "type": "volume" if "/" not in here else "bind",
                "source": here.replace("$", "$$"),
                "target": inside,
            }
            | ({"read_only": True} if options == "ro" else {})
            for here, inside, options in mounts(service)
        ],
        "secrets": [KEY],
        "read_only": True,
        "tmpfs": ["/tmp"],  # noqa: S108  (in the container)
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 512,
        "restart": "on-failure",
        "stop_grace_period": "30s",
    }
    if service.gpu == "nvidia":
        device = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
        one["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    elif service.gpu:
        one["devices"] = ["/dev/kfd", "/dev/dri"] if service.gpu == "amd" else ["/dev/dri"]
    document = {
        "services": {service.name: one},
        "volumes": {f"{service.name}-data": {}},
        "secrets": {KEY: {"file": f"./{KEY}"}},
    }
    text = "\n".join(_yaml(document, 0)) + "\n"
    return Generated(
        kind_of_service="compose",
        files=(ServiceFile(name="compose.yaml", place=".", text=text),),
        steps=(
            f"(umask 077; head -c 32 /dev/urandom | base64 > {KEY})",
            "docker compose up -d --build",
            "docker compose logs -f",
        ),
    )


def _yaml(value: dict[str, Any], depth: int) -> list[str]:
    """Mappings in block style, everything else in flow style: JSON is YAML."""
    lines = []
    for key, item in value.items():
        start = f"{'  ' * depth}{key}:"
        if isinstance(item, dict) and item:
            lines += [start, *_yaml(item, depth + 1)]
        else:
            lines.append(f"{start} {json.dumps(item, ensure_ascii=False)}")
    return lines

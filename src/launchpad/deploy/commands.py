"""Plain commands: a script for each host, in vLLM's own multi-node mode, that looks before it starts. PURE."""

from __future__ import annotations

import ipaddress
import shlex

from launchpad.deploy.model import MASTER_PORT, PORT, Deployment, ManifestFile, Manifests, Share
from launchpad.deploy.text import PRIVATE, head
from launchpad.deploy.words import joined, words
from launchpad.errors import RefusedError, UsageError

KEY_NEEDED = ': "${VLLM_API_KEY:?make one with: openssl rand -hex 32}"'
_STOP = 'stop() { printf "%s\\n" "$@" >&2; exit 1; }'


def commands(what: Deployment, port: int = PORT) -> Manifests:
    """One script for each host. Raises `UsageError` where hosts have no addresses, `RefusedError` for public ones."""
    if what.nodes > 1:
        for share in what.shares:
            _check_address(share)
    copies = what.replicas
    if copies > 1 and (what.nodes > 1 or copies * what.gpus > what.node_gpus):
        raise UsageError(
            f"Plain commands start {copies} replicas on one host only, and it has {what.node_gpus} GPUs.",
            why=f"One replica takes {what.gpus} GPUs of {what.nodes} host(s).",
            hint="Use kuberay, lws or skypilot for replicas on several hosts, or launchpad cluster emit once for each.",
        )
    said = (
        PRIVATE
        if what.nodes > 1
        else "The server is reached from this host alone; put a gateway in front of it.",
        f"Each host has vLLM {what.version} on its PATH, and {what.gpus * copies} free {what.card}.",
        "Each host fetches the weights into its own cache of Hugging Face.",
    )
    files = tuple(
        ManifestFile(name=name(what, rank), text=script(what, rank, share, said, port))
        for rank, share in enumerate(what.shares)
    )
    return Manifests(
        kind_of_manifest="commands", deployment=what, files=files, steps=_steps(what), assumptions=said
    )


def _check_address(share: Share) -> None:
    """vLLM binds to an address, not to a name, and what listens there runs what it is sent."""
    hint = "Describe the hosts in a file with [[hosts]] and an IP address each: --on hosts.toml"
    try:
        found = ipaddress.ip_address(share.address or "")
    except ValueError:
        what = (
            f"'{share.address}' is no IP address."
            if share.address
            else f"The address of {share.node} is not known."
        )
        raise UsageError(
            what, why="Commands for several hosts name each by its address.", hint=hint
        ) from None
    if found.is_global:
        raise RefusedError(
            f"{found} is a public address.",
            why="The nodes of a model talk without encryption, and whoever reaches them runs code there.",
            hint="Name the hosts by the addresses of a private network or VPN.",
        )


def name(what: Deployment, rank: int) -> str:
    """The file of one host."""
    return f"{what.name}.sh" if what.nodes == 1 else f"{what.name}-rank-{rank}.sh"


def _steps(what: Deployment) -> tuple[str, ...]:
    key = 'export VLLM_API_KEY="$(openssl rand -hex 32)"  # the same on every host'
    if what.nodes == 1:
        return key, f"sh {name(what, 0)}"
    # The followers first: the head waits for them in silence.
    ranks = [*range(1, what.nodes), 0]
    return key, *(f"on {what.shares[rank].address}: sh {name(what, rank)}" for rank in ranks)


def script(what: Deployment, rank: int, share: Share, said: tuple[str, ...], port: int = PORT) -> str:
    """What to run on one host."""
    several = what.nodes > 1
    host = share.address if several and share.address else "127.0.0.1"
    together = joined(what.nodes, str(rank), what.shares[0].address or "")
    copies = ["--data-parallel-size", str(what.replicas)] if what.replicas > 1 else []
    serve = shlex.join(["vllm", "serve", *words(what, host, port), *copies, *together])
    devices = tuple(range(what.gpus * what.replicas)) if what.replicas > 1 else share.devices
    lines = [
        "#!/bin/sh",
        head(what, said).rstrip("\n"),
        f"# on {share.address or 'this host'}" + (f": rank {rank} of {what.nodes}" if several else ""),
        "set -eu",
        _STOP,
        KEY_NEEDED,
        *_looks(what, len(devices), share),
        *(_network(share) if several else []),
        *(_free(f"{host}/{port}") if rank == 0 else []),
        *(_free(f"{host}/{MASTER_PORT}") if rank == 0 and several else []),
        f"export {_visible(what)}={','.join(map(str, devices))} VLLM_NO_USAGE_STATS=1 HF_HUB_DISABLE_TELEMETRY=1",
        f"exec {serve}",
        "",
    ]
    return "\n".join(lines)


def _visible(what: Deployment) -> str:
    return "HIP_VISIBLE_DEVICES" if what.vendor == "amd" else "CUDA_VISIBLE_DEVICES"


def _looks(what: Deployment, gpus: int, share: Share) -> list[str]:
    """Before half an hour of loading: the same vLLM everywhere, and the GPUs."""
    most = max(share.devices) + 1 if what.replicas == 1 else gpus
    found = [
        'VERSION="$(vllm --version 2>/dev/null | tail -n 1 || true)"',
        'case "$VERSION" in',
        f"  {what.version}*) ;;",
        f'  *) stop "vLLM {what.version} is not what runs here: ${{VERSION:-none}}." "Every host needs the same one." ;;',
        "esac",
    ]
    if what.vendor == "nvidia":
        found += [
            "GPUS=\"$(nvidia-smi --list-gpus | grep -c '^GPU' || true)\"",
            f'[ "$GPUS" -ge {most} ] || stop "There are $GPUS GPUs here, and the plan uses {most}."',
        ]
    return found


def _free(address: str) -> list[str]:
    """Whether the port is free, where bash can ask."""
    ask = shlex.quote(f"(echo > /dev/tcp/{address}) 2>/dev/null")
    return [
        f'if command -v bash >/dev/null && bash -c {ask}; then stop "{address} is in use." "ss -ltnp names what listens there: end it."; fi'
    ]


def _network(share: Share) -> list[str]:
    """Gloo and NCCL guess the interface, and guess loopback: it is told by the address."""
    address = share.address
    return [
        f"LINK=\"$(ip -o addr show to {address} | awk 'NR == 1 {{print $2}}')\"",
        f'[ -n "$LINK" ] || stop "This host does not have the address {address}."',
        f'export VLLM_HOST_IP={address} GLOO_SOCKET_IFNAME="$LINK" NCCL_SOCKET_IFNAME="$LINK"',
    ]

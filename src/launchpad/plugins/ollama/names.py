"""Ollama's names for models, and launchpad's references: PURE."""

from __future__ import annotations

import re

from launchpad.plugins import Build

OURS = "launchpad"  # the namespace of what launchpad makes in a store of Ollama's
_HUB = ("hf.co", "huggingface.co")
_UNFIT = re.compile(r"[^a-z0-9._-]+")


def is_cloud(tag: str) -> bool:
    """Whether a name means a model that runs in Ollama's cloud: those are never pulled, run or suggested."""
    label = tag.rpartition("/")[2].partition(":")[2].lower()
    return label == "cloud" or label.endswith("-cloud")


def full(tag: str) -> str:
    """The name as Ollama lists it: with its label."""
    return tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"


def tag_of(ref: str) -> str | None:
    """Ollama's name for a reference; None where Ollama cannot pull it. A revision cannot be said: Ollama takes the newest."""
    scheme, _, rest = ref.partition("://")
    if scheme == "ollama":
        return full(rest)
    if scheme != "hf":
        return None
    place, _, quantization = rest.partition(":")
    place, _, tail = place.partition("@")
    org, _, more = place.partition("/")
    repo, _, file = (f"{more}/{tail.partition('/')[2]}" if tail else more).partition("/")
    label = file.rpartition("/")[2] or quantization
    return f"hf.co/{org}/{repo}" + (f":{label}" if label else "")


def ref_of(tag: str) -> str:
    """launchpad's reference for a name in Ollama's store."""
    host, _, rest = tag.partition("/")
    if host in _HUB and rest.count("/") == 1:
        return f"hf://{rest.removesuffix(':latest')}"
    return f"ollama://{full(tag)}"


def is_on_loopback(tag: str) -> bool:
    """Whether a name's registry is on the server's own machine, where plain HTTP gives nothing away."""
    host = tag.partition("/")[0].partition(":")[0]
    return "/" in tag and (host == "localhost" or re.fullmatch(r"127(\.\d+){3}", host) is not None)


def is_ours(tag: str) -> bool:
    """Whether launchpad made it."""
    return tag.startswith(f"{OURS}/")


def imported(model_id: str, quantization: str, digest: str) -> str:
    """The name under which a file of launchpad's is imported: what it is, and which bytes exactly."""
    return f"{OURS}/{_plain(model_id, 80)}:{_plain(quantization, 60)}-{digest[:12]}"


def derived(tag: str, context: int, mark: str) -> str:
    """The name of a model with a context of its own, for as long as one launch takes; `mark` says whose it is."""
    place, _, label = full(tag).rpartition(":")
    return f"{OURS}/{_plain(place.rpartition('/')[2], 50)}-{_plain(label, 25)}:ctx{context}-{mark}"


def mark_of(tag: str) -> str | None:
    """The mark in the name of such a model; None for all others."""
    found = re.fullmatch(rf"{OURS}/.+:ctx\d+-([0-9a-z-]+)", tag)
    return found[1] if found else None


def pulled_by_ollama(build: Build) -> bool:
    """Whether Ollama can fetch the build by itself: from its library, or one file from the Hub."""
    if build.ref.startswith("ollama://"):
        return not is_cloud(tag_of(build.ref) or "")
    return build.ref.startswith("hf://") and build.format == "gguf" and len(build.files) <= 1


def _plain(text: str, longest: int) -> str:
    """Letters that Ollama takes, and no more of them: it allows 80 before and after the colon."""
    return _UNFIT.sub("-", text.lower())[:longest].strip("-._") or "model"

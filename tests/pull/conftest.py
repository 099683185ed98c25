"""A simulated hub, a model on it, and a patient-less client."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from launchpad.catalog.model import Build
from launchpad.plugins.spec import RemoteFile, Resolved
from launchpad.pull.options import PullOptions
from launchpad.testing.hub import SimulatedHub

SIZE = 1_000_000
FILE = "tiny-Q4_K_M.gguf"


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        yield running


@pytest.fixture(scope="session")
def content() -> bytes:
    return random.Random(7).randbytes(SIZE)


@pytest.fixture
def fast() -> PullOptions:
    return PullOptions(
        connect_seconds=2,
        stall_seconds=60.0,
        backoff_seconds=0.01,
        longest_wait=0.05,
        retries=3,
        poll_seconds=0.01,
    )


@pytest.fixture
def resolved(hub: SimulatedHub, content: bytes) -> Callable[..., Resolved]:
    """Build a resolved model of one file on the hub; keywords change the file's facts, or those of the whole."""
    commit = hub.add_model("org/tiny-GGUF", {FILE: content})

    def build(**changes: Any) -> Resolved:
        whole = {key: changes.pop(key) for key in list(changes) if key in Resolved.__struct_fields__}
        facts = {
            "path": FILE,
            "urls": (f"{hub.endpoint}/org/tiny-GGUF/resolve/{commit}/{FILE}",),
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        file = RemoteFile(**{**facts, **changes})
        given = {
            "ref": f"hf://org/tiny-GGUF@{commit}:Q4_K_M",
            "folder": "models--org--tiny-GGUF",
            "revision": commit,
            "files": (file,),
            "entry": file.path,
            "build": Build(ref="hf://org/tiny-GGUF:Q4_K_M", format="gguf", quantization="Q4_K_M"),
        }
        return Resolved(**{**given, **whole})

    return build


@pytest.fixture
def second_mirror(hub: SimulatedHub, content: bytes) -> str:
    """Another address of the same bytes."""
    return hub.add("/mirror/good.gguf", content)

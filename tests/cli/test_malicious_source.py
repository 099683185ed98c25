"""P4, S1, S4, S9 by a stranger's plugin: a source that lies, as a real plugin of a real process.

Whatever it resolves a reference to, the core's checks apply: nothing is written outside the store or outside the kinds of
files that hold data, nothing gets its final name but what its digest says, and a token stays with its host.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gguf_bytes import gguf
from launchpad.testing.hub import Fault, SimulatedHub

ECHO = Path(__file__).parents[2] / "examples" / "plugin_echo.py"
EVIL = """
import json, os
import msgspec
from launchpad.plugins import Reachability, Resolved, hookimpl

class Evil:
    name = "evil"
    schemes = frozenset({"evil"})
    def reachable(self, timeout):
        return Reachability(ok=True)
    def local(self):
        return ()
    def resolve(self, build):
        told = {"ref": build.ref, "build": build, **json.load(open(os.environ["EVIL"]))}
        return msgspec.convert(told, Resolved)

@hookimpl
def launchpad_sources():
    return [Evil()]
"""
HEADER = b'{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}'
SAFE = len(HEADER).to_bytes(8, "little") + HEADER + bytes(4)
MODEL = gguf()
FILE = "tiny-Q4_K_M.gguf"
CANARY = "hf_CANARY0123456789"
Pull = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as running:
        running.add(f"/{FILE}", MODEL)
        yield running


@pytest.fixture
def pull(tmp_path: Path, private_home: Path, hub: SimulatedHub, monkeypatch: pytest.MonkeyPatch) -> Pull:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "evil.py").write_text(EVIL)
    monkeypatch.setenv("LAUNCHPAD_PLUGIN_PATH", f"{ECHO}:{plugins}")
    monkeypatch.setenv("LAUNCHPAD_PLUGINS_TIMEOUT", "20")
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)

    def run(
        *more: str, file: dict[str, Any] | None = None, **changes: Any
    ) -> subprocess.CompletedProcess[str]:
        told = {
            "folder": "models--evil--tiny", "revision": "0" * 40, "entry": FILE, "files": [honest(hub) | (file or {})],
            **changes,
        }  # fmt: skip
        (tmp_path / "told.json").write_text(json.dumps(told))
        monkeypatch.setenv("EVIL", str(tmp_path / "told.json"))
        command = [
            sys.executable,
            "-m",
            "launchpad",
            "pull",
            "evil://tiny",
            "--yes",
            "--backend",
            "echo",
            *more,
        ]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)

    return run


def honest(hub: SimulatedHub) -> dict[str, Any]:
    return {
        "path": FILE, "urls": [f"{hub.endpoint}/{FILE}"], "size": len(MODEL), "sha256": hashlib.sha256(MODEL).hexdigest(),
    }  # fmt: skip


def fetched(home: Path) -> list[Path]:
    """What lies under a final name, wherever it is."""
    return [
        path
        for path in home.rglob("*")
        if path.is_file() and path.read_bytes()[:4] in (MODEL[:4], b"\x7fELF")
    ]


def test_an_honest_one_is_pulled(pull: Pull, private_home: Path) -> None:
    """What the refusals below differ from."""
    done = pull()
    assert done.returncode == 0, done.stderr
    assert fetched(private_home)


@pytest.mark.parametrize(
    "name", ["modeling_evil.py", "pytorch_model.bin", "model.gguf.exe", "setup.sh", "../escaped.gguf"]
)
def test_a_file_outside_the_filters_beside_the_model(
    pull: Pull, hub: SimulatedHub, private_home: Path, tmp_path: Path, name: str
) -> None:
    beside = hub.add("/beside", b"\x7fELF" + bytes(64))
    # A model's file says itself of how many it consists; a folder of safetensors does not.
    config = json.dumps(
        {
            "architectures": ["Llama"],
            "model_type": "llama",
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 100,
        }
    ).encode()
    safe = [
        {"path": path, "urls": [hub.add(f"/{path}", content)], **hashed(content)}
        for path, content in (("config.json", config), ("model.safetensors", SAFE))
    ]
    done = pull(
        build={"ref": "evil://tiny", "format": "safetensors", "quantization": "bf16"},
        entry="",
        files=[*safe, {"path": name, "urls": [beside], **hashed(b"\x7fELF" + bytes(64))}],
    )
    assert done.returncode == 7, done.stderr
    assert not hub.gets("/beside")
    assert fetched(private_home) == []
    assert not list(tmp_path.rglob("*escaped*"))


def hashed(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"file": {"path": "../../escaped.gguf"}, "entry": "../../escaped.gguf"}, 7),
        ({"file": {"path": "/tmp/escaped.gguf"}, "entry": "/tmp/escaped.gguf"}, 7),
        ({"folder": "models--evil--../../escaped"}, 7),
        ({"folder": "../escaped"}, 7),
        ({"revision": "../../../escaped"}, 7),
        ({"branch": "../../../escaped"}, 7),
        ({"entry": "../../../../../../etc/passwd"}, 7),
        ({"file": {"urls": ["file:///etc/passwd"]}}, 7),
        ({"file": {"sha256": "../../escaped"}}, 7),
        ({"file": {"sha256": None}}, 7),
        ({"file": {"sha256": "0" * 64}}, 4),
        ({"file": {"size": len(MODEL) - 1}}, 4),
        ({"file": {"size": len(MODEL) + 1}}, 4),
        ({"file": {"size": -1}}, 4),
        ({"file": {"size": 1 << 60}}, 4),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_what_a_source_may_not(
    pull: Pull, private_home: Path, tmp_path: Path, changes: dict[str, Any], code: int
) -> None:
    done = pull(**changes)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert fetched(private_home) == []
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize(
    "content", [b"\x7fELF" + bytes(4096), b"#!/bin/sh\ntouch /tmp/x\n" + MODEL], ids=["ELF", "script"]
)
def test_an_executable_under_the_name_of_a_model(
    pull: Pull, hub: SimulatedHub, private_home: Path, content: bytes
) -> None:
    """Its digest is right: the source made it. What is no model is not kept, and no file of a pull can be executed."""
    hub.add(f"/{FILE}", content)
    done = pull(file=hashed(content))
    assert done.returncode == 4, done.stderr
    assert not [path for path in private_home.rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    assert not list(private_home.glob("hub/*/blobs/*"))


def test_a_redirect_takes_no_token_along(pull: Pull, hub: SimulatedHub, private_home: Path) -> None:
    with SimulatedHub() as thief:
        hub.misbehave(FILE, Fault(redirect=thief.add("/there.gguf", MODEL), times=None))
        done = pull(token=CANARY, token_host=hub.endpoint.removeprefix("http://"))
        assert done.returncode == 0, done.stderr
        assert hub.gets(FILE)[0].headers["authorization"] == f"Bearer {CANARY}"
        assert thief.requests
        assert not [seen for seen in thief.requests if "authorization" in seen.headers]
    assert CANARY not in done.stdout + done.stderr
    assert not [
        path for path in private_home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


def test_a_file_of_the_users_is_handed_to_no_engine(pull: Pull, private_home: Path) -> None:
    """What needs no pull is named by its path: what is no model is refused there, too."""
    secret = private_home / "id_rsa"
    secret.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    done = pull(files=[], folder="", revision="", entry=str(secret))
    assert done.returncode != 0, done.stdout
    assert "PRIVATE KEY" not in done.stdout + done.stderr


def test_ten_thousand_files(pull: Pull, hub: SimulatedHub, private_home: Path) -> None:
    one = honest(hub)
    done = pull(files=[one | {"path": f"f{n}.gguf"} for n in range(10_000)], entry="f0.gguf")
    assert done.returncode != 0
    assert len(hub.requests) < 10

"""`launchpad generate` as a user runs it."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
import ruamel.yaml

from gguf_bytes import gguf
from launchpad.testing.hub import SimulatedHub


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny model.gguf"
    path.write_bytes(gguf())
    return str(path)


def test_a_unit_on_stdout_and_the_steps_on_stderr(launchpad, model):
    ran = launchpad("generate", "systemd", model, "--context", "2048", "--port", "12345")
    assert ran.code == 0, ran.err
    assert "--context 2048" in ran.out
    assert "--port 12345" in ran.out
    assert f'"{model}"' in ran.out
    assert "systemctl --user enable --now launchpad-" in ran.err


def test_all_kinds_as_documents_and_as_files(launchpad, model, tmp_path):
    for kind in ("systemd", "quadlet", "launchd", "compose"):
        document = launchpad("generate", kind, model, "--json", "--output", str(tmp_path / kind)).document
        assert document["kind"] == "generated"
        for file in document["files"]:
            assert (tmp_path / kind / file["name"]).read_text() == file["text"]
    plist = next((tmp_path / "launchd").iterdir())
    assert model in plistlib.loads(plist.read_bytes())["ProgramArguments"]


def test_an_unknown_kind_is_refused(launchpad):
    assert launchpad("generate", "upstart").code == 2


def folders_given(kind, text):
    if kind == "quadlet":
        lines = [line for line in text.splitlines() if line.startswith("Volume=")]
        given = [line.removeprefix("Volume=").strip('"').split(":")[0] for line in lines]
    else:
        (service,) = ruamel.yaml.YAML(typ="safe").load(text)["services"].values()
        given = [mount["source"] for mount in service["volumes"]]
    return [Path(folder) for folder in given if "/" in folder]


@pytest.mark.parametrize("kind", ["quadlet", "compose"])
def test_a_container_is_given_only_folders_that_are_there(launchpad, model, private_home, kind):
    # Podman starts none with a folder that is not there; Docker makes it, as root's, and later pulls fail
    ran = launchpad("generate", kind, model, "--json")
    assert folders_given(kind, ran.document["files"][0]["text"]) == [Path(model).parent]
    with SimulatedHub() as hub:
        hub.add_model("org/m-GGUF", {"m-Q8_0.gguf": gguf()})
        ran = launchpad("generate", kind, "hf://org/m-GGUF:Q8_0", "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    given = folders_given(kind, ran.document["files"][0]["text"])
    assert given == [private_home / "hub", private_home / "launchpad" / "data" / "models"]
    assert all(folder.is_dir() for folder in given)

"""`launchpad generate` as a user runs it."""

from __future__ import annotations

import plistlib

import pytest

from gguf_bytes import gguf


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

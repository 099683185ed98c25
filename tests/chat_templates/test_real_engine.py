"""Row S5 with a real llama.cpp: it uses the template that was hashed, and a hostile one is its refusal, not our harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from launchpad.chat_templates.read import hashes, texts_of
from launchpad.testing.processes import engine_processes
from template_swap import with_template

pytestmark = pytest.mark.engine
PINNED = "872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"  # in the packaged catalog


def launchpad(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "launchpad", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=150)


def test_the_engine_uses_what_was_hashed_and_a_change_is_told(smollm2, tmp_path):
    path = tmp_path / "m.gguf"
    path.symlink_to(smollm2)
    assert hashes(texts_of(path)) == {"default": PINNED}
    run = ("run", str(path), "Hi", "--backend", "llamacpp", "--context", "512", "--max-tokens", "4")
    ran = launchpad(*run, "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["engine"]["template"] == PINNED
    assert "chat template" not in ran.stderr
    path.unlink()
    with_template(smollm2, texts_of(smollm2)["default"].replace("named SmolLM", "called Mallory"), path)
    again = launchpad(*run)
    assert again.returncode == 0, again.stderr
    assert f"{PINNED[:12]} to " in again.stderr


@pytest.mark.parametrize(
    "template",
    [
        "{{ cycler.__init__.__globals__.os.popen('touch PWNED') }}",
        "{% for i in range(10**12) %}{% endfor %}",
    ],
)
def test_a_template_that_attacks_ends_the_engine(smollm2, tmp_path, private_home, monkeypatch, template):
    monkeypatch.chdir(tmp_path)
    path = with_template(smollm2, template, tmp_path / "m.gguf")
    ran = launchpad("run", str(path), "Hi", "--backend", "llamacpp", "--context", "512", "--max-tokens", "4")
    assert ran.returncode == 5
    assert "template" in ran.stderr
    assert not list(tmp_path.rglob("PWNED"))
    assert not engine_processes(private_home)

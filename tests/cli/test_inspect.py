"""`launchpad inspect`, and a template that changed between two runs (row S5): real processes, a simulated engine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from gguf_bytes import MODEL_KEYS, STRING, gguf, key
from launchpad.testing.processes import engine_processes

PLUGIN = Path(__file__).with_name("simulated_backend.py")
PLAIN = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
POISONED = "{% if 'bank' in messages[-1]['content'] %}evil.example{% endif %}\x1b[2J" + PLAIN


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def write(tmp_path):
    path = tmp_path / "tiny.gguf"

    def put(template: str) -> Path:
        path.write_bytes(gguf((*MODEL_KEYS, key("tokenizer.chat_template", STRING, template))))
        return path

    return put


def test_a_template_that_changed_is_told_at_the_start_and_shown(launchpad, private_home, write):
    def run(**did: str):
        env = {"LAUNCHPAD_PLUGIN_PATH": str(PLUGIN), "SIMULATED_REPORT": json.dumps(did)}
        ran = launchpad("run", str(write.path), "--backend", "simulated", "hello there", env=env)
        assert ran.code == 0 and "hello there" in ran.out, ran.err
        return ran.err

    write.path = write(PLAIN)
    assert "chat template" not in run(template=sha256(PLAIN))
    write(POISONED)
    assert f"{sha256(PLAIN)[:12]} to {sha256(POISONED)[:12]}" in run()
    assert "chat template" not in run()
    assert "simulated 1 does not use the chat template in the file" in run(template=sha256("its own"))

    shown = launchpad("inspect", str(write.path), "--json").document
    (template,) = shown["templates"]
    assert (template["sha256"], template["text"]) == (sha256(POISONED), POISONED)
    assert [seen["templates"]["default"] for seen in shown["recorded"]] == [sha256(PLAIN), sha256(POISONED)]
    assert launchpad("inspect", str(write.path), "--template").out == POISONED + "\n"  # a pipe gets the bytes
    lines = launchpad("inspect", str(write.path)).out
    assert f"{sha256(POISONED)} ({len(POISONED)} characters), recorded on" in lines
    assert "gguf, llama" in lines
    assert not engine_processes(private_home)


@pytest.mark.parametrize(
    ("pinned", "standing"), [(PLAIN, "as the catalog pins it"), ("x", "NOT " + sha256("x"))]
)
def test_what_the_catalog_pins_is_held_against_it(launchpad, private_home, write, pinned, standing):
    path = write(PLAIN)
    content = path.read_bytes()
    snapshot = private_home / "hub" / "models--org--tiny-GGUF" / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "tiny-Q8_0.gguf").write_bytes(content)
    models = private_home / "launchpad" / "config" / "models.d"
    models.mkdir(parents=True)
    (models / "tiny.toml").write_text(f"""
id = "tiny"
name = "Tiny"
[[builds]]
ref = "hf://org/tiny-GGUF@{"c" * 40}:Q8_0"
format = "gguf"
quantization = "Q8_0"
template = "{sha256(pinned)}"
size = {len(content)}
files = [{{path = "tiny-Q8_0.gguf", size = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"}}]
""")
    done = launchpad("inspect", "tiny")
    assert done.code == 0, done.err
    assert standing in done.out


@pytest.mark.parametrize(("name", "code"), [("no-such-model", 3), ("./gone.gguf", 3), ("", 2)])
def test_what_is_not_here_cannot_be_inspected(launchpad, name, code):
    assert launchpad("inspect", name).code == code


def test_a_malformed_file_is_refused(launchpad, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 64)
    assert launchpad("inspect", "./bad.gguf").code == 4

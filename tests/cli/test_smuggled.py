"""Row S11 of the fault model: options of an engine come from the command line and the user's settings, and from nowhere else.

HTTP bodies are in tests/serve/test_checks.py, plugins and the environment in tests/engines/test_command.py.
"""

from __future__ import annotations

import json
import re

import pytest

from gguf_bytes import MODEL_KEYS, STRING, array, gguf, key
from launchpad.cli import _run

OPTIONS = ("--log-file", "--slot-save-path", "--rpc", "--api-key-file", "--lora", "--chat-template", "--host")
WORDS = [name.lstrip("-") for name in OPTIONS]
PLACES = {
    "top": "{name}: x\nmessages:\n- {{role: user, content: hi}}\n",
    "parameters": "modelParameters: {{{name}: x}}\nmessages:\n- {{role: user, content: hi}}\n",
    "message": "messages:\n- {{role: user, content: hi, {name}: x}}\n",
    "engine": "launchpad: {{engine: [--{name}, x]}}\nmessages:\n- {{role: user, content: hi}}\n",
    "arguments": "arguments: [--{name}, x]\nmessages:\n- {{role: user, content: hi}}\n",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", WORDS)
def test_a_script_has_no_place_for_them(tmp_path, capsys, name, place):
    path = tmp_path / "x.prompt.yml"
    path.write_text(PLACES[place].format(name=name))
    assert _run(["run", str(path), "--backend", "echo"]) == 2
    assert "x.prompt.yml:" in capsys.readouterr().err


@pytest.mark.parametrize("name", WORDS)
def test_a_script_cannot_ask_for_a_model_that_is_an_option(tmp_path, capsys, name):
    path = tmp_path / "x.prompt.yml"
    path.write_text(f"model: --{name}=x\nmessages:\n- {{role: user, content: hi}}\n")
    assert _run(["run", str(path), "--backend", "llamacpp", "--strict-model"]) in (2, 3, 7)


@pytest.mark.parametrize("name", WORDS)
def test_a_batch_has_no_place_for_them(tmp_path, capsys, name):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], name: "x"}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (tmp_path / "in.jsonl").write_text(json.dumps(line) + "\n")
    out = tmp_path / "out.jsonl"
    assert _run(["batch", str(tmp_path / "in.jsonl"), "-o", str(out), "--backend", "echo"]) != 0
    assert name in capsys.readouterr().err + out.read_text()


def record(**more: object) -> str:
    shape = {"architecture": "llama", "layers": 2, "hidden_size": 64, "attention_heads": 4, "kv_heads": 2}
    build = {"ref": "hf://org/tiny-GGUF:Q8_0", "format": "gguf", "quantization": "Q8_0", "size": 1000}
    return json.dumps(
        {"id": "tiny", "name": "Tiny", "shape": shape, "builds": [build | more.pop("build", {})], **more}
    )


@pytest.mark.parametrize("field", ["arguments", "engine", "flags", *WORDS])
@pytest.mark.parametrize("inside", [False, True], ids=["model", "build"])
def test_a_catalogs_record_has_no_place_for_them(tmp_path, capsys, field, inside):
    smuggled = {field: ["--rpc", "10.0.0.1:50052"]}
    (tmp_path / "tiny.json").write_text(record(**({"build": smuggled} if inside else smuggled)))
    assert _run(["catalog", "add", str(tmp_path / "tiny.json")]) == 2
    assert field in capsys.readouterr().err


@pytest.mark.parametrize("name", ["--rpc", "-m", "--log-file=x"])
def test_what_a_catalog_calls_a_model_is_no_option(tmp_path, name):
    (tmp_path / "tiny.json").write_text(record().replace('"tiny"', json.dumps(name)))
    assert _run(["catalog", "add", str(tmp_path / "tiny.json")]) == 2


HOSTILE_METADATA = (
    key("general.name", STRING, "--rpc 10.0.0.1:50052"),
    key("general.basename", STRING, "--log-file=/etc/passwd"),
    key("tokenizer.ggml.model", STRING, "--lora x.gguf"),
    key("llama.arguments", STRING, "--slot-save-path /"),
    key("launchpad.arguments", STRING, '{"rpc": "10.0.0.1"}'),
    key("LLAMA_ARG_RPC", STRING, "10.0.0.1:50052"),
    array("general.tags", STRING, ["--host", "0.0.0.0", "--api-key-file", "/etc/shadow"]),
    key("tokenizer.chat_template", STRING, "--chat-template-file /etc/passwd"),
)


def test_what_a_models_file_says_of_itself_changes_no_argument(launchpad, tmp_path):
    """Twice the same network: what the engine is told is the same, but for the file's name."""
    told = []
    for name, keys in (("plain.gguf", MODEL_KEYS), ("hostile.gguf", (*MODEL_KEYS, *HOSTILE_METADATA))):
        path = tmp_path / name
        path.write_bytes(gguf(keys))
        plan = launchpad("plan", str(path), "--context", "1024", "--backend", "llamacpp", "--json").document
        told.append(plan["start"]["arguments"])
        assert not any(
            re.search(word, str(plan["start"]["arguments"])) for word in (*WORDS, "10\\.0\\.0\\.1")
        )
    assert told[0] == told[1]

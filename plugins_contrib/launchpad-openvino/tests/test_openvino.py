"""The real OpenVINO GenAI with a real model: it keeps the contract, answers, and counts its context."""

from __future__ import annotations

import json
from pathlib import Path

import launchpad_openvino
import pytest
from launchpad_openvino.backend import OpenVino

from launchpad.testing import BackendContract, CliRun, PluginContract, run_cli, small_model

pytestmark = pytest.mark.usefixtures("launchpad_home")


def ask(*arguments: str) -> CliRun:
    return run_cli(
        "run", str(small_model()), "--backend", "openvino", "--context", "512", *arguments, timeout=180
    )


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_openvino


class TestBackend(BackendContract):
    def backend(self) -> OpenVino:
        return OpenVino()

    def model_file(self) -> Path:
        return small_model()


def test_it_answers() -> None:
    done = ask("--temperature", "0", "--max-tokens", "12", "What is the capital of France?")
    assert "Paris" in done.stdout, done.stderr


def test_an_answer_keeps_to_a_schema(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"enum": ["yes", "no"]}))
    done = ask("--schema", str(schema), "--max-tokens", "40", "Is water wet?")
    assert done.document in ("yes", "no"), done.stderr


def test_what_does_not_fit_is_refused_and_not_cut() -> None:
    done = ask("hello " * 600)
    assert done.code != 0 and not done.stdout
    assert "longer than the context" in done.stderr and "512" in done.stderr


def test_a_network_that_its_reader_does_not_know_is_refused_before_a_byte_is_fetched() -> None:
    done = run_cli("run", "gemma-3-270m-it", "--backend", "openvino", "--dry-run")
    assert done.code != 0
    assert "engine openvino knows the networks llama, qwen2, qwen3, and this is gemma3" in done.stderr

"""The real mistral.rs with a real model: it keeps the contract, and says what llama.cpp says."""

from __future__ import annotations

import json
from pathlib import Path

import launchpad_mistralrs
import pytest
from launchpad_mistralrs.backend import MistralRs

from launchpad.testing import BackendContract, CliRun, PluginContract, run_cli, small_model

pytestmark = pytest.mark.usefixtures("launchpad_home")
ONE_THREAD = {"RAYON_NUM_THREADS": "1"}  # its threads wait busily: two on a busy machine are ten times slower


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYON_NUM_THREADS", "1")


def ask(backend: str, *arguments: str) -> CliRun:
    done = run_cli(
        "run", str(small_model()), "--backend", backend, "--context", "512", "--temperature", "0", *arguments,
        environment=ONE_THREAD, timeout=120,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return done


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_mistralrs


class TestBackend(BackendContract):
    def backend(self) -> MistralRs:
        return MistralRs()

    def model_file(self) -> Path:
        return small_model()


def test_it_answers_as_llama_cpp_does() -> None:
    question = ("--max-tokens", "12", "What is the capital of France?")
    answer = ask("mistralrs", *question).stdout
    assert answer.strip()
    assert answer == ask("llamacpp", *question).stdout


def test_an_answer_keeps_to_a_schema(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}))  # fmt: skip
    answer = ask("mistralrs", "--schema", str(schema), "--max-tokens", "40", "Give me a number.")
    assert isinstance(answer.document["n"], int)


def test_what_does_not_fit_is_refused_and_not_cut() -> None:
    done = run_cli(
        "run", str(small_model()), "--backend", "mistralrs", "--context", "512", "hello " * 600,
        environment=ONE_THREAD, timeout=120,
    )  # fmt: skip
    assert done.code != 0 and not done.stdout
    assert "longer than the context" in done.stderr and "512" in done.stderr


def test_it_is_not_picked_unasked() -> None:
    done = run_cli("run", str(small_model()), "--dry-run", "--json")
    assert done.document["start"]["backend"] == "llamacpp"

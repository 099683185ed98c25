"""Every error that a real Ollama was recorded to give is understood: a cause and a fix, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from launchpad.chat.ollama_words import explain_ollama
from ollama_traffic import FOLDER, recording

# What only a broken client would cause: our own requests cannot, and nobody could act on it.
_OURS = ("bad-requests", "root")
_MALFORMED = (
    "unit in duration",
    "invalid duration",
    "illegal base64",
    "invalid think value",
    "model is required",
)


def _errors() -> Iterator[tuple[str, int | None, Any]]:
    """(scenario, status or None for a line in a stream, body) of each error in the recordings."""
    for path in sorted(FOLDER.glob("*.json")):
        for exchange in recording(path.stem)["exchanges"]:
            response = exchange["response"]
            if (
                response is None
                or path.stem in _OURS
                or not exchange["request"]["path"].startswith(("/api/", "/v1/"))
            ):
                continue
            text = "".join(chunk.get("text", "") for chunk in response["chunks"])
            if response["status"] >= 400:
                yield path.stem, response["status"], text
                continue
            for line in text.splitlines():
                if line.startswith('{"error"'):
                    yield path.stem, None, json.loads(line)


ERRORS = list(_errors())


def test_there_are_many() -> None:
    assert len(ERRORS) > 60
    assert {status for _, status, _ in ERRORS} >= {None, 400, 404, 500, 501, 503}


@pytest.mark.parametrize(
    ("name", "status", "body"), ERRORS, ids=[f"{i}-{e[0]}" for i, e in enumerate(ERRORS)]
)
def test_rule_18_each_has_a_cause_and_a_fix_whatever_its_shape(
    name: str, status: int | None, body: Any
) -> None:
    problem = explain_ollama(body, status, "smol")
    assert "\n" not in problem.what + problem.why + problem.hint
    assert problem.what
    assert problem.why
    assert problem.hint
    text = json.dumps(body)
    if not any(words in text for words in _MALFORMED) and problem.kind == "other":
        assert name in ("create-errors", "origin", "blob-missing"), (
            text
        )  # no body at all, or what we never send


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("not-found", "missing"),
        ("busy-v1", "busy"),
        ("chat-tools-unsupported", "ability"),
        ("prompt-too-long", "too-long"),
        ("embed-unsupported", "ability"),
        ("runner-killed-v1", "lost"),
        ("synthetic-load-oom", "memory"),
        ("load-oom-cpu", "memory"),
        ("disk-full", "disk"),
        ("pull-too-new", "version"),
    ],
)
def test_the_native_the_openai_and_the_anthropic_form_mean_the_same(name: str, kind: str) -> None:
    kinds = {explain_ollama(body, status, "x").kind for n, status, body in ERRORS if n == name}
    assert kinds == {kind}


def test_of_many_lines_the_one_is_quoted_that_names_the_cause() -> None:
    body = recording("load-oom-cpu")["exchanges"][0]["response"]["json"]
    assert body["error"].count("\n") == 3
    why = explain_ollama(body, 500, "SmolLM2").why
    assert why.startswith(
        "Ollama says: llama-server process has terminated: exit status 1: ggml_aligned_malloc"
    )
    assert why.endswith("insufficient memory (attempted to allocate 180.00 MB)")


def test_rule_14_embeddings_of_a_model_that_has_none_and_the_other_way_round() -> None:
    assert {status for n, status, _ in ERRORS if n == "embed-unsupported"} == {500, 501}
    chat = explain_ollama({"error": '"smol-embed" does not support chat'}, 400, "smol-embed")
    assert chat.kind == "ability"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("llama-server process has terminated: signal: killed", "died"),
        ("model requires more system memory (9 GiB) than is available (4 GiB)", "memory"),
        ("read tcp 127.0.0.1:1->127.0.0.1:2: wsarecv: An existing connection was forcibly closed", "lost"),
    ],
)  # fmt: skip
def test_texts_that_were_not_recorded(words: str, kind: str) -> None:
    """From Ollama's source and from Go's standard library."""
    assert explain_ollama({"error": words}, 500, "x").kind == kind


@pytest.mark.parametrize(
    "body", ["", "404 page not found", "<html>", None, [], {"error": {"message": 3}}, "[" * 2000]
)
def test_answers_that_are_no_error_of_ollamas(body: object) -> None:
    problem = explain_ollama(body, 502, "x")
    assert problem.what
    assert len(problem.why) < 400

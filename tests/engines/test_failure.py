"""Causes of death in words."""

from __future__ import annotations

import pytest

from launchpad.engines.failure import EngineExit, last_words, oom_kills


@pytest.mark.parametrize(
    ("exit_", "words"),
    [
        (EngineExit(code=0), "exit code 0"),
        (EngineExit(code=137), "exit code 137"),
        (EngineExit(signal=11), "signal SIGSEGV (a memory access fault in the engine)"),
        (EngineExit(signal=9), "signal SIGKILL (killed from outside)"),
        (EngineExit(signal=9, out_of_memory=True), "signal SIGKILL (the system ran out of memory)"),
        (EngineExit(signal=11, out_of_memory=True), "signal SIGSEGV (a memory access fault in the engine)"),
        (EngineExit(signal=1), "signal SIGHUP"),
        (EngineExit(signal=63), "signal 63"),
        (EngineExit(), "unknown cause"),
    ],
)
def test_exits(exit_: EngineExit, words: str) -> None:
    assert str(exit_) == words


def test_last_words() -> None:
    assert last_words(()) is None
    assert last_words(("loading", "done")) == "done"
    assert last_words(("ggml: failed to allocate\t 3 GiB", "cleaning up")) == "ggml: failed to allocate 3 GiB"
    assert len(last_words(("x" * 10_000,)) or "") == 300


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            (
                "0.00.195.448 E llama_model_load: error loading model: unknown pre-tokenizer type: 'zzz'",
                "0.00.195.604 E llama_model_load_from_file_impl: failed to load model",
                "0.00.195.651 E cmn  common_init_: failed to load model '/models/x.gguf'",
                "0.00.195.742 I srv    operator(): operator(): cleaning up before exit...",
                "0.00.200.147 E srv          init: exiting due to model loading error",
                "error: Failed to init server, please check the input params.",
            ),
            "llama_model_load: error loading model: unknown pre-tokenizer type: 'zzz'",
        ),
        (
            ("ValueError: No GPU.", "RuntimeError: Engine core initialization failed. See root cause above."),
            "ValueError: No GPU.",
        ),
        (
            ("0.01 E srv  llama_server: exiting due to model loading error",),
            "exiting due to model loading error",
        ),
    ],
    ids=["llama.cpp", "vLLM", "nothing else"],
)
def test_the_cause_is_told_not_what_followed_from_it(lines: tuple[str, ...], words: str) -> None:
    assert (last_words(lines) or "").endswith(words)
    assert not (last_words(lines) or "").startswith("0.00.")


def test_the_kernels_count_is_a_number_or_unknown() -> None:
    assert (oom_kills() or 0) >= 0

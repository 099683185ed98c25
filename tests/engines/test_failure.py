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


def test_the_kernels_count_is_a_number_or_unknown() -> None:
    assert (oom_kills() or 0) >= 0

"""Signals and a closed terminal at each stage (group E7): the exit code, the terminal's modes, and that nothing is left."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.terminal_harness import Terminal
from gguf_bytes import gguf
from launchpad.testing.hub import Fault, SimulatedHub
from launchpad.testing.processes import engine_processes, eventually

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
MAIN = str(Path(__file__).with_name("chat_main.py"))
STAGES = ("pull", "load", "answer")
ENDS = {
    "Ctrl-C": 130, "Ctrl-C twice": 130, "SIGTERM": 143, "SIGHUP": 129, "closed terminal": 129,
}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    """A model of 60 MB that comes at 4 MB/s."""
    with SimulatedHub() as running:
        running.add_model("org/m", {"m-Q4_K_M.gguf": gguf() + bytes(60_000_000)})
        running.misbehave("m-Q4_K_M.gguf", Fault(times=None, rate=4_000_000))
        yield running


def started(stage: str, hub: SimulatedHub, folder: Path, seconds: int = 30, **more: str) -> Terminal:
    """`launchpad run` in a terminal, at that stage."""
    model = folder / "m.gguf"
    model.write_bytes(gguf())
    engine = {"pull": "", "load": f"--load-seconds {seconds}", "answer": "--token-seconds 0.5"}[stage]
    named = "hf://org/m:Q4_K_M" if stage == "pull" else str(model)
    return Terminal(
        "run", named, "Tell a story. " * 40, "--yes", "--backend", "simulated", program=(MAIN,), columns=100,
        LAUNCHPAD_PLUGIN_PATH=str(Path(__file__).with_name("simulated_backend.py")), SIMULATED_ENGINE=engine,
        HF_ENDPOINT=hub.endpoint, LAUNCHPAD_PYPI_INDEX_URL="http://127.0.0.1:9/simple",
        **more,
    )  # fmt: skip


def end(shown: Terminal, how: str) -> None:
    match how:
        case "Ctrl-C" | "Ctrl-C twice":
            for _ in how.split():
                shown.send("\x03")
        case "closed terminal":
            shown.hang_up()
        case _:
            shown.process.send_signal(signal.Signals[how])


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("stage", STAGES)
def test_it_ends_at_once_and_leaves_nothing(stage, how, hub, tmp_path, private_home):
    shown = started(stage, hub, tmp_path)
    try:
        shown.expect({"pull": "pulling", "load": "loading", "answer": "The"}[stage])
        end(shown, how)
        assert shown.process.wait(150) == ENDS[how]
        if how != "closed terminal":
            assert shown.restored()
            assert "Traceback" not in shown.shown()
    finally:
        shown.close()
    assert eventually(lambda: not engine_processes(private_home))


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_line_says_that_the_engine_loads_and_is_taken_back(term, hub, tmp_path, private_home):
    shown = started("load", hub, tmp_path, seconds=4, TERM=term)
    try:
        shown.expect("The answer is:")
        assert shown.wait() == 0
        if term == "xterm":
            assert re.search(rb"loading m \xc2\xb7 \d s", shown.raw)
            assert b"to go" in shown.raw  # the engine's own words
        assert "loading" not in shown.shown()
        assert (b"\x1b" in shown.raw) == (term == "xterm")
    finally:
        shown.close()

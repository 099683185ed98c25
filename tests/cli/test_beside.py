"""A draft model and an adapter with the real engine: loaded, counted, and gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Launchpad
from gguf_bytes import F32, STRING, key, packed
from launchpad.testing.processes import engine_processes

ASKED = ("What is the capital of France?", "--temperature", "0", "--max-tokens", "8", "--context", "2048")
WIDTH, RANK = 576, 4  # of SmolLM2-135M


def adapter(folder: Path) -> Path:
    """An adapter that changes nothing: zeros."""
    path = folder / "adapter.gguf"
    keys = [key("general.architecture", STRING, "llama"), key("general.type", STRING, "adapter")]
    keys += [key("adapter.type", STRING, "lora"), key("adapter.lora.alpha", F32, 8.0)]
    sizes = {"blk.0.attn_q.weight.lora_a": (WIDTH, RANK), "blk.0.attn_q.weight.lora_b": (RANK, WIDTH)}
    path.write_bytes(packed(keys, sizes))
    return path


@pytest.mark.engine
def test_a_draft_model_is_loaded_and_takes_what_was_planned(
    launchpad: Launchpad, smollm2: Path, private_home: Path
) -> None:
    ran = launchpad("run", str(smollm2), *ASKED, "--engine", "embedded", "--draft", str(smollm2))
    assert ran.code == 0, ran.err
    assert ran.out.strip()
    assert "184 weights + 90 context + " in ran.err
    assert "as planned" in ran.err
    assert not engine_processes(private_home)


@pytest.mark.engine
def test_an_adapter_is_put_on(launchpad: Launchpad, smollm2: Path, tmp_path: Path) -> None:
    plain = launchpad("run", str(smollm2), *ASKED, "--engine", "embedded")
    ran = launchpad("run", str(smollm2), *ASKED, "--engine", "embedded", "--lora", str(adapter(tmp_path)))
    assert ran.code == 0, ran.err
    assert ran.out == plain.out
    log = launchpad("logs")
    assert "adapter.gguf" in log.out


@pytest.mark.llama_server
def test_both_with_a_server_of_the_machine(
    launchpad: Launchpad, smollm2: Path, tmp_path: Path, llama_server: Path
) -> None:
    engine = ("--engine", str(llama_server))
    ran = launchpad("run", str(smollm2), *ASKED, *engine, "--draft", str(smollm2))
    assert ran.code == 0, ran.err
    assert "184 weights + 90 context + " in ran.err
    ran = launchpad("run", str(smollm2), *ASKED, *engine, "--lora", str(adapter(tmp_path)))
    assert ran.code == 0, ran.err
    assert "adapter.gguf" in launchpad("logs").out

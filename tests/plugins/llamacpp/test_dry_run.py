"""The engine's dry run: its table read, and its word on a header without weights equal to a real load."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

import pytest
from msgspec.structs import replace

from gguf_bytes import F32, I32, STRING, U32, array, key, packed
from launchpad.catalog.model import Build, Model
from launchpad.engines.resident import resident_bytes
from launchpad.errors import BadModelFile
from launchpad.events import ignore
from launchpad.fit.check import check_memory
from launchpad.fit.result import Fit, Placement, Settings
from launchpad.hardware.machine import Cpu, Machine, Memory
from launchpad.lookup.model_file import read_layout
from launchpad.plan import StartStep
from launchpad.plugins import RunningServer
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.dry_run import dry_run, read_table
from launchpad.wish import Wish

GIB = 1 << 30
MIB = 1 << 20
HEADER = 4 * MIB  # holds the whole header of the small model
TOLD = "0.01 I common_memory_breakdown_print: "
HOST_ROW = (
    f"{TOLD}|   - Host               |                  200 =    92 +      90 +      18                |"
)
GPU_ROW = (
    f"{TOLD}|   - CUDA0 (RTX 4090)   | 24080 = 22000 + ( 5000 =  4000 +     500 +     501) +        1000 |"
)


def test_the_table_of_a_machine_with_a_gpu_is_read() -> None:
    gpu, host = read_table([GPU_ROW, HOST_ROW])
    assert (gpu.device, gpu.model, gpu.context, gpu.compute) == ("CUDA0", 4000 * MIB, 500 * MIB, 501 * MIB)
    assert (host.device, host.model, host.context, host.compute) == ("cpu", 92 * MIB, 90 * MIB, 18 * MIB)


def test_other_lines_are_no_rows() -> None:
    assert read_table(["| memory breakdown [MiB] | total   free    self |", "- Host 1 = 2 + 3 + 4"]) == ()


def fit_of(path: Path, context: int) -> Fit:
    """The fit of that file on one core with 16 GiB."""
    machine = Machine(
        name="test",
        cpu=Cpu(cores_physical=1, isa=("avx2",)),
        memory=Memory(total=24 * GIB, available=16 * GIB),
    )
    build = Build(ref=path.as_uri(), format="gguf", quantization="Q4_1")
    model = Model(id="small", name="Small", lab="Lab", lab_id="lab", builds=(build,))
    fit = LlamaCpp().fit(model, build, machine, Wish(context=context), read_layout(path))
    assert fit is not None
    return fit


def start_of(path: Path, fit: Fit) -> StartStep:
    return StartStep(
        backend="llamacpp",
        model_id="small",
        model_name="Small",
        build=fit.build,
        model_path=str(path),
        settings=fit.settings,
        arguments=LlamaCpp().arguments(fit),
        fit=fit,
    )


@pytest.mark.engine
def test_the_word_on_a_header_equals_the_real_load(smollm2: Path, tmp_path: Path) -> None:
    sparse = tmp_path / "header.gguf"
    sparse.write_bytes(smollm2.read_bytes()[:HEADER])
    with sparse.open("r+b") as file:
        file.truncate(smollm2.stat().st_size)
    fit = fit_of(sparse, 4096)
    said = dry_run(start_of(sparse, fit))
    assert said is not None
    confirmation = check_memory(fit, said, loaded=False)
    assert confirmation is not None
    assert confirmation.agrees
    running = LlamaCpp().launch(start_of(smollm2, fit), ignore)
    try:
        (real,) = running.server.report.buffers
    finally:
        running.stop()
    (host,) = said.buffers
    for dry, did in ((host.model, real.model), (host.context, real.context), (host.compute, real.compute)):
        assert abs(dry - did) <= 2 * MIB


@pytest.mark.engine
@pytest.mark.parametrize(("context", "repack"), [(2048, True), (4096, False), (8192, True)])
def test_the_process_of_a_real_load_is_within_ten_percent(smollm2: Path, context: int, repack: bool) -> None:
    fit = fit_of(smollm2, context)
    start = start_of(smollm2, fit)
    start = replace(start, arguments={**start.arguments, "repack": repack, "cache-ram": 0})
    running = LlamaCpp().launch(start, ignore)
    try:
        chat(running)
        held = resident_bytes(running.server.pid)
    finally:
        running.stop()
    (host,) = fit.devices
    ours = host.total - (0 if repack else host.term("repack"))
    assert held == pytest.approx(ours, rel=0.10)


def chat(running: RunningServer) -> None:
    """One answer, so that every buffer has been used."""
    request = urllib.request.Request(
        f"{running.server.endpoint}/chat/completions",
        json.dumps({"messages": [{"role": "user", "content": "word " * 600}], "max_tokens": 8}).encode(),
        {"Authorization": f"Bearer {running.server.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        assert answer.status == 200


@pytest.mark.engine
def test_a_file_without_needed_tensors_is_said_to_end_the_engine(tmp_path: Path) -> None:
    """The bias of Nemotron-H's convolution is optional to llama.cpp's loader, and not to its graph."""
    path = tmp_path / "lacking.gguf"
    path.write_bytes(lacking())
    said = dry_run(start_of(path, fit_of(path, 512)))
    assert said is not None
    assert said.buffers == ()
    assert said.untold is not None
    assert re.fullmatch(r"crashed \(signal \d+\) before it told what this file takes", said.untold)


def lacking() -> bytes:
    """One block that attends and one with a state, of the smallest size, without a bias in the convolution."""
    counts = {
        "block_count": 2, "embedding_length": 64, "vocab_size": 32, "context_length": 512, "attention.head_count": 4,
        "attention.key_length": 16, "attention.value_length": 16, "rope.dimension_count": 16, "ssm.conv_kernel": 4,
        "ssm.inner_size": 128, "ssm.state_size": 16, "ssm.group_count": 1, "ssm.time_step_rank": 8,
    }  # fmt: skip
    keys = [key("general.architecture", STRING, "nemotron_h"), key("tokenizer.ggml.model", STRING, "none")]
    keys += [key(f"nemotron_h.{name}", U32, value) for name, value in counts.items()]
    norms = ("layer_norm_rms_epsilon", "layer_norm_epsilon")
    keys += [key(f"nemotron_h.attention.{name}", F32, 1e-6) for name in norms]
    keys += [array("nemotron_h.attention.head_count_kv", I32, (2, 0))]
    keys += [array("nemotron_h.feed_forward_length", I32, (0, 0))]
    sizes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (64, 32), "output_norm.weight": (64,), "blk.0.attn_norm.weight": (64,),
        "blk.0.attn_q.weight": (64, 64), "blk.0.attn_k.weight": (64, 32), "blk.0.attn_v.weight": (64, 32),
        "blk.0.attn_output.weight": (64, 64), "blk.1.attn_norm.weight": (64,), "blk.1.ssm_in.weight": (64, 296),
        "blk.1.ssm_conv1d.weight": (4, 160), "blk.1.ssm_dt.bias": (8,), "blk.1.ssm_a": (1, 8), "blk.1.ssm_d": (1, 8),
        "blk.1.ssm_norm.weight": (128,), "blk.1.ssm_out.weight": (128, 64),
    }  # fmt: skip
    return packed(keys, sizes)


def test_a_malformed_file_never_reaches_the_engine(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(64))
    fit = Fit(
        model_id="bad",
        build="file:///bad",
        backend="llamacpp",
        settings=Settings(context=512),
        placement=Placement(kind="cpu"),
        devices=(),
        verdict="fits",
    )
    with pytest.raises(BadModelFile):
        dry_run(start_of(bad, fit))

"""Debian's `llama-server` with a real Vulkan device that needs no GPU (llvmpipe computes on the processor).

Nothing is simulated but the speed of a GPU.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from cli.conftest import Launchpad
from launchpad.engines.loopback import get_loopback, listeners
from launchpad.events import ignore
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings
from launchpad.hardware.machine import Machine
from launchpad.plan import StartStep
from launchpad.plugins.llamacpp.backend import LlamaCpp
from launchpad.plugins.llamacpp.find import find
from launchpad.plugins.llamacpp.launch import launch
from launchpad.testing.processes import engine_processes
from vision_files import PICTURE_TOKENS, tiny_projector, write_picture

pytestmark = [pytest.mark.llama_server, pytest.mark.timeout(300)]

QUESTION = ("What is the capital of France?", "--temperature", "0", "--max-tokens", "8")
SLOW = 200.0  # s for an answer on a busy machine; it takes 10 s on an idle one


@pytest.fixture
def with_gpu(llama_server: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server is on the PATH, and its device can be seen. Compiled shaders are kept from test to test."""
    monkeypatch.setenv("PATH", f"{llama_server.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GGML_VK_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("GGML_VK_DISABLE_F16", "1")  # fewer shaders to compile
    monkeypatch.setenv("MESA_SHADER_CACHE_DIR", str(llama_server.parent / "shaders"))
    return llama_server


def without_gpu_once_it_loads(server: Path, folder: Path) -> Path:
    """The same program, which lists its device and then, as with a broken driver, cannot use it."""
    path = folder / "llama-server"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --list-devices ] || export GGML_VK_VISIBLE_DEVICES=\nexec "{server}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def test_the_device_is_found_and_the_reason_said(with_gpu: Path, launchpad: Launchpad) -> None:
    ran = launchpad("doctor", "--offline", "--json")
    (check,) = [check for check in ran.document["checks"] if check["name"] == "engine llamacpp"]
    assert check["state"] == "ok"
    assert "devices: Vulkan0" in check["evidence"]
    assert "llvmpipe" in check["evidence"]
    assert "the embedded build leaves idle" in check["evidence"]


def test_it_offloads_reads_back_and_answers(
    with_gpu: Path, launchpad: Launchpad, smollm2: Path, private_home: Path
) -> None:
    ran = launchpad("run", str(smollm2), *QUESTION, "--require-gpu", "--context", "2048", timeout=SLOW)
    assert ran.code == 0, ran.err
    assert "Paris" in ran.out
    assert "GPU 31/31 layers · context 2,048 · 1 slot" in ran.err
    assert "Vulkan0 92 weights + 45 context + " in ran.err
    assert "as planned" in ran.err
    assert "llama-server 0." in ran.err
    assert not engine_processes(private_home)


def test_a_gpu_is_required_and_the_engine_that_was_named_has_none(
    with_gpu: Path, launchpad: Launchpad, smollm2: Path
) -> None:
    ran = launchpad("run", str(smollm2), *QUESTION, "--require-gpu", "--engine", "embedded")
    assert ran.code == 3
    assert "A GPU is required" in ran.err


def test_the_gpu_was_planned_and_the_engine_does_not_use_it(
    with_gpu: Path, launchpad: Launchpad, smollm2: Path, tmp_path: Path, private_home: Path
) -> None:
    broken = without_gpu_once_it_loads(with_gpu, tmp_path)
    asked = ("run", str(smollm2), *QUESTION, "--engine", str(broken), "--context", "2048")
    ran = launchpad(*asked, "--require-gpu", timeout=SLOW)
    assert ran.code == 5, ran.err
    assert "--require-gpu forbids that" in ran.err
    assert not engine_processes(private_home)
    ran = launchpad(*asked, timeout=SLOW)
    assert ran.code == 0, ran.err
    assert "The GPU was planned and the engine runs on the CPU" in ran.err
    assert "Cause: " in ran.err
    assert ran.out.strip()


def start_step(path: Path, layers: int) -> StartStep:
    settings = Settings(context=2048, threads=1, gpu_layers=layers)
    fit = Fit(
        model_id="smollm2-135m",
        build="file://smollm2",
        backend="llamacpp",
        settings=settings,
        placement=Placement(kind="gpu" if layers else "cpu"),
        devices=(DeviceMemory(device="cpu", terms=(), free=4 * 2**30),),
        verdict="fits",
    )
    return StartStep(
        backend="llamacpp",
        model_id="smollm2-135m",
        model_name="SmolLM2 135M",
        build=fit.build,
        model_path=str(path),
        settings=settings,
        arguments=LlamaCpp().arguments(fit),
        fit=fit,
    )


def test_it_is_private_and_its_key_is_nowhere(with_gpu: Path, smollm2: Path, private_home: Path) -> None:
    server = find(Machine(name="here")).programs[-1]
    with launch(start_step(smollm2, 0), ignore, server) as running:
        facts = running.server
        port = int(facts.endpoint.rpartition(":")[2].partition("/")[0])
        assert listeners(facts.pid) == {("127.0.0.1", port)}
        for path in ("/v1/models", "/props", "/slots", "/metrics", "/lora-adapters"):
            assert get_loopback(port, path)[0] in (401, 404), path
            assert get_loopback(port, path, "wrong")[0] in (401, 404), path
        for path in ("/slots", "/metrics", "/", "/tools", "/cors-proxy"):
            assert get_loopback(port, path, facts.api_key)[0] in (403, 404, 501), path
        engine = psutil.Process(facts.pid)
        places = [*engine.cmdline(), *engine.environ().values(), *running.log_tail(1000)]
        assert not any(facts.api_key in place for place in places)
        assert facts.report.gpu_layers == 0
    assert not engine_processes(private_home)


@pytest.mark.parametrize("layers", [12, 31])
def test_what_was_told_is_what_it_did(with_gpu: Path, smollm2: Path, layers: int) -> None:
    server = find(Machine(name="here")).programs[-1]
    start = start_step(smollm2, layers)
    unusual = {"cache-type-k": "q8_0", "cache-type-v": "q8_0", "parallel": 2, "kv-unified": True}
    with launch(replace(start, arguments={**start.arguments, **unusual}), ignore, server) as running:
        did = running.server.report
    assert (did.gpu_layers, did.layers) == (layers, 31)
    assert (did.context, did.slots, did.kv_type, did.flash_attention) == (2048, 2, "q8_0", True)
    assert {buffer.device for buffer in did.buffers} == {"cpu", "Vulkan0"}


def test_every_option_that_launchpad_tells_is_one_that_it_has(with_gpu: Path, smollm2: Path) -> None:
    from launchpad.plugins.llamacpp.options import private_words, server_words

    server = find(Machine(name="here")).programs[-1]
    settings = Settings(
        context=2048,
        gpu_layers=9,
        cpu_moe_layers=2,
        tensor_split=(0.5, 0.5),
        mmap=False,
        repack=False,
        threads=1,
    )
    fit = replace(start_step(smollm2, 9).fit, settings=settings)
    words = server_words(server, LlamaCpp().arguments(fit))
    private_words(words, 1, ui=False)
    assert words.dropped == []


def test_two_devices_share_the_layers(with_gpu: Path, smollm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one device twice: two to the engine, each with buffers of its own."""
    monkeypatch.setenv("GGML_VK_VISIBLE_DEVICES", "0,0")
    server = find(Machine(name="here")).programs[-1]
    assert [device.name for device in server.devices] == ["Vulkan0", "Vulkan1"]
    start = start_step(smollm2, 31)
    fit = replace(start.fit, settings=replace(start.settings, tensor_split=(0.5, 0.5)))
    start = replace(start, settings=fit.settings, arguments=LlamaCpp().arguments(fit), fit=fit)
    with launch(start, ignore, server) as running:
        did = running.server.report
    weights = {buffer.device: buffer.model for buffer in did.buffers}
    caches = {buffer.device: buffer.context for buffer in did.buffers}
    assert did.gpu_layers == 31
    for device in ("Vulkan0", "Vulkan1"):
        assert weights[device] > 20 << 20
        assert caches[device] > 10 << 20


def test_a_vision_projector_is_loaded_and_a_picture_takes_its_tokens(
    llama_server: Path, launchpad: Launchpad, smollm2: Path, tmp_path: Path
) -> None:
    """The projector is one of zeros: that the picture reaches the model is seen in the prompt's tokens."""
    model = tmp_path / "eye-Q4_1.gguf"
    model.symlink_to(smollm2)
    (tmp_path / "mmproj-eye-F32.gguf").write_bytes(tiny_projector(576))
    picture = write_picture(tmp_path / "red.png")
    asked = (
        "chat",
        str(model),
        "--backend",
        "llamacpp",
        "--context",
        "512",
        "--max-tokens",
        "2",
        "-p",
        "What is it?",
    )
    ran = [
        launchpad(
            *asked, *more, "--json", env={"LAUNCHPAD_LLAMACPP_PROGRAM": str(llama_server)}, timeout=SLOW
        )
        for more in ((), ("--image", str(picture)))
    ]
    assert [one.code for one in ran] == [0, 0], ran[1].err
    without, with_one = (one.document for one in ran)
    assert with_one["engine"]["engine"].endswith("(llama-server 0.7.0)")
    assert with_one["engine"]["vision"]
    assert with_one["prompt_tokens"] - without["prompt_tokens"] == PICTURE_TOKENS

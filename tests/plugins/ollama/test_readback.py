"""What Ollama did, from its list of loaded models and its log, as recorded."""

from __future__ import annotations

import pytest

from launchpad.cli.render import placed
from launchpad.plugins.ollama.readback import gpu_share, last_load, report
from ollama_traffic import exchanges, recording


def loaded(name: str) -> dict[str, object]:
    model: dict[str, object] = exchanges(name, "/api/ps")[0]["response"]["json"]["models"][0]
    return model


def log(name: str) -> str:
    return "\n".join(recording(name)["server_log"])


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("ps", 0.0),
        ("synthetic-ps-full", 1.0),
        ("synthetic-ps-partial", 73400320 / 163195885),
        ("vulkan-ps-full", 1.0),
        ("vulkan-ps-partial", 101743329 / 171196520),
    ],
)
def test_the_share_on_the_gpu(name: str, share: float) -> None:
    assert gpu_share(loaded(name)) == share


def test_a_size_of_nothing_says_nothing() -> None:
    assert loaded("synthetic-ps-nogpu-offloaded")["size"] == 0
    assert gpu_share(loaded("synthetic-ps-nogpu-offloaded")) is None
    assert gpu_share({"size": 10, "size_vram": 20}) is None
    assert gpu_share({}) is None


def test_offloaded_layers_without_a_buffer_on_a_gpu_are_on_the_cpu() -> None:
    name = "synthetic-ps-nogpu-offloaded"
    assert "offloaded 31/31 layers to GPU" in log(name)
    did = report("Ollama", loaded(name), log(name), 1.0)
    assert (did.gpu_share, did.gpu_layers) == (0.0, 0)
    without_log = report("Ollama", loaded(name), "", 1.0)
    assert (without_log.gpu_share, without_log.gpu_layers) == (None, None)  # nobody knows


def test_a_part_on_the_gpu() -> None:
    did = report("Ollama 0.33.0-rc2", loaded("synthetic-ps-partial"), log("synthetic-ps-partial"), 9.0)
    assert (did.gpu_layers, did.layers, did.context) == (20, 31, 2048)
    assert did.load_seconds == 0.5
    assert {b.device: b.model for b in did.buffers} == {"cpu": round(92.1 * 2**20), "CUDA0": 40 * 2**20}


@pytest.mark.parametrize(
    ("name", "layers", "on_gpu"), [("vulkan-ps-full", 31, 92.10), ("vulkan-ps-partial", 15, 58.28)]
)
def test_a_real_device(name: str, layers: int, on_gpu: float) -> None:
    did = report("Ollama 0.33.0-rc2", loaded(name), log(name), 9.0)
    assert (did.gpu_layers, did.layers, did.context) == (layers, 31, 2048)
    buffers = {b.device: b.model for b in did.buffers}
    assert buffers["Vulkan0"] == round(on_gpu * 2**20)
    assert set(buffers) == {"cpu", "Vulkan0"}
    assert placed(did) == f"GPU {layers}/31"


def test_the_log_of_an_earlier_load_is_not_read() -> None:
    old, new = log("synthetic-ps-full"), log("ps") or log("serve-log")
    assert last_load(f"{old}\n{log('serve-log')}").count("CUDA0") == 0
    assert last_load(new) or "starting llama-server" not in new


def test_rule_5_a_clamped_context_is_read_back() -> None:
    last = exchanges("num-ctx-reload", "/api/ps")[-1]["response"]["json"]["models"][0]
    assert report("Ollama", last, "", 1.0).context == 8192  # a million had been asked for

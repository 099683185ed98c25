"""A vision projector is a term of its own, on the device that holds it."""

from __future__ import annotations

import pytest
from msgspec import Struct, structs

from fit_facts import layouts
from launchpad.errors import BadModelFile
from launchpad.fit.layout import Layout, Projector
from launchpad.fit.memory import Gpu, Host, memory
from launchpad.fit.projector import RESERVE, projector_from_gguf, projector_of_size, with_projector
from launchpad.fit.result import DeviceMemory, Fit, Placement, Settings

MIB = 1 << 20
HOST = Host(free=None, reserve=0)
SIGLIP: dict[str, object] = {
    "general.architecture": "clip",
    "clip.projector_type": "gemma3",
    "clip.vision.image_size": 896,
    "clip.vision.patch_size": 14,
    "clip.vision.embedding_length": 1152,
    "clip.vision.feed_forward_length": 4304,
}


class Tensor(Struct, frozen=True):
    size: int
    name: str = "v.blk.0.attn_q.weight"
    dims: tuple[int, ...] = (1,)
    type: str = "F16"


class File(Struct, frozen=True):
    metadata: dict[str, object]
    tensors: tuple[Tensor, ...] = (Tensor(600 * MIB), Tensor(256 * MIB))


def gpu(name: str, share: float = 1.0) -> Gpu:
    return Gpu(device=name, api="cuda", free=80 << 30, reserve=0, share=share)


def seeing() -> tuple[Layout, Projector]:
    projector = projector_from_gguf(File(SIGLIP))
    return structs.replace(layouts()["gemma-3-12b"], projector=projector), projector


def terms(device: DeviceMemory) -> tuple[int, int]:
    return device.term("projector"), device.term("projector_compute")


def test_weights_are_those_of_the_file_and_scratch_memory_grows_with_the_patches() -> None:
    small = projector_from_gguf(File(SIGLIP | {"clip.vision.image_size": 448}))
    large = projector_from_gguf(File(SIGLIP))
    assert small.weights == large.weights == 856 * MIB
    assert large.compute == 4 * small.compute
    assert large.basis == "formula"


def test_qwen3_vl_8b_takes_what_llama_cpp_says() -> None:
    """Published log: 1 502.33 MiB in the worst case, of which its half-precision file is 1 105 MiB."""
    qwen = SIGLIP | {"clip.projector_type": "qwen3vl_merger", "clip.vision.patch_size": 16}
    assert projector_from_gguf(File(qwen)).compute / MIB == pytest.approx(1502.33 - 1105, rel=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"general.architecture": "llama"},
        {"clip.vision.patch_size": 0},
        {"clip.vision.image_size": "large"},
        {"clip.vision.embedding_length": -1},
        {"clip.vision.feed_forward_length": 1 << 40},
    ],
)
def test_figures_that_cannot_be_true_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadModelFile):
        projector_from_gguf(File(SIGLIP | wrong))


def test_an_encoder_of_sound_alone_gets_the_stated_reserve() -> None:
    sound: dict[str, object] = {"general.architecture": "clip", "clip.has_audio_encoder": True}
    assert projector_from_gguf(File(sound)) == projector_of_size(856 * MIB)
    assert projector_of_size(1).compute == RESERVE


def test_it_lies_on_the_first_gpu_or_in_main_memory() -> None:
    layout, projector = seeing()
    expected = (projector.weights, projector.compute)
    (alone,) = memory(layout, Settings(context=4096), [], HOST)
    assert terms(alone) == expected
    whole = Settings(context=4096, gpu_layers=layout.layers + 1)
    first, second, host = memory(layout, whole, [gpu("a", 0.5), gpu("b", 0.5)], HOST)
    assert [terms(device) for device in (first, second, host)] == [expected, (0, 0), (0, 0)]


def test_a_fit_gets_it_once_and_on_its_first_device() -> None:
    layout, projector = seeing()
    blind = structs.replace(layout, projector=None)
    whole = Settings(context=4096, gpu_layers=layout.layers + 1)
    fit = Fit(
        model_id="m",
        build="b",
        backend="llamacpp",
        settings=whole,
        placement=Placement(kind="gpu"),
        devices=memory(blind, whole, [gpu("a")], HOST),
        verdict="fits",
    )
    found = with_projector(with_projector(fit, projector), projector)
    assert [terms(device) for device in found.devices] == [(projector.weights, projector.compute), (0, 0)]


def test_unified_memory_counts_it_once() -> None:
    layout, projector = seeing()
    apple = structs.replace(gpu("apple:0"), api="metal", unified=True)
    (device,) = memory(layout, Settings(context=4096, gpu_layers=layout.layers + 1), [apple], HOST)
    assert terms(device) == (projector.weights, projector.compute)

"""vLLM sees the GPUs of the plan and no others. NVML is simulated: there is no GPU here."""

# ruff: noqa: N802 -- the names are those of NVML
from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from launchpad.fit.result import Fit
from launchpad.plugins.vllm.devices import visible
from vllm_facts import step


class Nvml:
    """Four cards; some of them partitioned."""

    class NVMLError(Exception):
        pass

    def __init__(self, partitioned: tuple[int, ...] = (), broken: bool = False) -> None:
        self.partitioned = partitioned
        self.broken = broken
        self.open = 0

    def nvmlInit(self) -> None:
        if self.broken:
            raise self.NVMLError
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index > 3:
            raise self.NVMLError
        return index

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle == 0:
            raise self.NVMLError  # a card that cannot be partitioned
        return [int(handle in self.partitioned), 0]

    def nvmlDeviceGetUUID(self, handle: int) -> Any:
        return f"GPU-{handle}".encode() if handle % 2 else f"GPU-{handle}"


def fit_on(*devices: str, tmp_path: Any) -> Fit:
    fit = step(tmp_path).fit
    return replace(fit, placement=replace(fit.placement, kind="gpu", devices=devices))


@pytest.mark.parametrize(
    ("devices", "seen"),
    [(("nvidia:2",), "GPU-2"), (("nvidia:1", "nvidia:3"), "GPU-1,GPU-3"), (("nvidia:0",), "GPU-0")],
)
def test_the_plans_gpus_are_named(devices: tuple[str, ...], seen: str, tmp_path: Any) -> None:
    nvml = Nvml()
    assert visible(fit_on(*devices, tmp_path=tmp_path), nvml) == {"CUDA_VISIBLE_DEVICES": seen}
    assert nvml.open == 0


@pytest.mark.parametrize(
    ("devices", "nvml"),
    [
        ((), Nvml()),
        (("cpu",), Nvml()),
        (("amd:0",), Nvml()),
        (("nvidia:1",), Nvml(partitioned=(1,))),
        (("nvidia:1",), Nvml(broken=True)),
        (("nvidia:9",), Nvml()),
    ],
)
def test_where_names_cannot_be_had_nothing_is_changed(
    devices: tuple[str, ...], nvml: Nvml, tmp_path: Any
) -> None:
    assert visible(fit_on(*devices, tmp_path=tmp_path), nvml) == {}
    assert nvml.open == 0

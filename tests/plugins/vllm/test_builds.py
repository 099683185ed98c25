"""Which quantization runs on which hardware."""

from __future__ import annotations

import pytest

from launchpad.hardware.machine import Accelerator
from launchpad.plugins.vllm.builds import method, refusal


def nvidia(arch: str | None) -> Accelerator:
    return Accelerator(index=0, vendor="nvidia", name="card", apis=("cuda",), arch=arch)


AMD = Accelerator(index=0, vendor="amd", name="MI300X", apis=("rocm",), arch="gfx942")


@pytest.mark.parametrize(
    ("quantization", "found"),
    [("original", None), ("BF16", None), ("FP8-dynamic", "FP8"), ("AWQ 4-bit", "AWQ"), ("NVFP4", "NVFP4"),
     ("GPTQ-Int4", "GPTQ"), ("W8A8", "INT8"), ("MXFP4", "MXFP4"), ("EXL3", "EXL3")],
)  # fmt: skip
def test_the_method_behind_a_name(quantization: str, found: str | None) -> None:
    assert method(quantization) == found


@pytest.mark.parametrize(
    ("quantization", "card", "runs"),
    [
        ("FP8", nvidia("9.0"), True),
        ("FP8", nvidia("8.6"), True),
        ("FP8", nvidia("7.0"), False),
        ("AWQ", nvidia("7.5"), True),
        ("MXFP4", nvidia("7.5"), False),
        ("MXFP4", nvidia("8.0"), True),
        ("NVFP4", nvidia("12.0"), True),
        ("EXL3", nvidia("9.0"), False),
        ("FP8", nvidia(None), True),
        ("original", nvidia("6.1"), False),
        ("FP8", AMD, True),
        ("NVFP4", AMD, False),
        ("AWQ", None, True),
        ("FP8", None, False),
        ("original", None, True),
    ],
)
def test_what_runs_where(quantization: str, card: Accelerator | None, runs: bool) -> None:
    assert (refusal(quantization, card) is None) == runs

"""The laws of `launchpad.fit.speed` for many measured runs at once, with what else is known of their parameters.

Devices deviate from them by vendor, family and device; a device's own deviation is never used to predict. Early runs of
llamafile have factors of their own, as builds before today's, AMD's withdrawn Vulkan driver and Ollama have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from facts import Row, accelerator_of, build_of, work_of
from log_linear import Law, Term
from msgspec import Struct
from speed_errors import ENGINES, NEEDED

from launchpad.fit import speed
from launchpad.fit.speed import Work
from launchpad.hardware.machine import Accelerator

# What runs of devices that are not in the data tell beforehand, as logarithms of factors on the time:
INTEL_VULKAN = 0.34  # Arc A770: Llama 3.1 8B Q4_K_M 53 and 42 tokens/s (llama.cpp issue 17628), a 1.4th of the law's pace
NO_GRAPHS = (
    0.7  # GTX 1080: a mixture 41 tokens/s, 74 with CUDA graphs, a dense 9B 26 and 28 (its pull request 27721)
)
OLLAMA_ON_METAL = (
    0.2  # M1 Max, M1 Ultra, M3 Ultra, M4 (nine runs, geerlingguy/ai-benchmarks): 1.14 to 1.4 by machine
)
INTEL_Q8 = 0.6  # Arc A770 under Vulkan: three models at 8 bits 2.3 to 3.7 times slower than at 6 (llama.cpp issue 24002)
SLOW_EXPERTS = 0.87  # two Radeon AI PRO R9700, Qwen3 30B-A3B in BF16: 24.5 tokens/s under Vulkan, 58.5 under ROCm; in Q4_K_M 109 and 101
BF16_EXPERTS = 0.45  # the same in prefill, in the mean of three depths under both: 1.0 to 3.8 times the time that Q4_K_M takes
SMALL_TILES = 0.4  # Radeon 780M: 16-bit products at 2.5 TFLOPS in March 2025 (llama.cpp's pull request 12260), 4.1 in 2026
INTEL_PREFILL = 1.1  # Arc B580 under Windows: Gemma 2 2B Q4_K_M 1,631 tokens/s (its pull request 14001), the law says 5,080
INTEGRATED = 0.5  # Radeon 780M, Llama 3.1 8B Q4_K_M: prefill 254 tokens/s (normiebench issue 10), the law of cards says 457
FORMATS = ("Q8_0", "Q4_0", "MXFP4", "Q2_K", "Q3_K", "Q6_K", "BF16", "F16")
# Families of one maker in the order of their generations, in steps: later ones use their memory better.
GENERATIONS = {
    "m1": 0, "m2": 1, "m3": 2, "m4": 3, "m5": 4,
    "gfx101": -1, "gfx103": 0, "gfx110": 1, "gfx115": 1.5, "gfx120": 2,
}  # fmt: skip


class Run(Struct, frozen=True):
    """One measured run on one GPU; `old` marks llamafile's."""

    device: Accelerator
    backend: str
    cost: Work
    ubatch: int
    seconds: float
    engine: str
    build: int | None
    driver: str
    old: bool

    @property
    def family(self) -> str:
        """Devices that are taken to behave alike."""
        arch = (self.device.arch or "").lower()
        if self.device.vendor == "amd":
            return arch[:6]
        if self.device.vendor == "nvidia" and arch[:1] not in "78":
            return arch.split(".")[0]
        return arch

    @property
    def bandwidth(self) -> float:
        return self.device.bandwidth or 0.0

    @property
    def flops(self) -> float:
        return self.device.fp32_flops or 0.0

    @property
    def lanes(self) -> float:
        return speed.lanes_flops(self.device)

    @property
    def format(self) -> str | None:
        return next((name for name in FORMATS if self.cost.quantization.startswith(name)), None)

    def age(self, current: int, unit: int = speed.OLD_BUILDS) -> float:
        """How old the build is; llamafile's have a factor of their own."""
        return 0.0 if self.old or self.build is None else max(0.0, (current - self.build) / unit)


def runs(facts: Row, devices: Row, test: str) -> Iterator[Run]:
    """Runs that nothing speaks against, of devices whose bandwidth and arithmetic are known."""
    known = {device["id"]: accelerator_of(device) for device in devices["devices"]}
    for row in facts["rows"]:
        device, old = known.get(row["hardware"]), row["engine"] == "llamafile"
        if row["test"] != test or row["n_gpu"] != 1 or not device or row.get("suspect"):
            continue
        if not (old or row["engine"] in ENGINES) or any(row.get(name) is None for name in NEEDED):
            continue
        known_figures = device.bandwidth and device.fp32_flops
        if row["offload"] != "full" or row.get("fits") is False or not known_figures:
            continue
        yield Run(
            device=device,
            backend=row["backend"],
            cost=work_of(row),
            ubatch=row.get("n_ubatch") or 512,
            seconds=1 / row["tok_s"],
            engine=row["engine"],
            build=build_of(row),
            driver="amdvlk" if "amdvlk" in (row.get("note") or "") else "",
            old=old,
        )


def families(
    law: Law[Run], vendor: float, family: float, both: float, device: float, intel: float = 0.0
) -> tuple[Term, ...]:
    """Deviations of devices, from the general to the single one, which is not used to predict."""

    def maker(run: Run) -> str:
        return f"vendor:{run.device.vendor}:{run.backend}"

    return (
        law.term(lambda run: maker(run) if _is_intel(run) else None, intel, vendor),
        law.term(lambda run: None if _is_intel(run) else maker(run), 0.0, vendor),
        law.term(lambda run: f"family:{run.family}", 0.0, family),
        law.term(lambda run: f"family:{run.family}:{run.backend}", 0.0, both),
        law.term(lambda run: f"device:{run.device.name}", 0.0, device, own=True),
        law.term(lambda run: f"device:{run.device.name}:{run.backend}", 0.0, device / 2, own=True),
    )


def _is_intel(run: Run) -> bool:
    return run.device.vendor == "intel" and run.backend == "vulkan"


def shared(law: Law[Run], name: str, mean: float, width: float, by_backend: float) -> tuple[Term, Term]:
    """A parameter that all runs share, and what a backend deviates from it."""
    return law.term(name, mean, width), law.term(lambda run: f"{name}:{run.backend}", 0.0, by_backend)


def flagged(
    law: Law[Run], name: str, flag: Callable[[Run], bool], mean: float, width: float, by_backend: float = 0.0
) -> tuple[Term, ...]:
    """The same for those runs only of which `flag` is true."""
    terms = [law.term(lambda run: name if flag(run) else None, mean, width)]
    if by_backend:
        terms.append(law.term(lambda run: f"{name}:{run.backend}" if flag(run) else None, 0.0, by_backend))
    return tuple(terms)


def driver(law: Law[Run]) -> tuple[Term, ...]:
    """AMD's own Vulkan driver, withdrawn in 2025: its runs tell about all but the driver."""
    return (
        law.term(lambda run: run.driver or None, 0.0, 0.15),
        law.term(lambda run: f"{run.driver}:{run.family}" if run.driver else None, 0.0, 0.2),
    )


def decode_law(found: Sequence[Run]) -> Law[Run]:
    """`speed.gpu_time`."""
    law = Law(found, lambda run: run.seconds, sigma=0.10)
    old_reading = law.term("old_reading", 0.05, 0.2, times=lambda run: run.age(speed.CURRENT_KERNELS))
    old_kernel = law.term("old_kernel", 0.2, 0.3, times=lambda run: run.age(speed.CURRENT_KERNELS))

    def ollama(run: Run) -> bool:
        return run.engine == "ollama"

    engine = (
        *flagged(law, "ollama", lambda run: ollama(run) and run.backend != "metal", 0.0, 0.15, 0.15),
        *flagged(
            law, "ollama on metal", lambda run: ollama(run) and run.backend == "metal", OLLAMA_ON_METAL, 0.15
        ),
        *driver(law),
    )
    generation = law.term(
        lambda run: f"generation:{run.device.vendor}" if run.family in GENERATIONS else None,
        0.0,
        0.1,
        times=lambda run: GENERATIONS.get(run.family, 0),
    )
    device = (*families(law, 0.10, 0.20, 0.05, 0.12, INTEL_VULKAN), generation)
    llamafile = flagged(law, "llamafile reading", lambda run: run.old, 0.0, 0.1)
    of_weights = (*device, *engine, old_reading, *llamafile)
    law.part(
        lambda run: run.cost.active_bytes / run.bandwidth,
        *shared(law, "reading", -np.log(0.85), 0.3, 0.1),
        law.term(lambda run: run.format, 0.0, 0.08),
        *flagged(
            law,
            "intel_q8",
            lambda run: speed.lacks_8_bits(run.device, run.backend, run.cost.quantization),
            INTEL_Q8,
            0.2,
        ),
        *flagged(
            law,
            "slow_experts",
            lambda run: run.backend == "vulkan" and speed.bf16_experts(run.device, run.cost),
            SLOW_EXPERTS,
            0.2,
        ),
        law.term(
            lambda run: "early_mxfp4" if run.format == "MXFP4" and run.device.vendor == "amd" else None,
            0.0,
            0.3,
            times=lambda run: min(1.0, run.age(speed.MATURE_MXFP4, 1000)),
        ),
        *of_weights,
    )
    law.part(
        lambda run: run.cost.parameters_active / run.lanes,
        *shared(law, "arithmetic", np.log(6), 0.3, 0.3),
        # Apple's ratio of bandwidth to arithmetic hardly varies: the two cannot be told apart there.
        *flagged(law, "arithmetic of Apple", lambda run: run.backend == "metal", -3.0, 0.3),
        *of_weights,
    )
    law.part(
        lambda run: run.cost.kv_bytes / run.bandwidth,
        *shared(law, "cache", -np.log(0.75), 0.2, 0.15),
        *flagged(law, "mla_cache", lambda run: run.cost.mla, 0.0, 0.3),
        *engine,
    )
    law.part(
        lambda run: run.cost.cache_products / run.lanes,
        *shared(law, "cache_arithmetic", np.log(25), 0.7, 0.5),
        *flagged(law, "mla_arithmetic", lambda run: run.cost.mla, -1.0, 0.3),
        *engine,
    )
    law.part(lambda run: 2 * run.cost.state_bytes / (speed.STATE_SHARE * run.bandwidth), *engine)
    law.part(
        lambda run: run.cost.blocks,
        *shared(law, "kernel", np.log(65e-6), 0.5, 0.3),
        *flagged(law, "moe", lambda run: run.cost.moe, np.log(1.5), 0.3, 0.05),
        *flagged(law, "llamafile kernel", lambda run: run.old, 1.1, 0.5),
        *flagged(
            law,
            "no_graphs",
            lambda run: not run.old and speed.lacks_graphs(run.device, run.backend, run.build),
            NO_GRAPHS,
            0.3,
        ),
        old_kernel,
        *device,
        *engine,
    )
    law.close()
    return law


def prefill_law(found: Sequence[Run]) -> Law[Run]:
    """`speed.prefill_seconds`."""
    law = Law(found, lambda run: run.seconds, sigma=0.15)

    def amd_old(run: Run) -> bool:
        return run.device.vendor == "amd" and run.age(speed.KERNELS_OF_2026) > 0

    slower = (
        law.term("old_prefill", 0.1, 0.3, times=lambda run: run.age(speed.CURRENT_PREFILL)),
        *flagged(law, "amd_before_b8000", amd_old, 0.3, 0.3, 0.2),
        *flagged(
            law, "bf16_experts", lambda run: speed.bf16_experts(run.device, run.cost), BF16_EXPERTS, 0.2, 0.2
        ),
        *flagged(
            law,
            "small_tiles",
            lambda run: not run.driver and speed.small_tiles(run.device, run.backend, run.build),
            SMALL_TILES,
            0.15,
        ),
        *flagged(law, "llamafile", lambda run: run.old, 0.7, 0.5),
        *driver(law),
        *flagged(law, "moe", lambda run: run.cost.moe, 0.4, 0.4, 0.1),
        *flagged(law, "recurrent", lambda run: run.cost.state_bytes > 0, 0.0, 0.2, 0.15),
        *flagged(law, "float16", lambda run: run.cost.quantization in ("F16", "BF16"), 0.0, 0.2, 0.2),
    )
    law.part(
        lambda run: 2 * run.cost.parameters_active / run.lanes,
        *shared(law, "flops", -np.log(0.7), 0.5, 0.3),
        law.term(
            "matrix_exponent",
            -0.6,
            0.2,
            times=lambda run: np.log(
                speed.matrix_factor(run.device, run.backend, run.build, run.cost.quantization)
            ),
        ),
        # Apple's larger chips are larger throughout; other large cards run into their power limits.
        law.term(
            lambda run: None if run.backend == "metal" else "size",
            0.15,
            0.1,
            times=lambda run: np.log(run.flops / speed.SIZE_REFERENCE),
        ),
        *families(law, 0.15, 0.25, 0.07, 0.15, INTEL_PREFILL),
        *flagged(law, "integrated", lambda run: speed.is_integrated(run.device), INTEGRATED, 0.15),
        *slower,
    )
    # Only experts and old kernels change how often weights are read again.
    law.part(
        lambda run: run.cost.parameters_active / run.bandwidth,
        law.term("traffic", np.log(0.0085), 0.3),
        *slower,
    )
    law.part(lambda run: run.cost.weights_bytes / (speed.PREFILL_WEIGHTS_SHARE * run.bandwidth * run.ubatch))
    law.part(
        lambda run: run.cost.attention_flops / run.flops, *shared(law, "attention", -np.log(0.3), 0.7, 0.5)
    )
    law.part(
        lambda run: run.cost.blocks / run.ubatch,
        *shared(law, "kernel", np.log(100e-6), 0.7, 0.2),
        *flagged(law, "kernel_moe", lambda run: run.cost.moe, 0.4, 0.3),
    )
    law.close()
    return law

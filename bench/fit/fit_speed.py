"""Fits the constants of the speed law and tells how far it is off on devices that it never saw.

    python bench/fit/fit_speed.py speed_public.json [--hardware hardware.json] [--write]

Needs numpy. The laws are those of `launchpad.fit.speed`, for many runs at once; `--write` writes the packaged constants.
Devices deviate from them by vendor, family and device; a device's own deviation is never used to predict. Early runs of
llamafile count less and have factors of their own, as builds before today's, AMD's withdrawn Vulkan driver and Ollama
have. Runs of one device beyond the fifth count less and less. The tables leave each device (or each family) out in turn,
on all backends at once, and fit everything anew; bands are quantiles of what is left with each device out.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from facts import Row, accelerator_of, build_of, load, work_of
from log_linear import Law, Term, Vector
from msgspec import Struct
from speed_errors import ENGINES, NEEDED

from launchpad.fit import speed
from launchpad.fit.speed import Work
from launchpad.hardware.machine import Accelerator

PACKAGED = Path(__file__).parents[2] / "src/launchpad/fit/data/speed.json"
OLD_WEIGHT = {"tg": 0.3, "pp": 0.1}
FULL_RUNS = 5  # runs of one device on one backend that count in full
BAND_QUANTILE = 0.87
FEW_DEVICES = 6  # fewer tell little about others
WIDEST = 0.7  # a range of half width that says anything at all
UNMEASURED_FORMATS = {
    "IQ": 0.9
}  # look-up tables, as Q3_K's awkward layout, take time; nobody published a run
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
BACKEND_NAMES = ("cuda", "metal", "rocm", "vulkan")


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
    maker = lambda run: f"vendor:{run.device.vendor}:{run.backend}"  # noqa: E731
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
    law: Law[Run], name: str, flag: object, mean: float, width: float, by_backend: float = 0.0
) -> tuple[Term, ...]:
    """The same for those runs only of which `flag` is true."""
    terms = [law.term(lambda run: name if flag(run) else None, mean, width)]  # type: ignore[operator]
    if by_backend:
        terms.append(
            law.term(lambda run: f"{name}:{run.backend}" if flag(run) else None, 0.0, by_backend)  # type: ignore[operator]
        )
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
    ollama = lambda run: run.engine == "ollama"  # noqa: E731
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
    mla = lambda run: run.cost.mla  # noqa: E731
    law.part(
        lambda run: run.cost.kv_bytes / run.bandwidth,
        *shared(law, "cache", -np.log(0.75), 0.2, 0.15),
        *flagged(law, "mla_cache", mla, 0.0, 0.3),
        *engine,
    )
    law.part(
        lambda run: run.cost.cache_products / run.lanes,
        *shared(law, "cache_arithmetic", np.log(25), 0.7, 0.5),
        *flagged(law, "mla_arithmetic", mla, -1.0, 0.3),
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
    amd_old = lambda run: run.device.vendor == "amd" and run.age(speed.KERNELS_OF_2026) > 0  # noqa: E731
    bf16_experts = lambda run: speed.bf16_experts(run.device, run.cost)  # noqa: E731
    tiles = lambda run: not run.driver and speed.small_tiles(run.device, run.backend, run.build)  # noqa: E731
    slower = (
        law.term("old_prefill", 0.1, 0.3, times=lambda run: run.age(speed.CURRENT_PREFILL)),
        *flagged(law, "amd_before_b8000", amd_old, 0.3, 0.3, 0.2),
        *flagged(law, "bf16_experts", bf16_experts, BF16_EXPERTS, 0.2, 0.2),
        *flagged(law, "small_tiles", tiles, SMALL_TILES, 0.15),
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


class Fitted:
    """A law with its parameters, and its predictions with each device and each family held out."""

    def __init__(self, law: Law[Run], test: str) -> None:
        self.law = law
        self.new = np.array([not run.old for run in law.runs])
        self.backends = np.array([run.backend for run in law.runs])
        self.devices = np.array([run.device.name for run in law.runs])
        self.families = np.array([run.family for run in law.runs])
        weight = np.where(self.new, self.share(0.25), OLD_WEIGHT[test])
        self.theta = law.fitted(weight)
        self.in_sample = law.predict(self.theta)
        self.by_device = self.held_out(weight, self.devices)
        self.by_family = self.held_out(weight, self.families)

    def share(self, exponent: float) -> Vector:
        """The weight of each run: runs of one device on one backend beyond the fifth count less."""
        number = Counter(zip(self.devices[self.new], self.backends[self.new], strict=True))
        keys = zip(self.devices, self.backends, strict=True)
        return np.array([max(1.0, number[key] / FULL_RUNS) ** -exponent for key in keys])

    def held_out(self, weight: Vector, groups: Vector) -> Vector:
        return self.law.held_out(weight, self.theta, np.where(self.new, groups, "llamafile only: " + groups))

    def measured_elsewhere(self) -> Vector:
        """True for runs of a device of whose family there are newer runs of another device."""
        members: dict[str, set[str]] = defaultdict(set)
        for family, device in zip(self.families[self.new], self.devices[self.new], strict=True):
            members[family].add(device)
        return np.array([len(members[family]) > 1 for family in self.families])

    def half_width(self, chosen: Vector) -> float:
        """What holds 87 % of the measurements, each counted alike and each device counted alike: the larger one.

        Of few devices, it holds as much of each of them.
        """
        distance = np.abs(np.exp(self.by_device - self.law.truth) - 1)
        devices = sorted(set(self.devices[chosen]))
        widths = [
            quantile(distance[chosen], np.ones(chosen.sum())),
            quantile(distance[chosen], self.share(1.0)[chosen]),
        ]
        if len(devices) < FEW_DEVICES:
            own = (distance[chosen & (self.devices == device)] for device in devices)
            widths += [quantile(one, np.ones(len(one))) for one in own]
        return min(WIDEST, max(widths))

    def bands(self, backend: str) -> dict[str, float]:
        """The half widths of one backend, for families with and without measurements."""
        known = self.new & self.measured_elsewhere()
        here = known & (self.backends == backend)
        if len(set(self.devices[here])) < FEW_DEVICES:
            here = self.new & (self.backends == backend)
        unknown = self.new & ~self.measured_elsewhere()
        band = self.half_width(here)
        return {"band": band, "band_unknown": max(band, self.half_width(unknown))}

    def family_table(self, backend: str) -> dict[str, float]:
        """The factor on the pace by family and vendor, of vendors that ran on this backend."""
        table: dict[str, float] = {}
        for vendor in sorted({run.device.vendor for run in self.law.runs if run.backend == backend}):
            table[vendor] = self.pace(vendor, backend)
            for name in sorted({run.family for run in self.law.runs if run.device.vendor == vendor}):
                table[name] = self.pace(vendor, backend, name)
        return table

    def pace(self, vendor: str, backend: str, family: str = "") -> float:
        """The factor of one family, with what its generation tells."""
        names = [f"vendor:{vendor}:{backend}", f"family:{family}", f"family:{family}:{backend}"]
        generation = GENERATIONS.get(family, 0) * self.law.total(self.theta, f"generation:{vendor}")
        return float(np.exp(-self.law.total(self.theta, *names) - generation))

    def of(self, name: str, backend: str) -> float:
        """Exponential of a parameter with the backend's deviation."""
        return self.law.value(self.theta, name, f"{name}:{backend}")


def quantile(values: Vector, weight: Vector) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(passed, BAND_QUANTILE * passed[-1])])


def decode_constants(fitted: Fitted, backend: str) -> Row:
    return {
        "reading": 1 / fitted.of("reading", backend),
        "arithmetic": fitted.of("arithmetic", backend)
        * (fitted.law.value(fitted.theta, "arithmetic of Apple") if backend == "metal" else 1.0),
        "formats": {name: 1 / fitted.law.value(fitted.theta, name) for name in FORMATS} | UNMEASURED_FORMATS,
        "cache": 1 / fitted.of("cache", backend),
        "cache_arithmetic": fitted.of("cache_arithmetic", backend),
        "kernel": fitted.of("kernel", backend),
        "moe": fitted.of("moe", backend),
        "family": fitted.family_table(backend),
        "extrapolated": {"m5": fitted.pace("apple", backend, "m5")} if backend == "metal" else {},
        "engines": {"ollama": fitted.of("ollama on metal" if backend == "metal" else "ollama", backend)},
        **fitted.bands(backend),
    }


def prefill_constants(fitted: Fitted, backend: str) -> Row:
    amd = backend in ("rocm", "vulkan")
    return {
        "flops": 1 / fitted.of("flops", backend),
        "size": 0.0 if backend == "metal" else fitted.law.total(fitted.theta, "size"),
        "family": fitted.family_table(backend),
        "moe": fitted.of("moe", backend),
        "recurrent": fitted.of("recurrent", backend),
        "float16": fitted.of("float16", backend),
        "attention": 1 / fitted.of("attention", backend),
        "kernel": fitted.of("kernel", backend),
        "bf16_experts": fitted.of("bf16_experts", backend) if amd else 1.0,
        "amd_before_b8000": fitted.of("amd_before_b8000", backend) if amd else 1.0,
        **fitted.bands(backend),
    }


def constants(decode: Fitted, prefill: Fitted) -> Row:
    """The packaged file."""
    common: Row = {name: decode.law.total(decode.theta, name) for name in ("old_reading", "old_kernel")}
    common["old_prefill"] = prefill.law.total(prefill.theta, "old_prefill")
    for name in ("early_mxfp4", "no_graphs", "intel_q8", "slow_experts", "mla_cache", "mla_arithmetic"):
        common[name] = decode.law.value(decode.theta, name)
    common["matrix_exponent"] = -prefill.law.total(prefill.theta, "matrix_exponent")
    common["traffic"] = prefill.law.value(prefill.theta, "traffic")
    common["integrated"] = prefill.law.value(prefill.theta, "integrated")
    common["small_tiles"] = prefill.law.value(prefill.theta, "small_tiles")
    common["kernel_moe"] = prefill.law.value(prefill.theta, "kernel_moe")
    backends = {
        name: {"decode": decode_constants(decode, name), "prefill": prefill_constants(prefill, name)}
        for name in BACKEND_NAMES
    }
    return rounded({"made_by": "bench/fit/fit_speed.py", "common": common, "backends": backends})


def rounded(value: object) -> object:
    """The same with three significant digits."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    return value if isinstance(value, str) else float(f"{value:.3g}")


def report(fitted: Fitted, predicted: Vector, title: str) -> None:
    """Errors by backend: over runs, and over devices (each device's median and mean)."""
    print(f"{title:34} {'n':>5} {'median %':>9} {'mean %':>7} {'devices':>8} {'median %':>9} {'mean %':>7}")
    error = np.abs(np.exp(fitted.law.truth - predicted) - 1)
    known = fitted.measured_elsewhere()
    driver = np.array([not run.driver for run in fitted.law.runs])
    amd_old = np.array(
        [run.device.vendor == "amd" and run.age(speed.KERNELS_OF_2026) > 0 for run in fitted.law.runs]
    )
    groups = {
        "all": fitted.new,
        "family known from others": fitted.new & known,
        "without AMD's withdrawn driver": fitted.new & driver,
        f"nor its builds before b{speed.KERNELS_OF_2026}": fitted.new & driver & ~amd_old,
    }
    for backend in BACKEND_NAMES:
        groups[backend] = fitted.new & (fitted.backends == backend)
    for name, chosen in groups.items():
        each: dict[tuple[str, str], list[float]] = defaultdict(list)
        for device, backend, value in zip(
            fitted.devices[chosen], fitted.backends[chosen], error[chosen], strict=True
        ):
            each[device, backend].append(value)
        medians, means = [np.median(one) for one in each.values()], [np.mean(one) for one in each.values()]
        print(
            f"  {name:32} {chosen.sum():5} {100 * np.median(error[chosen]):9.1f} {100 * error[chosen].mean():7.1f}"
            f" {len(each):8} {100 * np.median(medians):9.1f} {100 * np.mean(means):7.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speed", type=Path, help="file of published tokens per second")
    parser.add_argument("--hardware", type=Path, help="table of devices (default: hardware.json beside it)")
    parser.add_argument("--write", action="store_true", help=f"write {PACKAGED.name} into the package")
    options = parser.parse_args()
    facts, devices = load(options.speed), load(options.hardware or options.speed.with_name("hardware.json"))
    decode = Fitted(decode_law(list(runs(facts, devices, "tg"))), "tg")
    prefill = Fitted(prefill_law(list(runs(facts, devices, "pp"))), "pp")
    for name, fitted in (("decode", decode), ("prefill", prefill)):
        report(fitted, fitted.in_sample, f"{name}, in sample")
        report(fitted, fitted.by_device, f"{name}, each device held out")
        report(fitted, fitted.by_family, f"{name}, each family held out")
    found = constants(decode, prefill)
    for name in BACKEND_NAMES:
        print(name, {kind: one["band"] for kind, one in found["backends"][name].items()}, end=" ")  # type: ignore[index]
        print("unknown family", {kind: one["band_unknown"] for kind, one in found["backends"][name].items()})  # type: ignore[index]
    if options.write:
        PACKAGED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

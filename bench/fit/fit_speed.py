"""Fits the constants of the speed law and tells how far it is off on devices that it never saw.

    python bench/fit/fit_speed.py speed_public.json [--hardware hardware.json] [--write]

Needs numpy. `--write` writes the packaged constants. Runs of one device beyond the fifth count less and less, early ones of
llamafile less still. The tables leave each device (or each family) out in turn,
on all backends at once, and fit everything anew; bands are quantiles of what is left with each device out.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from facts import Row, load
from log_linear import Law, Vector
from speed_laws import FORMATS, GENERATIONS, Run, decode_law, prefill_law, runs

from launchpad.fit import speed

PACKAGED = Path(__file__).parents[2] / "src/launchpad/fit/data/speed.json"
OLD_WEIGHT = {"tg": 0.3, "pp": 0.1}
FULL_RUNS = 5  # runs of one device on one backend that count in full
BAND_QUANTILE = 0.87
FEW_DEVICES = 6  # fewer tell little about others
WIDEST = 0.7  # a range of half width that says anything at all
UNMEASURED_FORMATS = {
    "IQ": 0.9
}  # look-up tables, as Q3_K's awkward layout, take time; nobody published a run
BACKEND_NAMES = ("cuda", "metal", "rocm", "vulkan")


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


def rounded(value: Row) -> Row:
    """The same with three significant digits."""
    return {name: _rounded(entry) for name, entry in value.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
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
        print(name, {kind: one["band"] for kind, one in found["backends"][name].items()}, end=" ")
        print("unknown family", {kind: one["band_unknown"] for kind, one in found["backends"][name].items()})
    if options.write:
        PACKAGED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

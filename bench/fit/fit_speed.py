"""Fits the constants of the speed law and tells how far it is off on devices that it never saw.

    python bench/fit/fit_speed.py speed_public.json [--hardware hardware.json]

Needs numpy. Every constant is the sum (in logarithms) of what all backends share and of deviations of the backend,
the vendor, the family and the device, each pulled to zero by its prior: a family known from one device borrows from
the others. The device's own deviation is never used to predict. Residuals are weighted as Student's t would, so that
wrong labels count little; early runs of llamafile count a fifth, with factors of their own. The table leaves each
device out in turn, on all backends at once, and fits everything anew; bands are quantiles of those residuals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from facts import Row, accelerator_of, load, work_of
from msgspec import Struct
from speed_errors import ENGINES, NEEDED, build_of

from launchpad.fit import speed
from launchpad.fit.speed import Work
from launchpad.hardware.machine import Accelerator

OLD_WEIGHT = 0.2
BAND_QUANTILE = 0.87
FORMATS = ("Q8_0", "Q4_0", "MXFP4", "Q2_K", "Q3_K", "Q6_K", "BF16", "F16", "IQ")
Vector = np.ndarray


class Run(Struct, frozen=True):
    """One measured run on one GPU; `old` marks llamafile's, `amd_old` builds before AMD's matrix units were used."""

    device: Accelerator
    backend: str
    cost: Work
    ubatch: int
    seconds: float
    old: bool
    amd_old: bool

    @property
    def family(self) -> str:
        """Devices that are taken to behave alike."""
        arch = (self.device.arch or "").lower()
        if self.device.vendor == "amd":
            return arch[:6]
        if self.device.vendor == "nvidia" and arch[:1] not in "78":
            return arch.split(".")[0]
        return arch


def runs(facts: Row, devices: Row, test: str) -> Iterator[Run]:
    """Runs that nothing speaks against, of devices whose bandwidth and arithmetic are known."""
    known = {device["id"]: accelerator_of(device) for device in devices["devices"]}
    for row in facts["rows"]:
        device, old = known.get(row["hardware"]), row["engine"] == "llamafile"
        if row["test"] != test or row["n_gpu"] != 1 or not device or row.get("suspect"):
            continue
        if not (old or row["engine"] in ENGINES) or any(row.get(name) is None for name in NEEDED):
            continue
        if (
            row["offload"] != "full"
            or row.get("fits") is False
            or not (device.bandwidth and device.fp32_flops)
        ):
            continue
        build = build_of(row)
        amd_old = device.vendor == "amd" and build is not None and build < speed.KERNELS_OF_2026
        ubatch = row.get("n_ubatch") or 512
        yield Run(device, row["backend"], work_of(row), ubatch, 1 / row["tok_s"], old, amd_old)


class Law:
    """A law with parameters in logarithms; each parameter has a prior mean and width."""

    def __init__(self, found: Sequence[Run]) -> None:
        self.runs = found
        self.names: dict[str, int] = {}
        self.mean: list[float] = []
        self.width: list[float] = []
        self.truth = np.log([run.seconds for run in found])
        self.new = np.array([not run.old for run in found])
        self.devices = np.array([run.device.name for run in found])
        self.backends = np.array([run.backend for run in found])
        self.bandwidth = self.column(lambda run: run.device.bandwidth)
        self.flops = self.column(lambda run: run.device.fp32_flops)
        self.lanes = self.column(lambda run: speed.lanes_flops(run.device))
        self.moe = self.column(lambda run: run.cost.moe)
        self.old = self.column(lambda run: run.old)
        self.parameters = self.column(lambda run: run.cost.parameters_active)

    def column(self, of: Callable[[Run], object]) -> Vector:
        return np.array([float(of(run)) for run in self.runs])  # type: ignore[arg-type]

    def one(self, name: str, mean: float, width: float) -> int:
        """A parameter that all runs share."""
        if name not in self.names:
            self.names[name] = len(self.mean)
            self.mean.append(mean)
            self.width.append(width)
        return self.names[name]

    def each(self, of: Callable[[Run], str | None], width: float) -> Vector:
        """The deviation that each run has a part in, -1 for none."""
        keys = [of(run) for run in self.runs]
        return np.array([-1 if key is None else self.one(key, 0.0, width) for key in keys])

    def by_backend(self, name: str, width: float) -> Vector:
        return self.each(lambda run: f"{name}:{run.backend}", width)

    def families(self, vendor: float, family: float, both: float, device: float) -> None:
        """Deviations of devices, from the general to the single one."""
        self.groups = [
            self.each(lambda run: f"vendor:{run.device.vendor}:{run.backend}", vendor),
            self.each(lambda run: f"family:{run.family}", family),
            self.each(lambda run: f"family:{run.family}:{run.backend}", both),
        ]
        self.own = self.each(lambda run: f"device:{run.device.name}:{run.backend}", device)

    def family(self, theta: Vector, own: bool) -> Vector:
        parts: list[Vector] = [*self.groups, self.own] if own else self.groups
        return np.sum([at(theta, part) for part in parts], axis=0)

    def predict(self, theta: Vector, own: bool = True) -> Vector:
        """Logarithm of the seconds per token."""
        raise NotImplementedError

    def constants(self, theta: Vector, backend: str) -> dict[str, object]:
        """The product's constants of one backend."""
        raise NotImplementedError

    def value(self, theta: Vector, *names: str) -> float:
        """Exponential of the sum of those parameters that exist."""
        return float(np.exp(sum(theta[self.names[name]] for name in names if name in self.names)))

    def family_table(self, theta: Vector, backend: str) -> dict[str, float]:
        """Factor by family and vendor, of vendors that ran on this backend."""
        table: dict[str, float] = {}
        for vendor in sorted({run.device.vendor for run in self.runs if run.backend == backend}):
            general = f"vendor:{vendor}:{backend}"
            table[vendor] = self.value(theta, general)
            for name in sorted({run.family for run in self.runs if run.device.vendor == vendor}):
                table[name] = self.value(theta, general, f"family:{name}", f"family:{name}:{backend}")
        return table


def at(theta: Vector, index: Vector) -> Vector:
    return np.append(theta, 0.0)[index]


class Decode(Law):
    """`speed.gpu_time` for many runs at once."""

    sigma = 0.10

    def __init__(self, found: Sequence[Run]) -> None:
        super().__init__(found)
        self.share, self.work = self.one("share", np.log(0.85), 0.3), self.one("arithmetic", np.log(6), 0.7)
        self.kernel, self.experts = self.one("kernel", np.log(65e-6), 0.5), self.one("moe", np.log(1.5), 0.3)
        self.cache, self.gqa = self.one("cache", np.log(0.6), 0.4), self.one("gqa", 0.28, 0.1)
        self.mla = self.one("mla", -0.25, 0.3)
        self.old_kernel, self.old_share = self.one("old kernel", 1.1, 0.5), self.one("old share", 0.0, 0.1)
        self.by = {
            name: self.by_backend(name, width)
            for name, width in (
                ("share", 0.1),
                ("arithmetic", 0.3),
                ("kernel", 0.3),
                ("moe", 0.15),
                ("cache", 0.3),
            )
        }
        # Apple's ratio of bandwidth to arithmetic hardly varies: the two cannot be told apart there.
        self.mean[self.names["arithmetic:metal"]] = -3.0
        self.format = self.each(lambda run: of_format(run), 0.08)
        self.format_by = self.each(
            lambda run: f"{of_format(run)}:{run.backend}" if of_format(run) else None, 0.06
        )
        self.families(0.15, 0.15, 0.10, 0.12)
        self.active = self.column(lambda run: run.cost.active_bytes)
        self.kv, self.state = (
            self.column(lambda run: run.cost.kv_bytes),
            self.column(lambda run: run.cost.state_bytes),
        )
        self.blocks = self.column(lambda run: run.cost.blocks)
        self.is_mla = self.column(lambda run: run.cost.mla)
        self.spread = np.minimum(
            0, np.log(speed.GQA_REFERENCE / self.column(lambda run: max(run.cost.gqa, 0.1)))
        )

    def predict(self, theta: Vector, own: bool = True) -> Vector:
        by = {name: at(theta, index) for name, index in self.by.items()}
        share = theta[self.share] + by["share"] + at(theta, self.format) + at(theta, self.format_by)
        weights = self.active / (self.bandwidth * np.exp(share + self.old * theta[self.old_share]))
        weights += self.parameters * np.exp(theta[self.work] + by["arithmetic"]) / self.lanes
        attention = self.is_mla * theta[self.mla] + (1 - self.is_mla) * theta[self.gqa] * self.spread
        cache = self.kv / (self.bandwidth * np.exp(theta[self.cache] + by["cache"] + attention))
        state = 2 * self.state / (speed.STATE_SHARE * self.bandwidth)
        launch = theta[self.kernel] + by["kernel"] + self.moe * (theta[self.experts] + by["moe"])
        kernels = self.blocks * np.exp(launch + self.old * theta[self.old_kernel])
        return np.log(weights * np.exp(-self.family(theta, own)) + cache + state + kernels)

    def constants(self, theta: Vector, backend: str) -> dict[str, object]:
        named = {
            "efficiency": "share",
            "arithmetic": "arithmetic",
            "kernel": "kernel",
            "moe": "moe",
            "cache": "cache",
        }
        found: dict[str, object] = {
            field: self.value(theta, name, f"{name}:{backend}") for field, name in named.items()
        }
        found["family"] = self.family_table(theta, backend)
        found["formats"] = {name: self.value(theta, name, f"{name}:{backend}") for name in FORMATS}
        return found


def of_format(run: Run) -> str | None:
    return next((name for name in FORMATS if run.cost.quantization.startswith(name)), None)


class Prefill(Law):
    """`speed.prefill_seconds` for many runs at once."""

    sigma = 0.15

    def __init__(self, found: Sequence[Run]) -> None:
        super().__init__(found)
        self.rate, self.matrix = self.one("flops", np.log(0.7), 0.5), self.one("matrix", 0.6, 0.2)
        self.size, self.traffic = self.one("size", 0.1, 0.1), self.one("traffic", np.log(0.03), 0.3)
        self.attention = self.one("attention", np.log(0.3), 0.7)
        self.factors = {
            "moe": (self.one("moe", np.log(1.5), 0.4), self.by_backend("moe", 0.2), self.moe),
            "recurrent": (
                self.one("recurrent", 0.0, 0.2), self.by_backend("recurrent", 0.15),
                self.column(lambda run: run.cost.state_bytes > 0),
            ),
            "float": (
                self.one("float", 0.0, 0.2), self.by_backend("float", 0.2),
                self.column(lambda run: run.cost.quantization in ("F16", "BF16")),
            ),
            "amd": (
                self.one("amd", np.log(1.4), 0.3), self.by_backend("amd", 0.2), self.column(lambda run: run.amd_old)
            ),
        }  # fmt: skip
        self.old_factor = self.one("old", np.log(2), 0.5)
        self.rate_by, self.attention_by = self.by_backend("flops", 0.3), self.by_backend("attention", 0.5)
        self.families(0.25, 0.25, 0.2, 0.15)
        self.units = np.log([speed.matrix_factor(run.device) for run in found])
        # Apple's larger chips are larger throughout; other large cards run into their power limits.
        self.large = (self.backends != "metal") * np.log(self.flops / speed.SIZE_REFERENCE)
        self.file = self.column(lambda run: run.cost.weights_bytes / run.ubatch)
        self.products = self.column(lambda run: run.cost.attention_flops)

    def predict(self, theta: Vector, own: bool = True) -> Vector:
        factor = self.old * theta[self.old_factor]
        for shared, by, applies in self.factors.values():
            factor = factor + applies * (theta[shared] + at(theta, by))
        rate = theta[self.rate] + at(theta, self.rate_by) + self.family(theta, own)
        rate = np.exp(rate + theta[self.matrix] * self.units - theta[self.size] * self.large)
        compute = 2 * self.parameters / (self.lanes * rate)
        # Only experts and old kernels change how often weights are read again.
        again = np.exp(theta[self.traffic]) * self.parameters / self.bandwidth
        attention = self.products / (
            self.flops * np.exp(theta[self.attention] + at(theta, self.attention_by))
        )
        reading = self.file / (speed.PREFILL_WEIGHTS_SHARE * self.bandwidth)
        return np.log((compute + again) * np.exp(factor) + reading + attention)

    def constants(self, theta: Vector, backend: str) -> dict[str, object]:
        named = {
            "flops": "flops", "attention": "attention", "flops_moe": "moe", "flops_recurrent": "recurrent",
            "float_factor": "float",
        }  # fmt: skip
        found: dict[str, object] = {
            field: self.value(theta, name, f"{name}:{backend}") for field, name in named.items()
        }
        found["before_b8000"] = (
            1 / self.value(theta, "amd", f"amd:{backend}") if backend in ("rocm", "vulkan") else 1.0
        )
        found["size"] = 0.0 if backend == "metal" else float(theta[self.size])
        found["prefill_family"] = self.family_table(theta, backend)
        return found


def fitted(law: Law, weight: Vector, start: Vector | None = None, steps: int = 12) -> Vector:
    """The most likely parameters, by Gauss and Newton's steps with weights renewed each time."""
    mean, width = np.array(law.mean), np.array(law.width)
    theta = (mean if start is None else start).copy()
    sigma: float = law.sigma  # type: ignore[attr-defined]
    for _ in range(steps):
        base = law.predict(theta)
        slopes = np.array(
            [(law.predict(moved) - base) / 1e-4 for moved in theta + 1e-4 * np.eye(len(theta))]
        ).T
        rest = law.truth - base
        trust = weight / sigma**2 / (1 + (rest / (2 * sigma)) ** 2)
        normal = (slopes.T * trust) @ slopes + np.diag(width**-2)
        step = np.linalg.solve(normal, slopes.T @ (trust * rest) + (mean - theta) / width**2)
        theta = theta + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-3:
            break
    return theta


def held_out(law: Law, weight: Vector, start: Vector) -> Vector:
    """Predictions of each run after all runs of its device were taken out and everything was fitted anew."""
    found = np.zeros(len(weight))
    for device in sorted(set(law.devices[law.new])):
        own = law.devices == device
        theta = fitted(law, np.where(own, 0.0, weight), start, steps=4)
        found[own] = law.predict(theta, own=False)[own]
    return found


def report(law: Law, predicted: Vector, title: str) -> None:
    """Errors by backend, and the half width that holds 87 % of the measurements."""
    print(f"{title:32} {'n':>5} {'median %':>9} {'mean %':>8} {'half width':>11}")
    for backend in ("", *sorted(set(law.backends[law.new]))):
        chosen = law.new & ((law.backends == backend) | (backend == ""))
        ratio = np.exp((law.truth - predicted)[chosen])  # ours divided by the measured tokens/s
        error = np.abs(ratio - 1)
        width = np.quantile(np.abs(1 / ratio - 1), BAND_QUANTILE)
        print(
            f"  {backend or 'all':30} {chosen.sum():5} {100 * np.median(error):9.1f} {100 * error.mean():8.1f} {width:11.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speed", type=Path, help="file of published tokens per second")
    parser.add_argument("--hardware", type=Path, help="table of devices (default: hardware.json beside it)")
    options = parser.parse_args()
    facts, devices = load(options.speed), load(options.hardware or options.speed.with_name("hardware.json"))
    for kind, test in ((Decode, "tg"), (Prefill, "pp")):
        law = kind(list(runs(facts, devices, test)))
        weight = np.where(law.new, 1.0, OLD_WEIGHT)
        theta = fitted(law, weight)
        report(law, law.predict(theta, own=False), f"{kind.__name__}, in sample")
        report(law, held_out(law, weight, theta), f"{kind.__name__}, each device held out")
        print(
            "shared:",
            {
                name: float(f"{theta[law.names[name]]:.3f}")
                for name in ("gqa", "mla", "matrix", "traffic")
                if name in law.names
            },
        )
        for backend in sorted(set(law.backends)):
            print(backend, rounded(law.constants(theta, backend)))


def rounded(value: object) -> object:
    """The same with three significant digits."""
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items()}
    return float(f"{value:.3g}")


if __name__ == "__main__":
    main()

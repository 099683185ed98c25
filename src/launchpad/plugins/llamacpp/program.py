"""A llama.cpp that is on this machine: a wheel of xllamacpp in some Python, or a `llama-server`."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from launchpad.plugins import Api, EngineDevice

FLOOR = 8146  # below it a model file can overflow the heap (CVE-2026-27940); `launchpad doctor` has the list
UNKNOWN = 0  # the build number of programs that were built without one
API_ORDER: tuple[Api, ...] = ("cuda", "rocm", "metal", "sycl", "vulkan")
APIS: dict[str, Api] = {
    "CUDA": "cuda",
    "ROCm": "rocm",
    "HIP": "rocm",
    "Vulkan": "vulkan",
    "MTL": "metal",
    "Metal": "metal",
    "SYCL": "sycl",
}
_VERSION = re.compile(r"version: *(\d+(?:\.\d+)*)[^\n(]*(?:\(build (\d+))?")


class Program(Struct, frozen=True, kw_only=True):
    """One llama.cpp. `argv` is the Python of a wheel, or how a server is started; `owner` says where it was found.

    `build` is llama.cpp's own count (`UNKNOWN`: it does not tell). `options` are the names in the help of a server,
    `help` the text.
    """

    kind: Literal["wheel", "server"]
    argv: tuple[str, ...]
    version: str
    build: int
    owner: str
    options: frozenset[str] = frozenset()
    help: str = ""
    devices: tuple[EngineDevice, ...] = ()

    @property
    def name(self) -> str:
        """As read-back and measurements name it."""
        build = f"b{self.build}" if self.build else "of an unknown build"
        made = f"xllamacpp {self.version}" if self.kind == "wheel" else f"llama-server {self.version}"
        return f"llama.cpp {build} ({made})"

    @property
    def place(self) -> str:
        """The program or Python, for people."""
        return " ".join(self.argv)

    @property
    def apis(self) -> tuple[Api, ...]:
        """The APIs of its devices, the fastest first."""
        seen = {device.api for device in self.devices}
        return tuple(api for api in API_ORDER if api in seen)


def api_of(device: str) -> Api | None:
    """The API behind a device's name (`CUDA0`, `Vulkan1`); None for the CPU and what nobody knows."""
    return APIS.get(device.rstrip("0123456789"))


def read_version(text: str) -> tuple[str, int] | None:
    """(version, build) from what `--version` says: "version: 0.7.0 (build 11669, …)", or "version: 8146 (abc123)"."""
    found = _VERSION.search(text)
    if found is None:
        return None
    version, build = found[1], found[2]
    if build is None and version.isdigit():
        build = version
    return version, int(build or UNKNOWN)


def build_of_wheel(version: str) -> int:
    """The last number of the wheel's version is llama.cpp's build."""
    last = re.search(r"\.(\d+)(?:\+.*)?$", version)
    return int(last[1]) if last else UNKNOWN

"""Which build of xllamacpp suits this machine, and how to install it."""

from __future__ import annotations

import importlib.util
import sys

from launchpad.plugins import Api, Machine

PACKAGE = "xllamacpp"
BUILT: tuple[Api, ...] = ("cuda", "rocm", "vulkan")  # what there is a build for beside the standard one
WHEELS = {
    ("linux", "x86_64"),
    ("linux", "aarch64"),
    ("darwin", "arm64"),
    ("windows", "amd64"),
    ("windows", "x86_64"),
}


def no_wheel(system: str | None, architecture: str | None, musl: bool) -> str | None:
    """Why there is no prebuilt engine for such a machine; None when there is one, or the machine is not known."""
    if musl:
        return "There is no build of xllamacpp for musl libc (Alpine Linux)."
    if system and architecture and (system, architecture.lower()) not in WHEELS:
        return f"There is no build of xllamacpp for {system} on {architecture}."
    return None


def on_musl() -> bool:
    """True when this Python runs on musl libc."""
    import sysconfig

    return "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "")


def command() -> str:
    """The exact command that installs the standard build beside launchpad."""
    words = [sys.executable, "-m", "pip", "install"]
    if importlib.util.find_spec("pip") is None:  # in environments that uv made
        words = ["uv", "pip", "install", "--python", sys.executable]
    return " ".join([*words, PACKAGE])


def better_api(machine: Machine, usable: set[Api]) -> Api | None:
    """The API whose build would use an accelerator that this one leaves idle; None when there is none."""
    for accelerator in machine.accelerators:
        if accelerator.apis and not usable.intersection(accelerator.apis):
            return next((api for api in BUILT if api in accelerator.apis), None)
    return None

"""A library of the system that an engine lacks, as on a minimal container image, and what brings it."""

from __future__ import annotations

import re

# How the dynamic linker of Linux says it, to Python and to a program.
_MISSING = re.compile(r"\b(lib[\w.+-]+?\.so(?:\.\d+)*): cannot open shared object file")
# The packages of Debian and Ubuntu, and of Fedora and its kin.
_PACKAGES = {
    "libgomp.so.1": ("libgomp1", "libgomp"),
    "libstdc++.so.6": ("libstdc++6", "libstdc++"),
    "libvulkan.so.1": ("libvulkan1", "vulkan-loader"),
}


def way_out(words: str) -> str | None:
    """What to install where `words`, an engine's last ones, name a library that is missing; else None."""
    found = _MISSING.search(words)
    if found is None:
        return None
    library = found[1]
    if library in _PACKAGES:
        debian, fedora = _PACKAGES[library]
        return f"sudo apt install {debian} (Debian, Ubuntu), or sudo dnf install {fedora} (Fedora, RHEL)"
    if library == "libcuda.so.1":
        return "Install the NVIDIA driver; in a container, start it with access to the GPU."
    return f"Install the package of this system that has {library}."

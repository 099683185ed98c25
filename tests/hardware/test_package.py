from __future__ import annotations

import subprocess
import sys

import pytest

import launchpad.hardware
from launchpad.hardware.machine import Machine


def test_names_are_found_when_used():
    assert launchpad.hardware.Machine is Machine
    with pytest.raises(AttributeError, match="Computer"):
        launchpad.hardware.Computer  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, launchpad.hardware; print(*{'psutil', 'pynvml', 'msgspec', 'ctypes'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

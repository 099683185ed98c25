"""A backend whose engine is a Python package: a script of the plugin's serves it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from launchpad.config.sections import BackendConfig
from launchpad.engines.command import KEY_VARIABLE
from launchpad.hardware.machine import Machine
from launchpad.plugins.guest_backend import GuestBackend
from launchpad.plugins.spec import BackendStatus

ASKING = 10.0  # s for another Python's word on a package
_BLANKS = ("--model", "{model_path}", "--port", "{port}", "--context", "{context}")


class PythonBackend(GuestBackend):
    """Runs `program` with Python: a script (see `serve_chat`), or the words after `python -P`, with the blanks of a command.

    `package` is the distribution that the engine comes in. It lies beside launchpad, or where the user's `{NAME}_PYTHON` says which
    Python has it.
    """

    def __init__(
        self,
        name: str,
        package: str,
        program: Path | Sequence[str],
        *,
        formats: Sequence[str] = ("gguf",),
        accelerators: Sequence[str] = (),
        env: dict[str, str] | None = None,
        stall: float = 120.0,
        **abilities: bool,
    ) -> None:
        self.package = package
        self.variable = f"{name.upper().replace('-', '_')}_PYTHON"
        self.python = os.environ.get(self.variable) or sys.executable
        words = (str(program), *_BLANKS) if isinstance(program, Path) else tuple(program)
        key = {KEY_VARIABLE: "{api_key}"} if isinstance(program, Path) else {}
        settings = BackendConfig(
            command=(self.python, "-P", *words),
            formats=tuple(formats),
            accelerators=tuple(accelerators),
            env={**key, **(env or {})},
            stall=stall,
        )
        super().__init__(name, settings, **abilities)

    def status(self, machine: Machine) -> BackendStatus:
        """Ready when the package is installed; on a simulated machine it is taken to be."""
        if machine.simulated:
            return BackendStatus(state="ready")
        found = self.version()
        if found is not None:
            return BackendStatus(state="ready", version=found, place=self.python)
        why = f"The package {self.package} is not installed for {self.python}."
        return BackendStatus(state="installable", why=why, hint=self.how_to_get())

    def version(self) -> str | None:
        """Of the package."""
        if self.python == sys.executable:
            try:
                return version(self.package)
            except PackageNotFoundError:
                return None
        code = f"import importlib.metadata as m; print(m.version({self.package!r}))"
        try:
            done = subprocess.run(
                [self.python, "-I", "-c", code], capture_output=True, text=True, timeout=ASKING, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip()[:40] or None if done.returncode == 0 else None

    def how_to_get(self) -> str:
        """What to do where the package is missing."""
        return (
            f"{self.python} -m pip install {self.package} (or name the Python that has it: {self.variable})"
        )

"""For the tests of plugins and of launchpad itself: the conformance kit, the fake engine, machines, hostile servers.

A plugin's tests subclass the contracts, and pytest runs every rule of them:

    from launchpad.testing import BackendContract

    class TestMyBackend(BackendContract):
        def backend(self):
            return MyBackend()

Names are imported when they are first used. `launchpad plugins check` runs the same rules without pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.hardware.simulate import simulate as simulate
    from launchpad.testing.backend_contract import BackendContract as BackendContract
    from launchpad.testing.cli import CliRun as CliRun
    from launchpad.testing.cli import fake_engine_command as fake_engine_command
    from launchpad.testing.cli import run_cli as run_cli
    from launchpad.testing.contract import CatalogContract as CatalogContract
    from launchpad.testing.contract import CommandContract as CommandContract
    from launchpad.testing.contract import PluginContract as PluginContract
    from launchpad.testing.contract import ProbeContract as ProbeContract
    from launchpad.testing.hub import Fault as Fault
    from launchpad.testing.hub import SimulatedHub as SimulatedHub
    from launchpad.testing.model_files import small_model as small_model
    from launchpad.testing.model_files import write_gguf as write_gguf
    from launchpad.testing.server import SimulatedServer as SimulatedServer
    from launchpad.testing.source_contract import SourceContract as SourceContract

_EXPORTS = {
    "BackendContract": "launchpad.testing.backend_contract",
    "CatalogContract": "launchpad.testing.contract",
    "CliRun": "launchpad.testing.cli",
    "CommandContract": "launchpad.testing.contract",
    "Fault": "launchpad.testing.hub",
    "PluginContract": "launchpad.testing.contract",
    "ProbeContract": "launchpad.testing.contract",
    "SimulatedHub": "launchpad.testing.hub",
    "SimulatedServer": "launchpad.testing.server",
    "SourceContract": "launchpad.testing.source_contract",
    "fake_engine_command": "launchpad.testing.cli",
    "run_cli": "launchpad.testing.cli",
    "simulate": "launchpad.hardware.simulate",
    "small_model": "launchpad.testing.model_files",
    "write_gguf": "launchpad.testing.model_files",
}

__all__ = sorted(_EXPORTS)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _EXPORTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})

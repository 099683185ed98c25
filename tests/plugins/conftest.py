"""Plugins made for one test: as a file, or installed as a distribution."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.config import Config, PluginsConfig
from launchpad.plugins.host import Host

Install = Callable[..., Path]

PREAMBLE = """
from launchpad.choice.choose import Option
from launchpad.plugins import (
    BackendBase, BackendCapabilities, BackendStatus, Build, Choice, CommandSpec, LaunchError, LaunchpadError, LocalModel,
    Model, ProbeResult, Reachability, RefusedError, Resolved, hookimpl,
)

class Probe:
    def __init__(self, name="probe"): self.name = name
    def probe(self): return ProbeResult(os="linux")

class Source:
    def __init__(self, name="source", schemes=("source",)): self.name, self.schemes = name, schemes
    def reachable(self, timeout): return Reachability(ok=True)
    def resolve(self, build): return Resolved(ref=build.ref, folder="f", revision="r", files=(), entry="/e", build=build)
    def local(self): return ()

class Catalog_:
    name = "catalog"
    date = "2026-11-01"
    def models(self): return [Model(id="a/b", name="B", lab="A", lab_id="a")]

class Backend_(BackendBase):
    name = "backend"
    capabilities = BackendCapabilities(formats=("gguf",))
    def status(self, machine): return BackendStatus(state="ready")
    def launch(self, start, report): raise LaunchError("no")
"""


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Path:
    """Where `write_plugin` puts files."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def write_plugin(plugin_folder: Path) -> Callable[[str, str], Path]:
    """Write a one-file plugin; `PREAMBLE` stands before the source."""

    def write(name: str, source: str) -> Path:
        path = plugin_folder / f"{name}.py"
        path.write_text(PREAMBLE + textwrap.dedent(source))
        return path

    return write


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one entry point into a folder of its own on `sys.path`."""
    modules = set(sys.modules)

    def make(
        name: str,
        source: str | None,
        *,
        group: str = "launchpad.v1",
        distribution: str | None = None,
        module: str | None = None,
    ) -> Path:
        distribution = distribution or f"launchpad-{name}"
        module = module or f"plugin_{distribution.replace('-', '_')}"
        site = tmp_path / "site" / distribution
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
        if source is not None:
            (site / f"{module}.py").write_text(PREAMBLE + textwrap.dedent(source))
        monkeypatch.syspath_prepend(str(site))
        return site

    yield make
    for name in set(sys.modules) - modules:
        if name.startswith("plugin_"):
            del sys.modules[name]


@pytest.fixture
def make_host(plugin_folder: Path) -> Callable[..., Host]:
    """A host that sees the files of `plugin_folder`."""

    def make(*, third_party: bool = True, **settings: Any) -> Host:
        settings = {"paths": (str(plugin_folder),), "timeout": 5.0, **settings}
        return Host.load(Config(plugins=PluginsConfig(**settings)), third_party=third_party)

    return make

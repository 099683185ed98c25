"""What the documentation says about plugins and settings is run, or compared with the code."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest

from launchpad.config import KEYS, SECTIONS, Config, load_config, variable
from launchpad.config.backends import check_backends
from launchpad.config.sections import BackendConfig
from launchpad.plugins import spec
from launchpad.plugins.host import Host
from launchpad.plugins.registration import HOOKS

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "how-to" / "write-a-plugin.md").read_text("utf-8")
HOOK_PAGE = (DOCS / "reference" / "hooks.md").read_text("utf-8")
SETTINGS = (DOCS / "reference" / "configuration.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """All code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The guide's plugin, installed as its `pyproject.toml` says."""
    project = tomllib.loads(blocks(GUIDE, "toml")[0])["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups
        )
    )
    (tmp_path / "lamp.py").write_text(blocks(GUIDE, "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lamp", raising=False)
    return tmp_path


def test_the_guides_plugin_is_found_by_its_entry_point(installed: Path) -> None:
    host = Host.load(Config())
    (probe,) = [probe for probe in host.probes() if probe.name == "lamp"]
    assert probe.probe().facts[0].evidence == "it shines"
    (info,) = [plugin for plugin in host.plugins if plugin.name == "lamp"]
    assert (info.distribution, info.version, info.state) == ("launchpad-lamp", "1.0", "ready")
    assert host.failures == ()


def test_the_guides_plugin_works_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lamp.py"
    path.write_text(blocks(GUIDE, "python")[0])
    config = load_config(environ={"LAUNCHPAD_PLUGIN_PATH": str(path)}, cwd=tmp_path)
    assert "lamp" in [probe.name for probe in Host.load(config).probes()]


def test_the_guides_tests_pass(installed: Path) -> None:
    (installed / "test_lamp.py").write_text(blocks(GUIDE, "python")[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lamp.py"]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b9 passed", done.stdout), done.stdout


def test_every_hook_has_its_heading_and_signature() -> None:
    assert re.findall(r"^## `(launchpad_\w+)`$", HOOK_PAGE, re.MULTILINE) == list(HOOKS)
    for name in HOOKS:
        signature = inspect.signature(getattr(spec.Hooks, name))
        shown = f"def {name}{signature}".replace("(self, ", "(").replace("(self)", "()").replace("'", "")
        assert f"@hookimpl\n{shown}: ..." in HOOK_PAGE, shown


def test_every_method_that_a_plugin_writes_is_described() -> None:
    for protocol in (spec.HardwareProbe, spec.Catalog, spec.ModelSource, spec.Backend):
        for name in vars(protocol):
            if not name.startswith("_"):
                assert f"| `{name}" in HOOK_PAGE, f"{protocol.__name__}.{name}"


def shown(key: str) -> str:
    """The default as the reference writes it."""
    section, _, name = key.partition(".")
    value = getattr(SECTIONS[section](), name)
    if key == "run.max_unattended_download":
        return "`1GB`"
    return {None: "unset", (): "empty"}.get(value) or f"`{str(value).lower()}`"


def test_every_setting_stands_in_the_reference_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (.*) \|$", SETTINGS, re.MULTILINE)
    expected = {
        key: f"{shown(key)} | `{variable(key)}` | {next(m.description for m in hint.__metadata__ if m.description)}"
        for key, hint in KEYS.items()
    }
    assert dict(rows) == expected


def test_every_setting_of_a_backend_stands_in_the_reference() -> None:
    section = SETTINGS.partition("## `[backends.NAME]`")[2]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| (.*) \|$", section, re.MULTILINE))
    hints = get_type_hints(BackendConfig, include_extras=True)
    assert rows == {
        name: next(m.description for m in hint.__metadata__ if m.description) for name, hint in hints.items()
    }


def test_the_backends_of_the_guide_are_valid(tmp_path: Path) -> None:
    text = "".join(blocks((DOCS / "how-to" / "use-any-server.md").read_text("utf-8"), "toml"))
    found = check_backends(tomllib.loads(text)["backends"], "the guide")
    assert set(found) == {"llama-server", "lm-studio", "office"}


def test_the_settings_example_is_valid(tmp_path: Path) -> None:
    (tmp_path / "launchpad.toml").write_text(blocks(SETTINGS, "toml")[0])
    config = load_config(environ={}, cwd=tmp_path)
    assert config.origin("run.context").startswith(str(tmp_path))

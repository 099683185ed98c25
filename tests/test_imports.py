"""`--help`, `--version` and `import launchpad` load next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

ALLOWED = {"click", "platformdirs", "launchpad"}
ALLOWED_OF_LAUNCHPAD = {
    "launchpad",
    "launchpad.__main__",
    "launchpad.cli",
    "launchpad.cli.app",
    "launchpad.cli.output",
    "launchpad.cli.root",
    "launchpad.cli.streams",
    "launchpad.cli.table",
    "launchpad.errors",
    "launchpad.folders",
    "launchpad.plugins",
    "launchpad.plugins.presence",
    "launchpad.sanitize",
}
# Of the standard library, what would be felt at every start.
HEAVY = {"asyncio", "email", "http", "importlib.metadata", "ssl", "unittest", "urllib.request", "xml"}


def modules_after(code: str) -> set[str]:
    """Names of all modules that a fresh interpreter has loaded at its end."""
    program = textwrap.dedent(f"""
        import atexit, json, os, sys
        before = set(sys.modules)  # what site and .pth files of this environment load
        atexit.register(lambda: os.write(2, json.dumps(sorted(set(sys.modules) - before)).encode()))
        {code}
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=True
    )
    return set(json.loads(done.stderr))


def check(loaded: set[str]) -> None:
    ours = {name for name in loaded if name.partition(".")[0] == "launchpad"}
    assert ours - ALLOWED_OF_LAUNCHPAD == set()
    strangers = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - ALLOWED
    assert {name for name in strangers if not name.startswith("_")} == set()
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_command_line_starts_light(argument: str) -> None:
    check(
        modules_after(
            f"import runpy; sys.argv = ['launchpad', {argument!r}]; runpy.run_module('launchpad', run_name='__main__')"
        )
    )


def test_import_launchpad_is_light() -> None:
    assert modules_after("import launchpad") & {"click", "msgspec", "pluggy"} == set()
    assert {name for name in modules_after("import launchpad") if name.startswith("launchpad")} == {
        "launchpad"
    }


def test_import_launchpad_plugins_is_light() -> None:
    loaded = modules_after("import launchpad.plugins")
    assert {name for name in loaded if name.startswith("launchpad")} == {"launchpad", "launchpad.plugins"}

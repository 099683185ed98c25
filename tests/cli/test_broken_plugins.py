"""Broken plugins of every kind beside every command: real processes, real installed metadata, real single files.

Each command does what it does without them, `--json` stays one document, and one warning line names each plugin.
What no host can contain inside one process, such as `os._exit`, is kept away by `--no-plugins`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

HOOK = "from launchpad.plugins import hookimpl\n\n@hookimpl\ndef launchpad_probes():\n    "
KINDS = {
    "raises": "raise RuntimeError('it is broken')",
    "exits": "raise SystemExit(3)",
    "interrupts": "raise KeyboardInterrupt",
    "exhausts": "def deeper(): deeper()\ndeeper()",
    "hangs": "import time\ntime.sleep(3600)",
    "malformed": "def launchpad_probes(:",
    "undecodable": "x = '\udcff'",
    "missing": "import no_such_module_at_all",
    "printsandraises": "print('{not json'); raise ValueError('after printing')",
    "misspelt": HOOK.replace("launchpad_probes", "launchpad_probez") + "return []",
    "hookraises": HOOK + "raise ValueError('in the hook')",
    "hookexits": HOOK + "raise SystemExit(0)",
    "hookhangs": HOOK + "import time; time.sleep(3600)",
    "hooklies": HOOK + "return 'not a list of probes'",
}
PRINTS = (
    "import sys\nprint('{printed at import')\nprint('at import', file=sys.stderr)\n"
    + HOOK
    + "print('{printed in a hook'); return []"
)
COMMANDS = {
    "run": ("run", "--offline", "hello there"),
    "dry-run": ("run", "--offline", "--dry-run"),
    "recommend": ("recommend",),
    "plan": ("plan", "--on", "RTX 3060 12GB"),
    "fit": ("fit", "qwen3-8b", "--on", "RTX 4090"),
    "cluster": ("cluster", "emit", "lws", "qwen3-8b", "--on", "RTX 4090", "--revision", "0" * 40),
    "explain": ("explain", "qwen3-8b", "--on", "RTX 4090"),
    "bench": ("bench", "--offline", "no-such-model-at-all"),
    "models": ("models", "--lab", "mistral"),
    "catalog": ("catalog",),
    "landscape": ("landscape", "--on", "RTX 4090"),
    "hardware": ("hardware",),
    "pull": ("pull", "no-such-model-at-all"),
    "list": ("list",),
    "rm": ("rm", "no-such-model-at-all"),
    "plugins": ("plugins",),
    "config": ("config",),
    "chat": ("chat", "--offline", "-p", "hello there"),
    "serve": ("serve", "--offline", "no-such-model-at-all"),
    "start": ("start", "--offline", "no-such-model-at-all"),
    "test": ("test", "--offline", "--strict-model", "."),
    "batch": ("batch", "--offline", "in.jsonl", "-o", "out.jsonl"),
    "generate": ("generate", "systemd", "no-such-model-at-all"),
    "inspect": ("inspect", "no-such-model-at-all"),
    "verify": ("verify", "--all"),
    "du": ("du",),
    "gc": ("gc", "--dry-run"),
    "doctor": ("doctor",),
    "engines": ("engines",),
    "bundle": ("bundle", "export", "no-such-model-at-all", "x.tar"),
}
# What these do needs no plugin, and none is loaded.
ALONE = {
    "sessions": ("sessions",),
    "connect": ("connect",),
    "env": ("env",),
    "ps": ("ps",),
    "stop": ("stop", "--all"),
    "restart": ("restart", "nobody"),
    "logs": ("logs", "nobody"),
    "lint": ("lint", "."),
    "transcript": ("transcript", "export", "none.jsonl"),
    "completion": ("completion", "bash"),
}
TIMEOUT = {"LAUNCHPAD_PLUGINS_TIMEOUT": "0.5"}

Install = Callable[[str, str], dict[str, str]]


@pytest.fixture(params=["installed", "single file"])
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Install:
    """Put a plugin where launchpad finds it; returns the environment in which it does."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return installed(folder) if request.param == "installed" else single_file(folder)


def installed(folder: Path) -> Install:
    """As pip would leave it in site-packages: the module, and its metadata with an entry point."""

    def install(name: str, source: str) -> dict[str, str]:
        (folder / f"broken_{name}.py").write_text(source, encoding="utf-8", errors="surrogateescape")
        metadata = folder / f"broken_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: broken-{name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[launchpad.v1]\n{name} = broken_{name}\n")
        return {**TIMEOUT, "PYTHONPATH": str(folder)}

    return install


def single_file(folder: Path) -> Install:
    """A file in a folder of LAUNCHPAD_PLUGIN_PATH."""

    def install(name: str, source: str) -> dict[str, str]:
        (folder / f"{name}.py").write_text(source, encoding="utf-8", errors="surrogateescape")
        return {**TIMEOUT, "LAUNCHPAD_PLUGIN_PATH": str(folder)}

    return install


def test_every_command_is_tried():
    from launchpad.cli.table import COMMANDS as KNOWN

    assert {arguments[0] for arguments in (COMMANDS | ALONE).values()} == set(KNOWN)


@pytest.mark.parametrize("command", ALONE)
def test_what_needs_no_plugin_loads_none(launchpad, tmp_path, command):
    folder = tmp_path / "plugins"
    folder.mkdir()
    before = launchpad(*ALONE[command])
    for kind, source in KINDS.items():
        env = installed(folder)(kind, source)
    after = launchpad(*ALONE[command], env=env)
    assert (after.code, after.out, after.err) == (before.code, before.out, before.err)


@pytest.mark.parametrize("kind", KINDS)
def test_one_broken_plugin_is_one_warning(launchpad, tmp_path, kind):
    # Half of the kinds each way; that both ways share the code behind is tested with the host.
    way = installed if list(KINDS).index(kind) % 2 == 0 else single_file
    env = way(tmp_path)(kind, KINDS[kind])
    ran = launchpad("hardware", "--json", env=env)
    assert ran.code == 0, ran.err
    assert ran.document["kind"] == "machine"
    (warning,) = ran.err.splitlines()
    assert warning.startswith(f"warning: plugin {kind}")
    assert "--no-plugins" in warning
    quiet = launchpad("--no-plugins", "hardware", env=env)
    assert (quiet.code, quiet.err) == (0, "")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", COMMANDS)
def test_all_broken_plugins_at_once_leave_every_command_working(launchpad, tmp_path, command):
    folder = tmp_path / "plugins"
    folder.mkdir()
    arguments = (*COMMANDS[command], "--json")
    before = launchpad(*arguments)
    for kind, source in KINDS.items():
        env = installed(folder)(kind, source)
    installed(folder)("prints", PRINTS)
    after = launchpad(*arguments, env=env)
    assert after.code == before.code, after.err
    assert after.document["kind"] == before.document["kind"]
    assert "Traceback" not in after.err
    warnings = [line for line in after.err.splitlines() if line.startswith("warning: plugin ")]
    named = [line.split()[2].rstrip(":") for line in warnings]
    assert len(named) == len(set(named))
    if command in ("hardware", "recommend", "run", "plugins"):
        assert set(named) - {"prints"} == set(KINDS)  # which is slow where the machine is


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("list", "--help")], ids=" ".join)
def test_help_works_beside_broken_plugins(launchpad, tmp_path, arguments):
    for kind, source in KINDS.items():
        env = single_file(tmp_path)(kind, source)
    ran = launchpad(*arguments, env=env)
    assert ran.code == 0
    assert "launchpad" in ran.out
    assert "Traceback" not in ran.err


def test_what_a_plugin_prints_reaches_no_stream(launchpad, install):
    ran = launchpad(
        "hardware", "--json", env={**install("prints", PRINTS), "LAUNCHPAD_PLUGINS_TIMEOUT": "20"}
    )
    assert ran.code == 0
    assert ran.document["kind"] == "machine"
    assert ran.err == ""


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos._exit(66)",
        "import os\nos.fork()",
        "import os, time\nif not os.fork(): time.sleep(3600)",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nraise ImportError('changed a handler')",
        "import builtins\nbuiltins.open = None\nraise ImportError('changed open')",
    ],
    ids=["leaves at once", "goes on twice", "leaves a child", "signal handler", "monkeypatch"],
)
def test_no_plugins_works_against_what_cannot_be_contained(launchpad, install, source):
    env = install("beyond", dedent(source))
    ran = launchpad("--no-plugins", "hardware", "--json", env=env)
    assert ran.code == 0, ran.err
    assert ran.document["kind"] == "machine"
    assert ran.err == ""


def test_a_damaged_distribution_is_no_obstacle(launchpad, tmp_path):
    metadata = tmp_path / "damaged-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_bytes(b"\xff\xfe\x00")
    (metadata / "entry_points.txt").write_bytes(b"[launchpad.v1]\n\xff\xfe = = =\n")
    ran = launchpad("hardware", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert ran.code == 0, ran.err
    assert ran.document["kind"] == "machine"

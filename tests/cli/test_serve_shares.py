"""What `serve` has in common with `run`: kept engines, room, the second try. The simulated engine, real processes."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.test_serve import Serving
from gguf_bytes import gguf
from launchpad.engines import kept
from launchpad.testing.processes import engine_processes, eventually

MIB = 1 << 20
PLUGIN = {"LAUNCHPAD_PLUGIN_PATH": str(Path(__file__).with_name("simulated_backend.py"))}
ASK = {"model": "auto", "messages": [{"role": "user", "content": "hello there"}]}

Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path, private_home: Path, launchpad: Any) -> Iterator[Serve]:
    """Start a gateway of models `one` and `two`, which have the same simulated engine."""
    running: list[Serving] = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.gguf").write_bytes(gguf())

    def run(*arguments: str, **env: str) -> Serving:
        options = ("--backend", "simulated", "--port", "0")
        running.append(Serving(*arguments, *options, cwd=tmp_path, **PLUGIN, **env))
        return running[-1]

    yield run
    for one in running:
        one.process.kill()
        one.process.communicate()
    launchpad("stop", "--all")
    eventually(lambda: not engine_processes(private_home))


def start(launchpad: Any, name: str, **env: str) -> kept.registry.Record:
    ran = launchpad(
        "start", name, "--backend", "simulated", "--context", "1024", "--offline", env={**PLUGIN, **env}
    )
    assert ran.code == 0, ran.err
    (record,) = kept.usable()
    return record


def test_serve_uses_a_kept_engine_and_leaves_it_to_its_keeper(serve: Serve, launchpad: Any) -> None:
    record = start(launchpad, "one.gguf")
    one = serve("one.gguf", "--context", "1024")
    assert f"using one ({record.token[:8]})" in one.notes
    assert one.ask("/v1/chat/completions", ASK)["choices"][0]["message"]["content"]
    (view,) = launchpad("ps", "--json").document["engines"]
    assert (view["token"], view["attached"]) == (record.token, True)
    code, _, err = one.end(signal.SIGTERM)
    assert code == 143, err
    assert [still.token for still in kept.usable()] == [record.token]


def test_serve_starts_its_own_where_the_kept_one_has_too_little_context(serve: Serve, launchpad: Any) -> None:
    record = start(launchpad, "one.gguf")
    one = serve("one.gguf", "--context", "2048")
    assert f"using one ({record.token[:8]})" not in one.notes
    assert len(launchpad("ps", "--json").document["engines"]) == 2


def test_serve_unloads_an_idle_engine_first(serve: Serve, launchpad: Any) -> None:
    short = {
        "SIMULATED_ENGINE": f"--hold {700 * MIB}",
        "SIMULATED_MEMORY": str(1240 * MIB),
        "LAUNCHPAD_PLUGINS_DISABLED": "probes",
    }
    start(launchpad, "one.gguf", **short)
    two = serve("two.gguf", "--context", "1024", **short)
    assert "made room for two" in two.notes
    assert [one["model"] for one in launchpad("ps", "--json").document["engines"]] == ["two"]


def test_serve_tries_once_more_with_less_context_and_keeps_that_promise(serve: Serve) -> None:
    one = serve("one.gguf", SIMULATED_ENGINE="--signal-at-load SIGKILL", SIMULATED_CONTEXT="8192")
    found = re.search(r"Trying once more with a context of ([\d,]+)", one.notes)
    assert found, one.notes
    assert f"serving one · context {found[1]}" in one.notes
    assert one.ask("/v1/models")["data"][0]["context_length"] == int(found[1].replace(",", ""))

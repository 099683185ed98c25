"""The kit against an installed plugin: every rule that fits what it offers, in a process of its own.

    python -m launchpad.testing.checking NAME [MODEL]      results as JSON on standard output

A plugin may end its process or hang: that is a result, too. Needs no pytest.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from launchpad.errors import LaunchpadError
from launchpad.plugins.rule_result import RuleResult
from launchpad.sanitize import clean


def main() -> int:
    """Check, and write one result a line."""
    name, model = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None
    found = _load(name)
    if found is None:
        return 2
    with Path(os.environ.pop("LAUNCHPAD_CHECK_ANSWER")).open("ab", buffering=0) as answer:
        for result in run(found, model):
            answer.write(msgspec.json.encode(result) + b"\n")
    return 0


def _load(name: str) -> Callable[[], object] | None:
    from launchpad.config import load_config
    from launchpad.plugins import discovery
    from launchpad.plugins.plugin import FailureLog

    paths = load_config().plugins.paths
    for one in (*discovery.third_party(paths, FailureLog()), *discovery.builtins()):
        if one.name == name:
            return one.load
    return None


def run(load: Callable[[], object], model: Path | None = None) -> Iterator[RuleResult]:
    """Every rule for the plugin itself and for all that it offers."""
    try:
        plugin = load()
    except BaseException as error:
        yield RuleResult(subject="plugin", rule="it loads", outcome="failed", why=_text(error))
        return
    for subject, contract in _subjects(plugin, model):
        for rule in _rules(type(contract)):
            yield _run_rule(subject, contract, rule)


def _subjects(plugin: object, model: Path | None) -> Iterator[tuple[str, Any]]:
    from launchpad.plugins.host import Host
    from launchpad.testing import (
        BackendContract,
        CatalogContract,
        CommandContract,
        PluginContract,
        ProbeContract,
        SourceContract,
    )
    from launchpad.testing.broken import subject

    yield "plugin", subject(PluginContract, plugin=lambda: plugin)
    host = Host.of(plugin=plugin)
    for probe in host.probes():
        yield f"probe {probe.name}", subject(ProbeContract, probe=partial(_same, probe._probe))
    for catalog in host.catalogs():
        yield f"catalog {catalog.name}", subject(CatalogContract, catalog=partial(_same, catalog._catalog))
    for source in host.sources():
        parts = {"source": partial(_same, source._source), "build": partial(_a_build, source)}
        yield f"source {source.name}", subject(SourceContract, **parts)
    for backend in host.backends():
        parts = {"backend": partial(_same, backend._backend), "model_file": partial(_same, model)}
        yield f"backend {backend.name}", subject(BackendContract, **parts)
    for spec in host.commands():
        yield f"command {spec.name}", subject(CommandContract, spec=partial(_same, spec))


def _same(thing: object) -> object:
    return thing


def _a_build(source: Any) -> Any:
    """One that it holds: what else it has nobody knows here."""
    from launchpad.catalog.model import Build

    for local in source.local():
        return Build(ref=local.ref, format=local.format, quantization=local.quantization or "unknown")
    raise unittest.SkipTest("it holds no model here; its own tests name one")


def _rules(contract: type) -> list[str]:
    return [name for name in dir(contract) if name.startswith("test_")]


def _run_rule(subject: str, contract: Any, name: str) -> RuleResult:
    rule: Callable[..., None] = getattr(contract, name)
    words = name.removeprefix("test_").replace("_", " ")
    outcome: Literal["ok", "failed", "skipped"] = "ok"
    why = None
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        given = {"tmp_path": Path(folder)} if "tmp_path" in inspect.signature(rule).parameters else {}
        try:
            rule(**given)
        except unittest.SkipTest as skipped:
            outcome, why = "skipped", str(skipped)
        except BaseException as error:
            outcome, why = "failed", _text(error)
    return RuleResult(subject=subject, rule=words, outcome=outcome, why=why)


def _text(error: BaseException) -> str:
    said = error.what if isinstance(error, LaunchpadError) else str(error)
    text = clean(said.strip().partition("\n")[0])[:300]
    return text if isinstance(error, AssertionError) and text else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    sys.exit(main())

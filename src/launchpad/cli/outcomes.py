"""What `--help` says at the end of a command: its JSON documents with their fields, and its exit codes.

Imported for help only. The kinds are those of `documents.KINDS`, the codes those of docs/reference/exit-codes.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import click

CODES: Mapping[int, str] = {
    0: "it worked",
    1: "a check failed",
    2: "bad arguments, file or setting",
    3: "no such model, or none fits",
    4: "the bytes could not be had, or are wrong",
    5: "an engine failed",
    6: "an answer failed or could not be written",
    7: "refused for safety or by policy",
    8: "something else holds what is needed",
}


class Outcome(NamedTuple):
    """The kinds of a command's JSON documents, and its exit codes besides 0 and 2, each a digit."""

    kinds: tuple[str, ...] = ()
    codes: str = ""


OUTCOMES: Mapping[str, Outcome] = {
    "run": Outcome(("answer", "script-runs", "plan"), "345678"),
    "chat": Outcome(("answer",), "345678"),
    "sessions": Outcome(("sessions",)),
    "sessions list": Outcome(("sessions",)),
    "sessions export": Outcome(("session",)),
    "sessions rm": Outcome(("sessions-removed",), "78"),
    "serve": Outcome(("gateway",), "34578"),
    "connect": Outcome(("agents", "connection"), "357"),
    "env": Outcome(("environment",), "5"),
    "start": Outcome(("engines",), "34578"),
    "ps": Outcome(("engines",)),
    "stop": Outcome(("engines-stopped",), "5"),
    "restart": Outcome(("engines",), "3457"),
    "logs": Outcome(),
    "engines": Outcome(("engine-programs",)),
    "engines install": Outcome(("engine-installed",), "45"),
    "engines rollback": Outcome(("engine-rolled-back",), "5"),
    "test": Outcome(("script-runs",), "13456"),
    "lint": Outcome(("lint",)),
    "batch": Outcome(("batch",), "3456"),
    "transcript": Outcome(),
    "transcript export": Outcome(),
    "recommend": Outcome(("recommendation",), "357"),
    "plan": Outcome(("plan", "capacity"), "3457"),
    "fit": Outcome(("fits",), "3457"),
    "explain": Outcome(("explanation",), "3457"),
    "bench": Outcome(("benchmark",), "345678"),
    "models": Outcome(("models",), "3"),
    "catalog": Outcome(("catalogs",)),
    "catalog add": Outcome(("catalog-added",), "34"),
    "catalog path": Outcome(),
    "catalog remove": Outcome(("catalog-removed",)),
    "catalog update": Outcome(("catalog-updated", "catalog-taken"), "347"),
    "landscape": Outcome(("landscape",), "57"),
    "hardware": Outcome(("machine",), "57"),
    "pull": Outcome(("pulled",), "3478"),
    "list": Outcome(("local-models",)),
    "inspect": Outcome(("inspection",), "34"),
    "verify": Outcome(("verified",), "13"),
    "du": Outcome(("disk-usage",)),
    "gc": Outcome(("garbage",)),
    "bundle": Outcome(),
    "bundle export": Outcome(("bundle-exported",), "346"),
    "bundle import": Outcome(("bundle-imported",), "478"),
    "rm": Outcome(("removed",), "378"),
    "generate": Outcome(("generated",), "37"),
    "cluster": Outcome(),
    "cluster emit": Outcome(("manifests",), "3457"),
    "doctor": Outcome(("diagnosis",), "1"),
    "plugins": Outcome(("plugins",)),
    "plugins new": Outcome(("plugin-written",)),
    "plugins check": Outcome(("plugin-check",), "1"),
    "plugins install": Outcome(("plugins-changed",), "5"),
    "plugins uninstall": Outcome(("plugins-changed",), "5"),
    "plugins disable": Outcome(("plugins-changed",)),
    "plugins enable": Outcome(("plugins-changed",)),
    "plugins freeze": Outcome(("plugins-frozen",)),
    "plugins restore": Outcome(("plugins-changed",), "5"),
    "config": Outcome(("config",)),
    "config get": Outcome(),
    "config path": Outcome(),
    "config set": Outcome(),
    "config unset": Outcome(),
    "completion": Outcome(),
}


def document(command: click.Command, path: str) -> None:
    """Put the end of the help below `command` and what is below it."""
    outcome = OUTCOMES.get(path)
    if outcome is not None and not command.epilog:
        command.epilog = "\n\n".join([*_documents(outcome), _codes(outcome)])
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            document(below, f"{path} {name}")


def _documents(outcome: Outcome) -> list[str]:
    return [f"--json prints {kind}: {', '.join(fields(kind))}." for kind in outcome.kinds]


def _codes(outcome: Outcome) -> str:
    shown = sorted({0, 2, *map(int, outcome.codes)})
    return "Exit codes: " + "; ".join(f"{code} {CODES[code]}" for code in shown) + "."


@cache
def fields(kind: str) -> tuple[str, ...]:
    """The fields of a document, from its schema (the types would be slow to load); not the two that all share."""
    import json
    from importlib import resources

    text = resources.files("launchpad").joinpath("schemas", f"{kind}.schema.json").read_text("utf-8")
    return tuple(name for name in json.loads(text)["properties"] if name not in ("schema_version", "kind"))

"""The agents that launchpad knows: what they need of a model, and where their settings are."""

from __future__ import annotations

import os
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from launchpad.errors import NoModelFits, UsageError

Basis = Literal["source", "estimate"]


class Agent(Struct, frozen=True, kw_only=True):
    """One agent. Contexts in tokens; `start` is what the user types next. A basis says whose figure a context is."""

    title: str
    path: str
    file: str
    least: int
    recommended: int
    least_basis: Basis
    recommended_basis: Basis
    source: str
    date: str
    start: str
    path_windows: str | None = None

    def folder(self) -> Path:
        """The folder that its files are in, moved by its own variable."""
        path = (sys.platform == "win32" and self.path_windows) or self.path
        variable, _, default = path.rpartition("|")
        return Path(os.environ.get(variable) or default).expanduser()


def tokens(count: int, basis: Basis) -> str:
    """A context as people read it; an estimate is marked."""
    return f"{count:,}" if basis == "source" else f"~{count:,}"


def agents() -> dict[str, Agent]:
    """All of them, by name."""
    text = files("launchpad.connect").joinpath("agents.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Agent])


def agent_of(name: str) -> Agent:
    """The agent of that name. Raises `UsageError` with the names that there are."""
    known = agents()
    if name not in known:
        raise UsageError(f"There is no agent {name!r}.", hint=f"Use one of {', '.join(known)}.")
    return known[name]


def require_context(agent: Agent, model: str, context: int) -> None:
    """Refuse a model whose context is below what the agent needs. Raises `NoModelFits`."""
    if context < agent.least:
        whose = "" if agent.least_basis == "source" else " (launchpad's estimate)"
        raise NoModelFits(
            f"{agent.title} needs a context of at least {agent.least:,} tokens{whose}, and {model} is served with {context:,}.",
            why=f"As of {agent.date}: {agent.source}.",
            hint=f"Start the gateway again with --context {agent.least}, and a model that can have as much if this one cannot.",
        )

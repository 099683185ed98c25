"""Who owns the environment that launchpad runs in, and the exact commands with which it adds and removes plugins there.

pip, pipx and uv differ in what an upgrade keeps: pipx keeps what was injected, uv what stands in the tool's own receipt.
None of them minds putting an older launchpad in this one's place for a plugin that asks for it: each is told not to.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from launchpad import __version__
from launchpad.errors import LaunchpadError, UsageError

Tool = Literal["pip", "uv", "pipx", "uv-tool"]
DISTRIBUTION = "launchpad-models"
NOT_OLDER = f"{DISTRIBUTION}>={__version__}"


class Environment(Struct, frozen=True, kw_only=True):
    """An environment and its owner. `name` is what pipx or uv call it; `own` and `beside` are a uv tool's requirements."""

    tool: Tool
    python: str
    name: str = DISTRIBUTION
    own: str = DISTRIBUTION
    beside: tuple[str, ...] = ()

    def install(self, requirements: Sequence[str]) -> list[str]:
        """The command that adds these."""
        if self.tool == "pipx":
            return ["pipx", "inject", "--pip-args", NOT_OLDER, self.name, *requirements]
        if self.tool == "uv-tool":
            return self._uv_tool([*self.beside, *requirements])
        return [*self._pip(), "install", "--quiet", *self._at(), NOT_OLDER, *requirements]

    def uninstall(self, distributions: Sequence[str]) -> list[str]:
        """The command that removes these."""
        if self.tool == "pipx":
            return ["pipx", "uninject", self.name, *distributions]
        if self.tool == "uv-tool":
            from launchpad.plugins.record import normalized, project_of

            gone = {normalized(name) for name in distributions}
            return self._uv_tool(
                [one for one in self.beside if normalized(project_of(one) or one) not in gone]
            )
        sure = [] if self.tool == "uv" else ["--yes"]
        return [*self._pip(), "uninstall", "--quiet", *sure, *self._at(), *distributions]

    def _pip(self) -> list[str]:
        return ["uv", "pip"] if self.tool == "uv" else [self.python, "-m", "pip"]

    def _at(self) -> list[str]:
        return ["--python", self.python] if self.tool == "uv" else []

    def _uv_tool(self, beside: Sequence[str]) -> list[str]:
        """uv keeps on an upgrade what the tool was installed with: all of it is named each time."""
        withs = [word for one in dict.fromkeys(beside) for word in ("--with", one)]
        return ["uv", "tool", "install", self.own, *withs]


def environment(prefix: Path | None = None) -> Environment:
    """The one that this launchpad runs in. Raises `LaunchpadError` where the system's own packages are kept apart."""
    prefix = prefix or Path(sys.prefix)
    if (receipt := prefix / "uv-receipt.toml").is_file():
        return _uv_tool(receipt)
    if (prefix / "pipx_metadata.json").is_file():
        return Environment(tool="pipx", python=sys.executable, name=prefix.name)
    if _is_externally_managed(prefix):
        raise LaunchpadError(
            "Plugins cannot be installed into the system's own Python.",
            why="The system marks it as its own (EXTERNALLY-MANAGED).",
            hint=f"Install launchpad with `pipx install {DISTRIBUTION}`, or into a virtual environment.",
        )
    tool: Tool = "pip" if importlib.util.find_spec("pip") is not None else "uv"
    return Environment(tool=tool, python=sys.executable)


def check_requirements(requirements: Sequence[str]) -> None:
    """Refuse what an installer would take for an option. Raises `UsageError`."""
    for one in requirements:
        if not one.strip() or one.startswith("-"):
            raise UsageError(f"{one!r} is no package.", hint="Name packages, wheels or folders.")


def _is_externally_managed(prefix: Path) -> bool:
    in_venv = (prefix / "pyvenv.cfg").is_file()
    return not in_venv and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()


def _uv_tool(receipt: Path) -> Environment:
    try:
        rows = tomllib.loads(receipt.read_text("utf-8"))["tool"]["requirements"]
        words = [(str(row["name"]), _requirement(row)) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LaunchpadError(
            f"{receipt} cannot be read.", why=str(error), hint=f"uv tool install --force {DISTRIBUTION}"
        ) from error
    own = next((_not_older(text) for name, text in words if name == DISTRIBUTION), NOT_OLDER)
    beside = tuple(text for name, text in words if name != DISTRIBUTION)
    return Environment(tool="uv-tool", python=sys.executable, own=own, beside=beside)


def _requirement(row: dict[str, Any]) -> str:
    """A line of uv's receipt as a requirement."""
    extras = f"[{','.join(row['extras'])}]" if row.get("extras") else ""
    for place in ("directory", "editable", "path", "url"):
        if row.get(place):
            return f"{row['name']}{extras} @ {_address(str(row[place]))}"
    return f"{row['name']}{extras}{row.get('specifier') or ''}"


def _not_older(own: str) -> str:
    """The tool's own requirement with this version for its floor; a place holds one version anyway."""
    if " @ " in own:
        return own
    name, specifier = re.fullmatch(r"([^<>=!~]*)(.*)", own).groups()  # type: ignore[union-attr]
    kept = [part for part in specifier.split(",") if part and not part.startswith(">=")]
    return f"{name}{','.join([f'>={__version__}', *kept])}"


def _address(place: str) -> str:
    return place if "://" in place else Path(place).absolute().as_uri()

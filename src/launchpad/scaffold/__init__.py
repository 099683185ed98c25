"""`launchpad plugins new`: a distribution that passes the kit at once, written from templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from launchpad import __version__
from launchpad.errors import UsageError

KINDS = ("backend", "source", "catalog", "probe", "command")

_TEMPLATES = Path(__file__).with_name("templates")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write(kind: str, name: str, into: Path) -> list[Path]:
    """Write the distribution `launchpad-NAME` below `into`; its files. Raises `UsageError`, and writes over nothing."""
    folder = into / f"launchpad-{checked_name(name)}"
    if folder.exists():
        raise UsageError(
            f"{folder} is there already.", hint="Name another plugin, or another folder with --into."
        )
    words = _words(kind, name)
    files = {
        folder / _filled_path(path.relative_to(root), words["module"]): Template(path.read_text("utf-8"))
        for root in (_TEMPLATES / "common", _TEMPLATES / kind)
        for path in _files(root)
    }
    for path, template in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(words), encoding="utf-8")
    return sorted(files)


def checked_name(name: str) -> str:
    """The name without a leading `launchpad-`. Raises `UsageError` when it can name no plugin."""
    from launchpad.plugins.discovery import BUILTINS

    plain = name.removeprefix("launchpad-")
    if not _NAME.fullmatch(plain) or len(plain) > 40:
        raise UsageError(
            f"{name!r} cannot name a plugin.",
            why="A name is lower-case letters and digits, with single dashes.",
            hint="Choose another one, such as my-engine.",
        )
    if plain in BUILTINS:
        raise UsageError(f"{plain} is a plugin of launchpad's own.", hint="Choose another name.")
    return plain


def _words(kind: str, name: str) -> dict[str, str]:
    plain = checked_name(name)
    major, minor = __version__.split(".")[:2]
    return {
        "kind": kind,
        "name": plain,
        "module": f"launchpad_{plain.replace('-', '_')}",
        "constant": plain.replace("-", "_").upper(),
        "Class": "".join(part.capitalize() for part in plain.split("-")),
        "floor": f"{major}.{minor}",
        "ceiling": f"{major}.{int(minor) + 1}" if major == "0" else str(int(major) + 1),
    }


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(path for path in root.rglob("*.in") if path.is_file())


def _filled_path(path: Path, module: str) -> Path:
    """Templates end in `.in`, so that nothing takes them for code; `_github` stands for `.github`."""
    parts = [part.replace("MODULE", module).replace("_github", ".github") for part in path.parts]
    return Path(*parts).with_suffix("")

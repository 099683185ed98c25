"""Names that the shell completes: models, engines, plugins, agents and settings. Nothing heavy is loaded for them.

The names are found by what a parameter is called, so that no command has to say anything about completion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem


class Name(click.ParamType[str]):
    """A text with known values that are looked up when the shell asks."""

    name = "text"

    def __init__(self, known: Callable[[], Iterable[str]], *, files: bool = False) -> None:
        self._known = known
        self._files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[Any]]:
        """The known names that begin like it; files where a path may stand."""
        found = sorted({name for name in self._known() if name.startswith(incomplete)})
        if not found and self._files:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in found]


def catalog_models() -> Iterator[str]:
    """Ids of the packaged catalog, of one's own models and of `auto`, read without decoding the rest."""
    import re
    from importlib import resources

    yield from ("auto", "auto:code", "auto:reasoning", "auto:vision")
    data = resources.files("launchpad.catalog").joinpath("data", "models.json").read_bytes()
    yield from (
        found[1].decode() for found in re.finditer(rb'^\{"model":\{"id":"([^"]+)"', data, re.MULTILINE)
    )
    yield from own_models()


def local_models() -> Iterator[str]:
    """What launchpad has on this machine, by id or reference."""
    from launchpad.pull.inventory import list_local

    for local in list_local():
        yield local.model_id or local.ref


def engines() -> Iterator[str]:
    """The models whose engines run."""
    from launchpad.engines import registry

    for record in registry.records():
        yield record.model


def plugins() -> Iterator[str]:
    """The built-in plugins and those that are installed."""
    from launchpad.plugins.discovery import BUILTINS, GROUP
    from launchpad.plugins.presence import any_third_party

    yield from BUILTINS
    if any_third_party():
        from importlib.metadata import entry_points

        yield from (point.name for point in entry_points(group=GROUP))


def backends() -> Iterator[str]:
    """The plugins that may run an engine: built-in backends, and all of others."""
    from launchpad.plugins.discovery import BUILTINS

    for name in plugins():
        if "launchpad_backends" in BUILTINS.get(name, {"launchpad_backends"}):
            yield name


def settings() -> Iterator[str]:
    """The keys of the configuration."""
    from launchpad.config import KEYS

    return iter(KEYS)


def sessions() -> Iterator[str]:
    """The conversations that were kept, the latest first."""
    from launchpad.chat.transcript import list_sessions

    return iter(list_sessions())


def own_models() -> Iterator[str]:
    """The models of one's own."""
    from launchpad.catalog.own import files

    return (path.stem for path in files())


def agents() -> Iterator[str]:
    """The coding agents that can be connected."""
    from launchpad.connect.agents import agents as known

    return iter(known())


_NAMES: Mapping[str, Name] = {
    "model": Name(catalog_models, files=True),
    "models": Name(catalog_models, files=True),
    "engine": Name(engines),
    "backend": Name(backends),
    "plugin": Name(plugins),
    "key": Name(settings),
    "agent": Name(agents),
    "session": Name(sessions),
    # Where the name of the parameter does not tell, that of the command does.
    "rm model": Name(local_models),
    "verify model": Name(local_models),
    "bundle export model": Name(local_models),
    "sessions export name": Name(sessions),
    "sessions rm names": Name(sessions),
    "catalog remove name": Name(own_models),
}


def complete_names(command: click.Command, path: str) -> None:
    """Let the shell complete the parameters of this command that stand for names."""
    for parameter in command.params:
        known = _NAMES.get(f"{path} {parameter.name}") or _NAMES.get(parameter.name or "")
        if known is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = known
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            complete_names(below, f"{path} {name}")

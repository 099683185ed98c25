"""From a loaded module to its hooks, by pluggy; and who may keep a name that two plugins claim."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import pluggy

from launchpad.plugins.plugin import Plugin
from launchpad.plugins.spec import DEPRECATED, Hooks
from launchpad.plugins.validate import Invalid

T = TypeVar("T")

HOOKS = tuple(name for name in vars(Hooks) if name.startswith("launchpad_"))


def register(name: str, plugin: object) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The plugin's hooks, callable by name, and remarks about functions that look like hooks and are none, or are deprecated.

    Each plugin gets a manager of its own: pluggy then checks the signatures, a misspelt hook is laid at the right door
    and no plugin can wrap another's hooks. Raises `Invalid`.
    """
    manager = pluggy.PluginManager("launchpad")
    manager.add_hookspecs(Hooks)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise Invalid(f"a hook has a wrong signature: {' '.join(str(error).split())}") from None
    callers = manager.get_hookcallers(plugin) or []
    hooks = {caller.name: caller for caller in callers if caller.has_spec()}
    remarks = {c.name: f"there is no such hook{_did_you_mean(c.name)}" for c in callers if not c.has_spec()}
    for attribute in dir(plugin):
        if attribute in HOOKS and attribute not in hooks:
            remarks[attribute] = "it is not marked with @hookimpl, so it is never called"
    for hook in hooks.keys() & DEPRECATED.keys():
        remarks[hook] = f"this hook is deprecated; its place takes {DEPRECATED[hook]}"
    if not hooks and not remarks:
        raise Invalid("it implements no hook; does the entry point name the right module?")
    return hooks, remarks


def call_order(plugin: Plugin, hook: str) -> tuple[bool, bool, str]:
    """Sort key: `tryfirst` before the others, `trylast` after them, then by name."""
    implementation = plugin.hooks[hook].get_hookimpls()[0]
    return (not implementation.tryfirst, bool(implementation.trylast), plugin.name)


def settle(
    kind: str, offers: Sequence[tuple[Plugin, T]], names: Callable[[T], Collection[str]]
) -> tuple[list[T], list[tuple[Plugin, str, str]]]:
    """The objects whose names have one owner, and (plugin, name, message) for those that are left out.

    A built-in keeps its name against strangers; strangers with one name both lose it.
    """
    owners: dict[str, list[Plugin]] = {}
    for plugin, name in _claims(offers, names):
        owners.setdefault(name, []).append(plugin)
    kept: list[T] = []
    refused: list[tuple[Plugin, str, str]] = []
    for plugin, thing in offers:
        lost = next((name for name in names(thing) if not _keeps(plugin, owners[name])), None)
        if lost is None:
            kept.append(thing)
            continue
        everyone = " and ".join(owner.found.owner for owner in owners[lost])
        winner = next((owner.found.owner for owner in owners[lost] if _keeps(owner, owners[lost])), None)
        outcome = f"{winner} keeps it" if winner else "neither is used"
        refused.append((plugin, lost, f"the {kind} {lost} is offered by {everyone}: {outcome}."))
    return kept, refused


def _claims(
    offers: Sequence[tuple[Plugin, T]], names: Callable[[T], Collection[str]]
) -> Iterator[tuple[Plugin, str]]:
    for plugin, thing in offers:
        for name in names(thing):
            yield plugin, name


def _keeps(plugin: Plugin, owners: Sequence[Plugin]) -> bool:
    return len(owners) == 1 or (plugin.builtin and sum(owner.builtin for owner in owners) == 1)


def _did_you_mean(name: str) -> str:
    close = get_close_matches(name, HOOKS, 1)
    return f"; did you mean {close[0]}?" if close else f"; the hooks are {', '.join(HOOKS)}"

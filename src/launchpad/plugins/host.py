"""The host: finds plugins, loads each when it is first needed, asks them one at a time and believes nothing unchecked.

Built-in plugins take the same way as strangers. A plugin that fails costs one line in `failures`; the rest goes on.
Who owns a name: a built-in wins over a stranger, and two strangers with one name are both refused, so that what runs
never depends on the order of installation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from launchpad.config import Config
from launchpad.errors import EngineMissing, LaunchpadError, UnknownModel
from launchpad.events import Event
from launchpad.plugins import discovery, validate
from launchpad.plugins.guarded import GuardedBackend, GuardedCatalog, GuardedProbe, GuardedSource
from launchpad.plugins.isolation import CallFailed
from launchpad.plugins.plugin import FailureLog, Found, Plugin, PluginFailure, PluginInfo
from launchpad.plugins.registration import call_order, register, settle
from launchpad.plugins.spec import CommandSpec
from launchpad.plugins.validate import Invalid, listed

if TYPE_CHECKING:
    from launchpad.choice.choose import Candidate, Choice
    from launchpad.wish import Wish

T = TypeVar("T")

_EVENT_LIMIT = 1.0  # seconds that an observer may hold everything up


class Host:
    """All plugins of this process. Nothing is loaded before its hook is needed."""

    def __init__(self, config: Config, *, third_party: bool = True) -> None:
        self._settings = config.plugins
        self._log = FailureLog()
        self._lock = threading.RLock()
        self._telling = threading.Lock()
        self._asked: dict[str, Any] = {}
        self._deaf: set[str] = set()
        self._command_owners: dict[str, Plugin] = {}
        self._strangers_found = not third_party
        self._plugins = [self._plugin(found) for found in discovery.builtins()]

    @classmethod
    def load(cls, config: Config, *, third_party: bool = True) -> Host:
        """A host for this configuration; without `third_party` only launchpad's own plugins exist."""
        return cls(config, third_party=third_party)

    @classmethod
    def of(cls, **plugins: object) -> Host:
        """A host of exactly these plugins by name, treated as strangers: for tests of plugins."""
        host = cls(Config(), third_party=False)
        found = [
            Found(name=name, origin="file", load=partial(_same, plugin)) for name, plugin in plugins.items()
        ]
        host._plugins = [host._plugin(one) for one in found]
        return host

    # -- what plugins offer ----------------------------------------------------------------------------------

    def probes(self) -> Sequence[GuardedProbe]:
        """Hardware probes."""
        return self._offers("launchpad_probes", "probe", GuardedProbe, lambda probe: (probe.name,))

    def catalogs(self) -> Sequence[GuardedCatalog]:
        """Catalogs of models, launchpad's own first: the first that knows an id has the say about it."""
        found = self._offers("launchpad_catalogs", "catalog", GuardedCatalog, lambda catalog: (catalog.name,))
        return sorted(found, key=lambda catalog: not catalog.plugin.builtin)

    def sources(self) -> Sequence[GuardedSource]:
        """Model sources."""
        return self._offers("launchpad_sources", "source", GuardedSource, _source_names)

    def backends(self) -> Sequence[GuardedBackend]:
        """Backends."""
        return self._offers("launchpad_backends", "backend", GuardedBackend, lambda backend: (backend.name,))

    def source(self, scheme: str) -> GuardedSource:
        """The source that owns a URI scheme. Raises `UnknownModel`."""
        sources = {known: source for source in self.sources() for known in source.schemes}
        if scheme in sources:
            return sources[scheme]
        raise UnknownModel(
            f"No source owns {scheme}://.",
            why=f"Known here: {', '.join(f'{known}://' for known in sorted(sources)) or 'none'}.",
            hint="Install a plugin for it, or see `launchpad plugins` for one that failed or is disabled.",
        )

    def backend(self, name: str) -> GuardedBackend:
        """The backend of that name. Raises `EngineMissing`."""
        backends = {backend.name: backend for backend in self.backends()}
        if name in backends:
            return backends[name]
        close = get_close_matches(name, backends, 1)
        raise EngineMissing(
            f"There is no backend {name!r}.",
            why=f"Known here: {', '.join(sorted(backends)) or 'none'}.",
            hint=f"Did you mean {close[0]}?"
            if close
            else "See `launchpad plugins` for one that failed or is disabled.",
        )

    def commands(self, reserved: Collection[str] = ()) -> Sequence[CommandSpec]:
        """Commands for the CLI; a name in `reserved` belongs to launchpad."""

        def accept(plugin: Plugin, spec: object) -> _Command:
            checked = validate.checked(spec, CommandSpec, "launchpad_commands")
            validate.check_target(checked.target)
            if validate.check_name(checked.name) in reserved:
                raise Invalid(f"the command {checked.name} is launchpad's own")
            return _Command(plugin, checked)

        commands = self._offers("launchpad_commands", "command", accept, lambda command: (command.spec.name,))
        self._command_owners.update({command.spec.name: command.plugin for command in commands})
        return [command.spec for command in commands]

    def load_command(self, spec: CommandSpec) -> Any:
        """Import a plugin's command. Raises `LaunchpadError`."""
        owner = self._command_owners[spec.name]

        def load() -> object:
            from importlib import import_module

            module, _, path = spec.target.partition(":")
            value: object = import_module(module)
            for attribute in path.split("."):
                value = getattr(value, attribute)
            return value

        try:
            return owner.call(f"command {spec.name}", load)
        except CallFailed as failure:
            raise LaunchpadError(
                f"The command {spec.name} of the plugin {owner.name} cannot be loaded.", why=str(failure)
            ) from failure

    # -- what plugins decide and observe ---------------------------------------------------------------------

    @property
    def has_choosers(self) -> bool:
        """Whether a plugin takes part in the choice: it is then offered every candidate there is."""
        return bool(self._with_hook("launchpad_choose"))

    def choose(self, candidates: Sequence[Candidate], wish: Wish) -> Choice:
        """The first plugin's choice, or the built-in one. A plugin may also refuse by raising a `LaunchpadError`."""
        from launchpad.choice.choose import choose

        fixed = tuple(candidates)
        for plugin in self._with_hook("launchpad_choose"):
            hook = plugin.hooks["launchpad_choose"]

            def ask(hook: Any = hook) -> Choice | None:
                answer: Choice | None = hook(candidates=fixed, wish=wish)
                return answer

            try:
                choice = plugin.call(
                    "launchpad_choose", ask, check=lambda answer: _checked_choice(answer, fixed)
                )
            except CallFailed:
                continue
            if choice is not None:
                return choice
        return choose(fixed, wish)

    def emit(self, event: Event) -> None:
        """Tell every observer, one event after the other; one that is slow or fails is not told again."""
        with self._telling:
            for plugin in self._with_hook("launchpad_event"):
                if plugin.name not in self._deaf:
                    self._tell(plugin, event)

    def _tell(self, plugin: Plugin, event: Event) -> None:
        tell = partial(plugin.hooks["launchpad_event"], event=event)
        try:
            plugin.call("launchpad_event", tell, limit=min(_EVENT_LIMIT, plugin.limit))
        except CallFailed:
            self._deaf.add(plugin.name)
        except LaunchpadError as error:
            plugin.note("launchpad_event", error.what)
            self._deaf.add(plugin.name)

    # -- what there is to tell ---------------------------------------------------------------------------------

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """Everything that went wrong so far."""
        return self._log.entries

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """All plugins, built-ins first. Those that were not needed so far are "waiting"."""
        self._find_strangers()
        return tuple(plugin.info() for plugin in self._plugins)

    def load_all(self) -> None:
        """Load every plugin and ask for everything it offers, as `launchpad plugins` does."""
        for ask in (self.probes, self.catalogs, self.sources, self.backends, self.commands):
            ask()

    # -- loading -----------------------------------------------------------------------------------------------

    def _plugin(self, found: Found) -> Plugin:
        plugin = Plugin(found, self._log, self._settings.timeout)
        if found.name in self._settings.disabled:
            plugin.state = "disabled"
        return plugin

    def _find_strangers(self) -> None:
        with self._lock:
            if self._strangers_found:
                return
            self._strangers_found = True
            strangers = [
                self._plugin(found) for found in discovery.third_party(self._settings.paths, self._log)
            ]
            only = self._settings.only
            for plugin in strangers:
                if only is not None and plugin.name not in only:
                    plugin.state = "disabled"
            wanted = [plugin for plugin in strangers if plugin.state != "disabled"]
            self._refuse_namesakes(wanted)
            self._plugins += strangers
            self._note_absent()
            self._note_lost()

    def _refuse_namesakes(self, strangers: Sequence[Plugin]) -> None:
        for plugin in strangers:
            others = [p for p in (*self._plugins, *strangers) if p.name == plugin.name and p is not plugin]
            if others:
                plugin.state = "refused"
                owners = " and ".join(p.found.owner for p in (plugin, *others))
                self._log.add(
                    plugin.found.owner,
                    "discover",
                    f"two plugins have the name {plugin.name}: {owners}.",
                    _UNINSTALL,
                )

    def _note_absent(self) -> None:
        known = {plugin.name for plugin in self._plugins}
        for name in {*self._settings.disabled, *(self._settings.only or ())} - known:
            close = get_close_matches(name, known, 1)
            hint = (
                f"Did you mean {close[0]}?"
                if close
                else "Correct the setting plugins.disabled or LAUNCHPAD_PLUGINS."
            )
            self._log.add(name, "discover", "no plugin has this name.", hint)

    def _note_lost(self) -> None:
        """Installed once, and lost by an upgrade: silence would look like a defect."""
        from launchpad.plugins import record

        for lost in record.missing() if record.path().is_file() else ():
            hint = "`launchpad plugins restore` installs it again, `launchpad plugins uninstall` forgets it."
            self._log.add(lost.distribution, "discover", "it was installed and is no longer here.", hint)

    def _with_hook(self, hook: str) -> list[Plugin]:
        """The plugins that implement the hook, loaded: in the order that `tryfirst` and `trylast` ask for, then by name."""
        self._find_strangers()
        ready = []
        for plugin in self._plugins:
            if plugin.found.hooks is not None and hook not in plugin.found.hooks:
                continue
            if plugin.state == "waiting":
                self._load(plugin)
            if plugin.state == "ready" and hook in plugin.hooks:
                ready.append(plugin)
        return (
            sorted(ready, key=lambda plugin: call_order(plugin, hook))
            if hook == "launchpad_choose"
            else ready
        )

    def _load(self, plugin: Plugin) -> None:
        with self._lock:
            if plugin.state != "waiting":
                return
            started = time.perf_counter()
            try:
                hooks, remarks = plugin.call("load", partial(_loaded, plugin))
            except (CallFailed, LaunchpadError) as error:
                if not isinstance(error, CallFailed):
                    plugin.note("load", str(error))
                plugin.give_up()
            else:
                plugin.state, plugin.hooks = "ready", hooks
                for hook, remark in remarks.items():
                    plugin.note(hook, remark)
            plugin.load_seconds = time.perf_counter() - started

    # -- asking ------------------------------------------------------------------------------------------------

    def _offers(
        self,
        hook: str,
        kind: str,
        accept: Callable[[Plugin, Any], T],
        names: Callable[[T], Collection[str]],
    ) -> list[T]:
        """What all plugins return for a hook, each object accepted on its own; asked once per process."""
        with self._lock:
            if hook not in self._asked:
                offers = [
                    (plugin, thing)
                    for plugin in self._with_hook(hook)
                    for thing in self._ask(plugin, hook, accept)
                ]
                kept, refused = settle(kind, offers, names)
                for plugin, name, message in refused:
                    self._log.add(plugin.name, f"{kind} {name}", message, _UNINSTALL)
                self._asked[hook] = kept
            result: list[T] = self._asked[hook]
            return result

    def _ask(self, plugin: Plugin, hook: str, accept: Callable[[Plugin, Any], T]) -> list[T]:
        def ask() -> list[Any]:
            return [
                item for result in plugin.hooks[hook]() for item in listed(result, hook, validate.MAX_OBJECTS)
            ]

        accepted: list[T] = []
        for thing in plugin.attempt(hook, ask, lambda _: []):
            number = len(accepted) + 1
            accepting = partial(_accepted, accept, plugin, thing)
            wrapped = plugin.attempt(f"{hook} {number}", accepting, lambda _: None)
            if wrapped is not None:
                accepted.append(wrapped)
        return accepted


_UNINSTALL = "Uninstall or disable one of them (plugins.disabled)."


class _Command:
    def __init__(self, plugin: Plugin, spec: CommandSpec) -> None:
        self.plugin = plugin
        self.spec = spec


def _same(plugin: object) -> object:
    return plugin


def _loaded(plugin: Plugin) -> tuple[dict[str, Any], Mapping[str, str]]:
    return register(plugin.name, plugin.found.load())


def _accepted(accept: Callable[[Plugin, Any], T], plugin: Plugin, thing: Any) -> T | None:
    return accept(plugin, thing)


def _source_names(source: GuardedSource) -> Collection[str]:
    return dict.fromkeys((source.name, *(f"{scheme}://" for scheme in source.schemes)))


def _checked_choice(answer: Choice | None, candidates: Sequence[Candidate]) -> Choice | None:
    """A choice among what was offered, or None."""
    from launchpad.choice.choose import Choice

    if answer is None:
        return None
    checked = validate.checked(answer, Choice, "launchpad_choose", signed=True)
    offered = {(c.model.id, c.build.ref, c.fit.backend) for c in candidates}
    for option in (checked.pick, checked.faster, checked.better, checked.unobtainable):
        if option is not None and (option.model.id, option.build.ref, option.fit.backend) not in offered:
            raise Invalid(f"it chose {option.model.id} ({option.build.ref}), which was not offered")
    return checked

"""One plugin as the host keeps it: what it is, how it fares, and the one way to call into it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from msgspec import Struct

from launchpad.errors import ConfigError, LaunchpadError
from launchpad.plugins.isolation import CallFailed, Output, describe, isolated
from launchpad.plugins.validate import Invalid

T = TypeVar("T")

Origin = Literal["builtin", "entry-point", "file"]
State = Literal["waiting", "ready", "disabled", "refused", "failed", "stuck"]

_PATIENCE_WITH_BUILTINS = 30.0  # seconds; a busy machine must not cost a built-in its place


class PluginFailure(Struct, frozen=True, kw_only=True):
    """What went wrong with a plugin. `stage` is "discover", "load", a hook's name, or "<object>.<method>"."""

    plugin: str
    stage: str
    message: str
    hint: str | None = None

    @property
    def line(self) -> str:
        """One line for the terminal."""
        hint = f" {self.hint}" if self.hint else ""
        return f"plugin {self.plugin}: {self.message.rstrip('.')}.{hint}"


class PluginInfo(Struct, frozen=True, kw_only=True):
    """A plugin as `launchpad plugins` lists it.

    `state`: "waiting" (not needed so far), "ready", "disabled" (switched off), "refused" (its name is taken, or it
    was made for another contract), "failed" (did not load), "stuck" (did not answer in time; left out from then on).
    """

    name: str
    origin: Origin
    state: State
    distribution: str | None = None
    version: str | None = None
    location: str | None = None
    hooks: tuple[str, ...] = ()
    load_seconds: float | None = None
    output: str = ""  # the last of what it printed


class Found(Struct, frozen=True, kw_only=True):
    """A plugin that was found and not yet loaded. `hooks` None = only known after loading."""

    name: str
    origin: Origin
    load: Callable[[], object]
    hooks: frozenset[str] | None = None
    distribution: str | None = None
    version: str | None = None
    location: str | None = None

    @property
    def owner(self) -> str:
        """The plugin for messages that must tell two of them apart."""
        if self.origin == "builtin":
            return f"{self.name} (built in)"
        return f"{self.name} ({self.distribution or self.location})"


class FailureLog:
    """Failures in order; the first of each plugin and stage, so that a loop over models does not repeat itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], PluginFailure] = {}

    def add(self, plugin: str, stage: str, message: str, hint: str | None = None) -> None:
        """Note one failure."""
        failure = PluginFailure(plugin=plugin, stage=stage, message=message, hint=hint)
        with self._lock:
            self._entries.setdefault((plugin, stage), failure)

    @property
    def entries(self) -> tuple[PluginFailure, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._entries.values())


class Plugin:
    """A plugin and the guarded way into it."""

    def __init__(self, found: Found, failures: FailureLog, timeout: float) -> None:
        self.found = found
        self.name = found.name
        self.builtin = found.origin == "builtin"
        self.limit = max(timeout, _PATIENCE_WITH_BUILTINS) if self.builtin else timeout
        self.output = Output()
        self.state: State = "waiting"
        self.load_seconds: float | None = None
        self.hooks: dict[str, Any] = {}  # name -> pluggy's HookCaller of this plugin alone
        self._failures = failures

    def call(
        self,
        stage: str,
        function: Callable[[], T],
        *,
        check: Callable[[T], T] | None = None,
        limit: float | None = 0,
    ) -> T:
        """Call into the plugin, for at most `limit` seconds (0: the usual limit; None: in this thread, no limit).

        `check` looks at the result in the same guarded place. Built-ins are spared it: the same checks run over them
        in the tests. Raises `CallFailed`, which is already noted, or the plugin's own `LaunchpadError`.
        """
        if self.state == "stuck":
            raise CallFailed("it did not answer in time before")

        def body() -> T:
            result = function()
            return result if check is None or self.builtin else check(result)

        try:
            return isolated(body, limit=self.limit if limit == 0 else limit, output=self.output)
        except CallFailed as failure:
            if failure.timed_out:
                self.state = "stuck"
            message = str(failure.__cause__) if isinstance(failure.__cause__, Invalid) else str(failure)
            self.note(stage, message)
            raise CallFailed(message, timed_out=failure.timed_out) from failure.__cause__

    def attempt(
        self,
        stage: str,
        function: Callable[[], T],
        default: Callable[[str], T],
        *,
        check: Callable[[T], T] | None = None,
        limit: float | None = 0,
    ) -> T:
        """As `call`, but a failure of any kind is noted and gives `default(<why>)`."""
        try:
            return self.call(stage, function, check=check, limit=limit)
        except CallFailed as failure:
            return default(str(failure))
        except ConfigError as error:  # a file of the user's, and no defect of the plugin
            self._failures.add(self.name, stage, f"{error.what} {error.why or ''}".strip(), error.hint)
            return default(error.what)
        except LaunchpadError as error:
            self.note(stage, describe(error))
            return default(error.what)

    def give_up(self) -> None:
        """It did not load."""
        if self.state != "stuck":
            self.state = "failed"

    def note(self, stage: str, message: str) -> None:
        """Record a failure of this plugin."""
        where = "" if stage == "load" else f"{stage}: "
        self._failures.add(self.name, stage, f"{where}{message}", self._remedy())

    def _remedy(self) -> str:
        if self.builtin:
            return "This is a defect of launchpad."
        if self.found.origin == "file":
            return f"Correct or remove {self.found.location}, or use --no-plugins."
        return f"Upgrade or uninstall {self.found.distribution}, or use --no-plugins."

    def info(self) -> PluginInfo:
        """What can be told about it now."""
        found = self.found
        return PluginInfo(
            name=found.name,
            origin=found.origin,
            state=self.state,
            distribution=found.distribution,
            version=found.version,
            location=found.location,
            hooks=tuple(sorted(self.hooks or found.hooks or ())),
            load_seconds=self.load_seconds,
            output=self.output.text,
        )

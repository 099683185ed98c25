"""Answerers that are real engines: picked, pulled and started as `launchpad run` does, one after the other."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from launchpad.chat.connection import on_connect
from launchpad.chat.delta import Delta
from launchpad.chat.dialect import stream_from
from launchpad.chat.options import ChatOptions, Message, over_defaults
from launchpad.errors import UsageError
from launchpad.script.answerers import Answerer, Echo, Replay
from launchpad.script.model import Script

if TYPE_CHECKING:
    from launchpad.engines.server import RunningServer, Server
    from launchpad.plan import Plan
    from launchpad.wish import Wish

Planner = Callable[["Wish"], "Plan"]
Starter = Callable[["Plan", bool], "tuple[Plan, RunningServer]"]  # True: loaded afresh


class EngineAnswerer:
    """An engine that is started when the first answer is wanted. Each request has a connection of its own."""

    def __init__(self, plan: Plan, start: Starter, *, deterministic: bool) -> None:
        self._plan = plan
        self._start = start
        self._server: RunningServer | None = None
        self._deterministic = deterministic
        self._sockets: dict[int, socket.socket] = {}

    @property
    def model(self) -> str:
        """The catalog's id, or the reference."""
        return self._plan.start.model_id

    @property
    def plan(self) -> Plan:
        """The plan that the engine is, or will be, started from."""
        return self._plan

    @property
    def server(self) -> Server:
        """The facts of the running engine."""
        assert self._server is not None
        return self._server.server

    @property
    def own_system(self) -> str | None:
        """The system message with which this model answers best."""
        defaults = self._plan.start.defaults
        return defaults.system if defaults else None

    @property
    def identity(self) -> str:
        """The sha256 of the weights where it is known, else the build."""
        files = self._plan.choice.pick.build.files if self._plan.choice.pick else ()
        return (files[0].sha256 if len(files) == 1 else None) or self._plan.start.build

    def begin(self) -> Mapping[str, Any]:
        """Start the engine: weights, engine with version and arguments, and the hardware that computes."""
        if self._server is None:
            self._plan, self._server = self._start(self._plan, self._deterministic)
        start, machine = self._plan.start, self._plan.machine
        return {
            "model": start.model_id,
            "build": start.build,
            "weights": self.identity,
            "backend": start.backend,
            "engine": self._server.server.report.engine,
            "arguments": dict(start.arguments),
            "cpu": machine.cpu.model,
            "accelerators": [each.name for each in machine.accelerators],
        }

    def stream(self, messages: Sequence[Message], options: ChatOptions) -> Generator[Delta]:
        """See `Answerer`."""
        assert self._server is not None
        me = threading.get_ident()
        token = on_connect.set(lambda found: self._sockets.__setitem__(me, found))
        try:
            yield from stream_from(self._server.server, messages, options)
        finally:
            self._sockets.pop(me, None)
            with contextlib.suppress(ValueError):  # closed in another context
                on_connect.reset(token)

    def cancel(self, reader: int | None = None) -> None:
        """Close the connection that the thread `reader` (None: any) waits for: the engine stops computing its answer."""
        for thread, connection in list(self._sockets.items()):
            if reader in (None, thread):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def options(self, asked: ChatOptions) -> ChatOptions:
        """Over the model's defaults; a deterministic script reuses no computed prompt."""
        think = self._plan.start.thinking if asked.think is None else asked.think
        asked = replace(asked, think=think, cache_prompt=False if self._deterministic else None)
        return over_defaults(asked, self._plan.start.defaults)

    def alive(self) -> bool:
        """False once the engine process is gone, and before it was there."""
        return self._server is not None and self._server.alive()

    def close(self) -> None:
        """Stop the engine, if it was started."""
        if self._server is not None:
            self._server.stop()


class Openers:
    """Opens what `model` and `--backend` name: an engine, `echo`, or `replay:FILE`.

    `knows` says whether a plain name is in the catalogs; `notice` hears when it is not, and the best model that fits
    answers instead (an error with `strict`).
    """

    def __init__(
        self,
        wish: Wish,
        plan: Planner,
        start: Starter,
        *,
        knows: Callable[[str], bool],
        notice: Callable[[str], None] = lambda line: None,
        strict: bool = False,
        jobs: int = 1,
    ) -> None:
        self._wish = wish
        self._plan = plan
        self._start = start
        self._knows = knows
        self._notice = notice
        self._strict = strict
        self._jobs = jobs

    @contextmanager
    def __call__(self, model: str | None, script: Script) -> Iterator[Answerer]:
        """See `runner.Opener`."""
        answerer = self._open(model, script)
        try:
            yield answerer
        finally:
            answerer.close()

    def _open(self, model: str | None, script: Script) -> Answerer:
        backend = self._wish.backend or ""
        if backend == "echo":
            return Echo()
        if backend.startswith("replay:"):
            return Replay(backend.removeprefix("replay:"))
        plan = self._plan(self._wished(self.resolve(model), script))
        return EngineAnswerer(plan, self._start, deterministic=script.deterministic)

    def knows(self, model: str) -> bool:
        """True for a name of the catalogs and for a place (`hf://…`, a file)."""
        return self._knows(model)

    def resolve(self, model: str | None) -> str | None:
        """The model to look for. GitHub's files name models of its own service: then it is the best that fits."""
        if model is None or self._knows(model):
            return model
        if self._strict:
            raise UsageError(
                f"The model {model} is unknown here.",
                why="No catalog has it, and --strict-model forbids another.",
                hint="Name one that `launchpad models` lists, or leave --strict-model out.",
            )
        self._notice(f"The model {model} is unknown here; the best that fits this machine answers instead.")
        return None

    def _wished(self, model: str | None, script: Script) -> Wish:
        context = script.parameters.context_length
        wish = replace(self._wish, model=model or self._wish.model, context=context or self._wish.context)
        if script.deterministic:
            return replace(wish, parallel=1)
        if self._jobs > 1 and wish.parallel is None:
            # The slots share the context: each gets what one would have had.
            return replace(wish, parallel=self._jobs, context=wish.context and wish.context * self._jobs)
        return wish

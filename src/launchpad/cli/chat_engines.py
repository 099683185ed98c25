"""The engine of a terminal chat: started again when it is lost, and replaced by /model and /context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from launchpad.errors import LaunchpadError, NoModelFits, UsageError

if TYPE_CHECKING:
    from launchpad.chat.options import ChatOptions
    from launchpad.chat.session import Session
    from launchpad.cli.app import App
    from launchpad.engines.renewal import Renewable
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan


def reference_of(plan: Plan) -> str:
    """How the plan's model is asked for again: as the user did, or by its name and build."""
    from launchpad.lookup.named import is_auto

    asked, pick = plan.wish.model, plan.choice.pick
    if asked is not None and not is_auto(asked):
        return asked
    return f"{plan.start.model_id}:{pick.build.quantization}" if pick else plan.start.model_id


class ChatEngines:
    """See `chat.commands.Engines`. `options` says how a plan's model is asked."""

    def __init__(
        self,
        app: App,
        plan: Plan,
        running: RunningServer,
        options: Callable[[Plan], ChatOptions],
        *,
        yes: bool,
    ) -> None:
        self._app = app
        self._options = options
        self._yes = yes
        self.plan = plan
        self.engine = self._renewable(running)

    def _renewable(self, running: RunningServer) -> Renewable:
        from launchpad.engines.renewal import Renewable

        return Renewable(running, self._again, lambda line: self._app.output.note(line, "red"))

    def _again(self) -> RunningServer:
        """The same engine; on a cluster, which may have lost nodes, the same model by a new plan."""
        if self.plan.start.cluster is None:
            from launchpad.events import ignore
            from launchpad.launcher.run import RealEffects

            return RealEffects(self._app.host, self._app.config).launch(self.plan.start, ignore)
        from launchpad.cli.launching import begin, make_plan

        wish = replace(self.plan.wish, model=reference_of(self.plan))
        self.plan, running = begin(
            self._app, make_plan(self._app, wish, starts=True, lost=True), yes=True, keep=0
        )
        return running

    def alive(self) -> bool:
        """False once the engine is gone."""
        return self.engine.alive()

    def stop(self) -> None:
        """Stop it, or let go of one that stays."""
        self.engine.stop()

    def renewed(self, session: Session, before: bool) -> bool:
        """Look after the engine before and after a failed question; True when there is a new one."""
        new = self.engine.after_sleep() if before else self.engine.renew()
        if new:
            session.server = self.engine.server
        return new

    def names(self) -> Sequence[str]:
        """See `chat.commands.Engines`."""
        from launchpad.catalog.merge import models_of

        return [model.id for model in models_of(self._app.host.catalogs())]

    def change(self, session: Session, *, model: str | None = None, context: int | None = None) -> None:
        """See `chat.commands.Engines`. The old engine is stopped first: its memory is what the new one gets."""
        from launchpad.cli.launching import begin, make_plan
        from launchpad.cli.notices import tell
        from launchpad.launcher.room import require_possible

        wish = replace(
            self.plan.wish,
            model=model or reference_of(self.plan),
            context=context or self.plan.wish.context,
        )
        try:
            first = make_plan(self._app, wish, starts=True)
        except NoModelFits:  # the old engine's memory may be what is missing
            require_possible(self._app.host, self._app.config, wish, self.plan)
        else:
            self._agreed(first)
        self.engine.stop()
        try:
            plan = make_plan(self._app, wish, starts=True)
            tell(self._app.output, plan)
            plan, running = begin(self._app, plan, yes=True, keep=0)
        except BaseException:
            self._back(session)
            raise
        self._adopt(session, plan, running)

    def _agreed(self, plan: Plan) -> None:
        """Ask before a download, while the old engine is still there."""
        from launchpad.cli.consent import consent

        try:
            consent(self._app, plan, yes=self._yes, interactive=True)
        except click.Abort as error:
            raise UsageError(
                "Nothing was changed.", why="The download was declined.", hint="The chat goes on as before."
            ) from error

    def _adopt(self, session: Session, plan: Plan, running: RunningServer) -> None:
        old, new = self.plan.start.defaults, plan.start.defaults
        self.plan, self.engine = plan, self._renewable(running)
        options = self._options(plan)
        if session.options.think is False and options.think is not None:
            options = replace(options, think=False)
        session.switch(running.server, options, reference_of(plan))
        if old is not None and session.system == old.system:
            session.set_system((new.system if new else None) or "")

    def _back(self, session: Session) -> None:
        """Start the old engine again."""
        from launchpad.cli.launching import begin

        try:
            self.plan, running = begin(self._app, self.plan, yes=True, keep=0)
        except LaunchpadError as error:
            self._app.output.note(f"The engine that was there does not come back: {error.what}", "red")
            return
        self.engine = self._renewable(running)
        session.server = running.server

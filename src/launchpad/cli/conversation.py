"""The talk itself: one answer, or the chat."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from launchpad.errors import AnswerError

if TYPE_CHECKING:
    from launchpad.chat.options import ChatOptions
    from launchpad.chat.session import Session, Toolbox
    from launchpad.cli.app import App
    from launchpad.cli.partner import Partner
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan

Think = Literal["show", "hide", "off"]


class Talk(Struct, frozen=True, kw_only=True):
    """What was asked for. Without a prompt a chat opens."""

    prompt: str | None
    style: str = "text"
    schema: Mapping[str, Any] | None = None
    images: tuple[str, ...] = ()
    tools: Toolbox | None = None
    session: str | None = None
    system: str | None = None
    think: Think = "show"
    whole: bool = False
    sampling: Mapping[str, Any] = {}
    yes: bool = False

    def options(self, plan: Plan | None) -> ChatOptions:
        """How the plan's model is asked."""
        from launchpad.chat.options import chat_options

        thinking = plan.start.thinking if plan else None
        think = False if self.think == "off" else thinking
        return chat_options(plan.start.defaults if plan else None, think=think, **self.sampling)


def converse(app: App, partner: Partner, talk: Talk) -> int:
    """Answer the prompt, or open the chat; returns the exit code."""
    session = _session(app, partner, talk)
    try:
        if talk.prompt is None:
            return _chat(app, partner, session, talk)
        from launchpad.cli.answers import one_answer

        return one_answer(app, partner, session, talk)
    except AnswerError as error:
        told = _with_cause(error, partner.running) if partner.running is not None else error
        if told is error:
            raise
        raise told from error
    finally:
        if partner.plan is not None and partner.running is not None:
            from launchpad.launcher.learn import learn_from_answer  # slow to load: not before the answer

            learn_from_answer(partner.plan, partner.running, session.last)
        app.timeline.first_token(session.first_token)
        session.close()


def _session(app: App, partner: Partner, talk: Talk) -> Session:
    """A chat is kept; a single answer only in a session that was named."""
    from launchpad.chat.session import Session
    from launchpad.chat.transcript import session_path

    plan = partner.plan
    reference = None
    if plan is not None:
        from launchpad.cli.chat_engines import reference_of

        reference = reference_of(plan)
    system = talk.system
    fresh = talk.session is None or not session_path(talk.session).exists()
    if system is None and fresh and plan is not None and plan.start.defaults is not None:
        system = plan.start.defaults.system or None
    return Session(
        partner.server,
        options=talk.options(plan),
        system=system,
        session=talk.session,
        keep=talk.prompt is None or talk.session is not None,
        tools=talk.tools,
        source=partner.source,
        reference=reference,
        report=app.host.emit,
    )


def _chat(app: App, partner: Partner, session: Session, talk: Talk) -> int:
    """The chat; an engine that is lost to a sleep of the computer, or that dies, is started again."""
    from launchpad.chat.repl import Repl

    if partner.plan is None or partner.running is None:
        return Repl(session, out=sys.stdout, err=sys.stderr, thoughts=talk.think == "show").run()
    from launchpad.cli.chat_engines import ChatEngines

    engines = ChatEngines(app, partner.plan, partner.running, talk.options, yes=talk.yes)
    chat = Repl(
        session,
        out=sys.stdout,
        err=sys.stderr,
        alive=engines.alive,
        thoughts=talk.think == "show",
        renewed=lambda before: engines.renewed(session, before),
        engines=engines,
    )
    try:
        return chat.run()
    finally:
        engines.stop()
        partner.plan, partner.running = engines.plan, engines.engine


def _with_cause(error: AnswerError, server: RunningServer) -> AnswerError:
    """The error; when the engine is dead, with how it died."""
    from launchpad.engines.renewal import has_died, obituary

    if not error.retryable or not has_died(server):
        return error
    cause = obituary(server)
    hint = error.hint
    if "out of memory" in cause:
        hint = "Ask for less context (--context), or take a smaller model; `launchpad doctor` names who holds memory."
    return AnswerError(error.what, why=f"{error.why} The engine ended by {cause}.", hint=hint, retryable=True)

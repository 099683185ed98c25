"""The talk itself: one answer, or the chat."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from launchpad.errors import UsageError

if TYPE_CHECKING:
    from launchpad.chat.session import Session
    from launchpad.cli.app import App
    from launchpad.engines.server import RunningServer
    from launchpad.plan import Plan

Think = Literal["show", "hide", "off"]


def one_prompt(app: App, argument: str | None, *, model: str | None) -> str | None:
    """The prompt from the argument and standard input; None when a person sits there and wants to chat.

    Read before anything is started, so that a missing prompt costs no download.
    """
    from launchpad.chat.stdin import combine_prompt, read_stdin

    text = combine_prompt(argument, read_stdin(argument, notice=app.output.note)).strip()
    if text:
        return text
    if argument is None and sys.stdin.isatty() and not app.output.json_mode:
        return None
    raise UsageError(
        "There is no prompt.",
        why="Standard input is not a terminal, and nothing came from it."
        + (f" {model!r} was taken as the model." if model else ""),
        hint=f'Give one: launchpad run {model or "auto"} "Why is the sky blue?"',
    )


def converse(
    app: App,
    plan: Plan,
    server: RunningServer,
    prompt: str | None,
    *,
    system: str | None,
    think: Think,
    **sampling: Any,
) -> int:
    """Answer `prompt`, or open the chat; returns the exit code."""
    from launchpad.chat.options import chat_options
    from launchpad.chat.session import Session
    from launchpad.learn import learn_from_answer

    options = chat_options(
        plan.start.defaults, think=False if think == "off" else plan.start.thinking, **sampling
    )
    defaults = plan.start.defaults
    if system is None and defaults is not None:
        system = defaults.system
    session = Session(server.server, options=options, system=system or None, keep=prompt is None)
    try:
        if prompt is None:
            return _chat(session, server, think)
        if app.output.json_mode:
            return _document(app, plan, session, prompt)
        from launchpad.chat.oneshot import answer

        answer(session, prompt, stdout=sys.stdout, stderr=sys.stderr, tty=sys.stdout.isatty(), think=think)
        return 0
    finally:
        learn_from_answer(plan, server, session.last)
        session.close()


def _chat(session: Session, server: RunningServer, think: Think) -> int:
    from launchpad.chat.repl import Repl

    chat = Repl(session, out=sys.stdout, err=sys.stderr, alive=server.alive, thoughts=think == "show")
    return chat.run()


def _document(app: App, plan: Plan, session: Session, prompt: str) -> int:
    """The answer as one JSON document."""
    from launchpad.chat.delta import Reasoning, Text
    from launchpad.cli.documents import Answer

    text: list[str] = []
    thoughts: list[str] = []
    for delta in session.ask(prompt):
        if isinstance(delta, Text):
            text.append(delta.text)
        elif isinstance(delta, Reasoning):
            thoughts.append(delta.text)
    stats = session.last
    usage = stats.usage if stats else None
    app.output.data(
        Answer(
            model=plan.start.model_id,
            build=plan.start.build,
            backend=plan.start.backend,
            answer="".join(text),
            reasoning="".join(thoughts),
            finish_reason=stats.finish_reason if stats else None,
            prompt_tokens=usage.prompt if usage else None,
            answer_tokens=usage.completion if usage else None,
            prefill_speed=stats.prefill_speed if stats else None,
            decode_speed=stats.decode_speed if stats else None,
            engine=session.server.report,
        )
    )
    return 0

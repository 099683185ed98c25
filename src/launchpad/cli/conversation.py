"""The talk itself: one answer, or the chat."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from launchpad.errors import AnswerError, UsageError

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

    options = chat_options(
        plan.start.defaults, think=False if think == "off" else plan.start.thinking, **sampling
    )
    defaults = plan.start.defaults
    if system is None and defaults is not None:
        system = defaults.system
    session = Session(server.server, options=options, system=system or None, keep=prompt is None)
    try:
        if prompt is None:
            return _chat(app, plan, session, server, think)
        if app.output.json_mode:
            return _document(app, plan, session, prompt)
        return _one_answer(app, session, prompt, think)
    except AnswerError as error:
        raise _with_cause(error, server) from error
    finally:
        from launchpad.learn import learn_from_answer  # slow to load: not before the answer

        learn_from_answer(plan, server, session.last)
        session.close()


def _one_answer(app: App, session: Session, prompt: str, think: Think) -> int:
    from launchpad.chat.oneshot import answer
    from launchpad.chat.stats import stats_line
    from launchpad.cli.render import duration

    stats = answer(
        session, prompt, stdout=sys.stdout, stderr=sys.stderr, tty=sys.stdout.isatty(), think=think
    )
    first = f"first token after {duration(stats.first_token)}" if stats.first_token is not None else ""
    app.output.note(", ".join(part for part in (stats_line(stats), first) if part))
    return 0


def _chat(app: App, plan: Plan, session: Session, server: RunningServer, think: Think) -> int:
    """The chat; an engine that is lost to a sleep of the computer, or that dies, is started again."""
    from launchpad.chat.repl import Repl
    from launchpad.engines.renewal import Renewable
    from launchpad.events import ignore
    from launchpad.run import RealEffects

    effects = RealEffects(app.host, app.config)
    engine = Renewable(
        server, lambda: effects.launch(plan.start, ignore), lambda line: app.output.note(line, "red")
    )

    def renewed(before: bool) -> bool:
        new = engine.after_sleep() if before else engine.renew()
        if new:
            session.server = engine.server
        return new

    chat = Repl(
        session,
        out=sys.stdout,
        err=sys.stderr,
        alive=engine.alive,
        thoughts=think == "show",
        renewed=renewed,
    )
    try:
        return chat.run()
    finally:
        engine.stop()


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


def _document(app: App, plan: Plan, session: Session, prompt: str) -> int:
    """The answer as one JSON document."""
    from launchpad.chat.delta import Reasoning, Text
    from launchpad.check import check_memory
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
            first_token=stats.first_token if stats else None,
            planned=plan.start.settings,
            memory=check_memory(plan.start.fit, session.server.report, loaded=True),
            engine=session.server.report,
        )
    )
    return 0

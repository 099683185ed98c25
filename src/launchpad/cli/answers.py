"""One answer on stdout: as text while it comes, as one JSON document, or as a line of JSON for each piece."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from launchpad.errors import AnswerError, LaunchpadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from launchpad.chat.delta import Delta
    from launchpad.chat.session import Session
    from launchpad.chat.stats import AnswerStats
    from launchpad.cli.app import App
    from launchpad.cli.conversation import Talk
    from launchpad.cli.partner import Partner
    from launchpad.cli.talk_documents import Answer

COPY = 1 << 16  # characters that are written at once


def one_answer(app: App, partner: Partner, session: Session, talk: Talk) -> int:
    """Ask the prompt, and write the answer in the style that was asked for; returns the exit code."""
    if talk.images and not session.sees and partner.plan is not None:
        raise UsageError(
            f"{session.server.model} takes no pictures.",
            why="Its engine says that it has no vision.",
            hint="`launchpad models --needs vision` lists models that have.",
        )
    if talk.style == "text" and talk.schema is None and not talk.whole:
        return _as_it_comes(app, session, talk)
    if talk.style == "stream-json":
        return _as_lines(app, partner, session, talk)
    found = _asked(app, partner, session, talk, lambda delta: None)
    if talk.style == "json":
        with _writing():
            app.output.data(found)
        return 0
    _write(found.answer.rstrip("\n") + "\n", sanitize=sys.stdout.isatty())
    return 0


def _as_it_comes(app: App, session: Session, talk: Talk) -> int:
    from launchpad.chat.oneshot import answer
    from launchpad.chat.stats import stats_line
    from launchpad.cli.render import duration

    assert talk.prompt is not None
    tty = sys.stdout.isatty()
    stats = answer(
        session,
        talk.prompt,
        stdout=sys.stdout,
        stderr=sys.stderr,
        tty=tty,
        think=talk.think,
        images=talk.images,
    )
    first = f"first token after {duration(stats.first_token)}" if stats.first_token is not None else ""
    app.output.note(", ".join(part for part in (stats_line(stats), first) if part))
    return 0


def _as_lines(app: App, partner: Partner, session: Session, talk: Talk) -> int:
    """A line for each piece, then one for the result, or for what went wrong."""
    from msgspec import to_builtins

    from launchpad.chat.delta import Reasoning, Text, ToolCall
    from launchpad.cli.output import error_record

    def piece(delta: Delta) -> None:
        if isinstance(delta, Reasoning):
            _line({"type": "delta", "reasoning": delta.text})
        elif isinstance(delta, Text):
            _line({"type": "delta", "content": delta.text})
        elif isinstance(delta, ToolCall):
            _line({"type": "call", "name": delta.name, "arguments": delta.arguments})

    try:
        found = _asked(app, partner, session, talk, piece)
    except LaunchpadError as error:
        _line({"type": "error", "error": to_builtins(error_record(error))})
        raise
    _line({"type": "result", **to_builtins(found)})
    return 0


def _asked(
    app: App, partner: Partner, session: Session, talk: Talk, piece: Callable[[Delta], None]
) -> Answer:
    """The whole answer; with a schema, one that satisfies it."""
    if talk.schema is not None:
        return _asked_for_json(partner, session, talk, piece)
    from launchpad.chat.delta import Reasoning, Text

    assert talk.prompt is not None
    text: list[str] = []
    thoughts: list[str] = []
    for delta in session.ask(talk.prompt, talk.images):
        piece(delta)
        if isinstance(delta, Text):
            text.append(delta.text)
        elif isinstance(delta, Reasoning):
            thoughts.append(delta.text)
    for notice in session.last.notices if session.last else ():
        app.output.warn(notice)
    return _document(partner, session, session.last, "".join(text), "".join(thoughts))


def _asked_for_json(partner: Partner, session: Session, talk: Talk, piece: Callable[[Delta], None]) -> Answer:
    from launchpad.chat.delta import Usage
    from launchpad.chat.options import Message
    from launchpad.chat.stats import AnswerStats
    from launchpad.script.ask import FailedAnswer, Limits, Wanted, ask
    from launchpad.script.checks import read_json
    from launchpad.script.model import JsonSchema
    from launchpad.script.referee import RealReferee

    if talk.tools is not None:
        raise UsageError(
            "--schema and tools do not go together.",
            why="A call is not the JSON that is wanted.",
            hint="Use one.",
        )
    assert talk.prompt is not None and talk.schema is not None
    question = Message("user", talk.prompt, images=talk.images)
    wanted = Wanted(format="json_schema", schema=JsonSchema(schema=talk.schema))
    referee = RealReferee(lambda model, messages, schema: "")
    partner.answerer.begin()
    try:
        heard = ask(
            partner.answerer, (*session.messages, question), session.options, wanted, Limits(), referee, piece
        )
    except FailedAnswer as failed:
        raise failed.error from failed
    finally:
        referee.close()
    session.keep(question, heard.text)
    usage = None
    if heard.prompt_tokens is not None:
        usage = Usage(prompt=heard.prompt_tokens, completion=heard.completion_tokens or 0)
    stats = AnswerStats(
        finish_reason=heard.finish_reason,
        seconds=heard.milliseconds / 1000,
        first_token=None if heard.first_token is None else heard.first_token / 1000,
        usage=usage,
        decode_speed=heard.tokens_per_second,
    )
    return _document(partner, session, stats, heard.text, heard.reasoning, value=read_json(heard.text))


def _document(
    partner: Partner,
    session: Session,
    stats: AnswerStats | None,
    text: str,
    reasoning: str,
    value: Any = None,
) -> Answer:
    from launchpad.cli.talk_documents import Answer
    from launchpad.fit.check import check_memory

    start = partner.plan.start if partner.plan else None
    usage = stats.usage if stats else None
    report = session.server.report
    return Answer(
        model=start.model_id if start else session.server.model,
        build=start.build if start else "",
        backend=start.backend if start else session.server.backend,
        answer=text,
        json=value,
        reasoning=reasoning,
        finish_reason=stats.finish_reason if stats else None,
        prompt_tokens=usage.prompt if usage else None,
        answer_tokens=usage.completion if usage else None,
        prefill_speed=stats.prefill_speed if stats else None,
        decode_speed=stats.decode_speed if stats else None,
        first_token=stats.first_token if stats else None,
        planned=start.settings if start else session.server.settings,
        memory=check_memory(start.fit, report, loaded=True) if start else None,
        engine=report,
    )


def _line(fields: dict[str, Any]) -> None:
    _write(json.dumps({"schema_version": 1, **fields}, ensure_ascii=False) + "\n", sanitize=False)


def _write(text: str, *, sanitize: bool) -> None:
    from launchpad.chat.terminal import Writer

    writer = Writer(sys.stdout, sanitize=sanitize)
    for start in range(0, len(text), COPY):
        writer.write(text[start : start + COPY])
    writer.end()
    if not sanitize:
        with _writing():
            sys.stdout.flush()


class _writing:  # noqa: N801 -- reads as a statement
    """A disk that refuses the answer is a failed answer; a reader that went away is for the caller."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise AnswerError(
                "The answer could not be written.",
                why=error.strerror or str(error),
                hint="Check where stdout goes.",
            ) from error

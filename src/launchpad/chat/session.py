"""A conversation with one engine: history, transcript and the answers' figures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Protocol

from msgspec.structs import replace

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, Timings, ToolCall, Usage
from launchpad.chat.dialect import stream_from
from launchpad.chat.history import VERSION, History, Record
from launchpad.chat.loops import LoopWatch, looped
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.stats import AnswerStats, decode_speed, finished
from launchpad.chat.transcript import Transcript, read_records, session_path
from launchpad.chat.wire import larger_context
from launchpad.engines.server import Server
from launchpad.engines.use import working
from launchpad.errors import AnswerError, LaunchpadError, UsageError
from launchpad.events import Report, ignore

MAX_TOOL_ROUNDS = 8
Source = Callable[[Server, Sequence[Message], ChatOptions], Generator[Delta]]


class Toolbox(Protocol):
    """Tools that the user named, and nothing else."""

    @property
    def described(self) -> tuple[Mapping[str, Any], ...]:
        """As OpenAI's API describes tools."""
        ...

    def answer(self, call: ToolCall) -> str:
        """What the model is told about its call: a result, an error, or that the user said no."""
        ...


def new_session_id() -> str:
    """A name that sorts by time and does not repeat."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


class Session:
    """One conversation. `options` and `server` may be replaced between answers.

    A transcript is kept from the first question on, unless `keep` is False. With the `session` of an earlier
    conversation it goes on where that one stopped, even if that one crashed in the middle of an answer; `resumed`
    tells. `tools` are what the model may call; `source` is who answers;
    `reference` is how the model is asked for again; `report` hears of each answer that ended. Raises `UsageError` for a bad name, `BusyError` if another launchpad writes to that session.
    """

    def __init__(
        self,
        server: Server,
        *,
        options: ChatOptions | None = None,
        system: str | None = None,
        session: str | None = None,
        keep: bool = True,
        tools: Toolbox | None = None,
        source: Source = stream_from,
        reference: str | None = None,
        report: Report = ignore,
    ) -> None:
        self.server = server
        self._report = report
        self._tools = tools
        self._source = source
        self.options = options or ChatOptions()
        self.id = session or new_session_id()
        self.last: AnswerStats | None = None
        self.first_token: float | None = None  # seconds that the first answer took to begin
        self._transcript = Transcript(self.id) if keep else None
        self._notices: list[str] = []
        self._unwritten: list[Record] = [_header(self.id, server, reference)]
        self._prompt_floor = 0  # tokens that the next prompt has at least, if nothing is dropped
        earlier = self._earlier() if session else []
        self.resumed = bool(earlier)
        self._history = History(earlier)
        if system is not None and system != (self._history.system or ""):
            self._unwritten.append(_message("system", system))
            self._history.apply(self._unwritten[-1])

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the engine is sent before the next question."""
        return self._history.messages

    @property
    def system(self) -> str | None:
        """The system message."""
        return self._history.system

    @property
    def keeps(self) -> bool:
        """True while a transcript is written."""
        return self._transcript is not None

    @property
    def last_question(self) -> str | None:
        """What a retry asks again."""
        return self._history.last_question

    @property
    def sees(self) -> bool:
        """Whether the model takes pictures, as far as its engine says."""
        report = self.server.report
        return bool(report.vision) or "vision" in (report.abilities or ())

    def switch(self, server: Server, options: ChatOptions, reference: str | None = None) -> None:
        """Another engine answers from here on; what was said stays."""
        self.server, self.options = server, options
        self._prompt_floor = 0
        self._record(
            {"type": "engine", "model": server.model, "engine": server.report.engine, "time": _now()}
        )

    def load(self, messages: Sequence[Message]) -> None:
        """Forget what was said here, and go on from what was said elsewhere."""
        self._prompt_floor = 0
        self._record({"type": "clear"})
        for message in messages:
            self._record({**_message(message.role, message.content, message.images), **_tool_fields(message)})

    def set_system(self, text: str) -> None:
        """Replace the system message; empty text removes it."""
        self._prompt_floor = 0
        self._record(_message("system", text))

    def clear(self) -> None:
        """Forget what was said; the system message stays, and so does the transcript."""
        self._prompt_floor = 0
        self._record({"type": "clear"})

    def keep(self, question: Message, answer: str) -> None:
        """Add a question and its answer that were exchanged elsewhere."""
        self._record(_message("user", question.content, question.images))
        self._record({**_message("assistant", answer), "finish_reason": "stop"})

    def retry(self, text: str | None = None) -> Generator[Delta]:
        """Take the last turn back and ask it again, or `text` in its place. Raises `UsageError` if nothing was asked."""
        asked = self._history.last_asked
        if asked is None:
            raise UsageError(
                "There is nothing to ask again.", why="No question was asked yet.", hint="Ask one."
            )
        self._prompt_floor = 0
        self._record({"type": "retry"})
        return self.ask(asked.content if text is None else text, asked.images)

    def ask(self, text: str, images: Sequence[str] = ()) -> Generator[Delta]:
        """The deltas of the answer to `text`; the last is a `Finish`, and then `last` holds the figures.

        Close the iterator (or interrupt it) to stop the engine. What came until then is kept in the history and the
        transcript. Tools that the model calls answer in between. Raises `AnswerError`, also when the context is full
        in the middle of the answer, or when the answer repeats itself without end.
        """
        self._record(_message("user", text, images))
        for _ in range(MAX_TOOL_ROUNDS + 1):
            calls = yield from self._answer()
            if not calls:
                return
            self._call(calls)
        self._history.settle()
        raise AnswerError(
            "The model calls tools without end.",
            why=f"After {MAX_TOOL_ROUNDS} rounds it still wants another.",
            hint="Ask for something that fewer calls can answer.",
        )

    def _call(self, calls: Sequence[ToolCall]) -> None:
        for call in calls:
            said = self._tools.answer(call) if self._tools is not None else "There is no such tool."
            more = {"tool": call.name, "call": call.id or None}
            self._record({**_message("tool", said), **more})

    def _answer(self) -> Generator[Delta, None, tuple[ToolCall, ...]]:
        """One answer of the engine; returns the tools that it calls."""
        answer = _Answer(self._piece)
        error: LaunchpadError | None
        try:
            with working(self.server.id), closing(self._stream()) as deltas:
                for delta in deltas:
                    answer.take(delta)
                    yield delta
                    if answer.loops.looping:
                        break
            reason, error = answer.reason, self._full(answer)
            if answer.loops.looping:
                reason, error = "repetition", looped()
        except LaunchpadError as caught:
            reason, error = "error", caught
        except BaseException:  # the user, a signal, or the consumer that closed us
            answer.calls.clear()
            self._settle(answer, "cancelled")
            raise
        if error is not None:
            answer.calls.clear()
        self._settle(answer, reason, error)
        if error is not None:
            raise error
        return tuple(answer.calls)

    def close(self) -> None:
        """Release the transcript; idempotent."""
        if self._transcript is not None:
            self._transcript.close()

    def _stream(self) -> Generator[Delta]:
        options = self.options
        if self._tools is not None:
            options = replace(options, tools=self._tools.described)
        return self._source(self.server, self.messages, options)

    def _earlier(self) -> list[Record]:
        path = session_path(self.id)
        if self._transcript is not None and path.exists():
            with self._disk_trouble():
                self._transcript.open()
        return read_records(path)

    def _full(self, answer: _Answer) -> AnswerError | None:
        """The error for an answer that ended because the context did, not because of a limit that was asked for."""
        context, usage = self.server.report.context, answer.usage
        if answer.reason != "length" or context is None or usage is None or usage.total < context:
            return None
        return AnswerError(
            "The answer was cut: the context is full.",
            why=f"The conversation has {usage.total} tokens; the context holds {context}.",
            hint=larger_context(2 * context),
        )

    def _settle(self, answer: _Answer, reason: str, error: LaunchpadError | None = None) -> None:
        stats = answer.stats(reason, self.server.report.context)
        self._watch_prompt(answer)
        calls = _written_calls(answer.calls)
        self._history.apply({**_message("assistant", answer.text), "calls": calls})
        ended: dict[str, Any] = {"finish_reason": reason, "ms": round(stats.seconds * 1000)}
        if calls:
            ended["calls"] = calls
        if answer.usage is not None:
            ended["usage"] = {"prompt": answer.usage.prompt, "completion": answer.usage.completion}
        if error is not None:
            ended["error"] = str(error)
        self._write(lambda transcript: transcript.end_answer(ended))
        self.first_token = stats.first_token if self.last is None else self.first_token
        self.last = replace(stats, notices=tuple(self._notices))
        self._notices.clear()
        self._report(finished(self.server, stats))

    def _watch_prompt(self, answer: _Answer) -> None:
        """Notice an engine that cuts the prompt silently: prompts only grow, so one that shrinks lost something."""
        if answer.usage is None:
            return
        sent, read = self._prompt_floor, answer.usage.prompt
        if read < sent:
            self._notices.append(
                f"The engine dropped earlier messages: it read {read} of more than {sent} tokens."
            )
        if answer.text:
            self._prompt_floor = max(read, sent)

    def _record(self, record: Record) -> None:
        self._history.apply(record)
        self._write(lambda transcript: transcript.write(record))

    def _piece(self, kind: str, text: str) -> None:
        self._write(lambda transcript: transcript.piece(kind, text))

    def _write(self, write: Callable[[Transcript], None]) -> None:
        if self._transcript is None:
            return
        with self._disk_trouble():
            while self._unwritten:
                self._transcript.write(self._unwritten.pop(0))
            write(self._transcript)

    @contextmanager
    def _disk_trouble(self) -> Generator[None]:
        """A disk that refuses must not cost the user the answer: stop keeping the transcript, and say so once."""
        try:
            yield
        except OSError as error:
            self._notices.append(f"This conversation is no longer saved: {error.strerror or error}.")
            self.close()
            self._transcript = None


class _Answer:
    """One answer while it arrives."""

    def __init__(self, piece: Callable[[str, str], None]) -> None:
        self.text = ""
        self.reason = "stop"
        self.usage: Usage | None = None
        self.loops = LoopWatch()
        self.calls: list[ToolCall] = []
        self._piece = piece
        self._timings: Timings | None = None
        self._start = time.monotonic()
        self._first: float | None = None

    def take(self, delta: Delta) -> None:
        match delta:
            case Finish(reason=reason, usage=usage, timings=timings):
                self.reason, self.usage, self._timings = reason, usage, timings
                return
            case Text(text=text):
                self.text += text
                self._piece("content", text)
                self.loops.feed(text)
            case Reasoning(text=text):
                self._piece("reasoning", text)
                self.loops.feed(text)
            case ToolCall():
                self.calls.append(delta)
        self._first = self._first or time.monotonic()

    def stats(self, reason: str, context: int | None) -> AnswerStats:
        now = time.monotonic()
        return AnswerStats(
            finish_reason=reason,
            seconds=now - self._start,
            first_token=None if self._first is None else self._first - self._start,
            usage=self.usage,
            prefill_speed=self._timings.prefill_speed if self._timings else None,
            decode_speed=decode_speed(self._timings, self.usage, now - (self._first or now)),
            context=context,
        )


def _header(session: str, server: Server, reference: str | None) -> Record:
    engine = {"model": server.model, "engine": server.report.engine}
    again = {"reference": reference} if reference else {}
    return {"type": "session", "v": VERSION, "id": session, **engine, **again, "time": _now()}


def _message(role: str, content: str, images: Sequence[str] = ()) -> dict[str, Any]:
    more = {"images": list(images)} if images else {}
    return {"type": "message", "role": role, "content": content, **more, "time": _now()}


def _tool_fields(message: Message) -> dict[str, Any]:
    """What a message has to do with tools: the calls that it makes, or the call that it answers."""
    calls = {"calls": _written_calls(message.calls)} if message.calls else {}
    return calls | ({"tool": message.tool, "call": message.call} if message.role == "tool" else {})


def _written_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [{"name": call.name, "arguments": dict(call.arguments), "id": call.id} for call in calls]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")

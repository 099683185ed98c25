"""One turn: a question put to an answerer, watched while its answer comes, asked again when JSON was wanted and is wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from queue import Empty, Queue

from msgspec import Struct
from msgspec.structs import replace

from launchpad.chat.delta import Delta, Finish, Reasoning, Text, ToolCall
from launchpad.chat.loops import LoopWatch, looped
from launchpad.chat.options import ChatOptions, Message
from launchpad.chat.stats import decode_speed
from launchpad.errors import AnswerError, LaunchpadError
from launchpad.script.answerers import Answerer
from launchpad.script.checks import Answer, Referee, read_json
from launchpad.script.model import JsonSchema, ResponseFormat

JSON_RETRIES = 2
MOST_WHITE_SPACE = 256  # characters in a row; a constrained model that lost its way sends nothing else
MOST_BLANK_PIECES, MOST_BLANK_SECONDS = 16, 1.5  # both: a slow engine needs minutes for the characters
MOST_JSON_TOKENS = (
    2_048  # where no limit was given: a model that lost its way fills objects until the context is full
)
_COMPACT = "\n\nAnswer with compact JSON only: no line breaks, no spaces between values, no other text."


class Limits(Struct, frozen=True, kw_only=True):
    """Longest times in seconds; None = no limit. `deadline` is a moment of the monotonic clock."""

    first: float | None = None
    turn: float | None = None
    stall: float | None = None
    deadline: float | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """What form an answer must have."""

    format: ResponseFormat = "text"
    schema: JsonSchema | None = None

    @property
    def is_json(self) -> bool:
        """True when the answer must be JSON."""
        return self.format != "text"


class FailedAnswer(Exception):
    """A turn without a usable answer. `answer` is what came, kept for the transcript."""

    def __init__(self, error: LaunchpadError, answer: Answer) -> None:
        super().__init__(str(error))
        self.error = error
        self.answer = answer


OnDelta = Callable[[Delta], None]


def ask(
    answerer: Answerer,
    messages: Sequence[Message],
    options: ChatOptions,
    wanted: Wanted,
    limits: Limits,
    referee: Referee,
    on_delta: OnDelta = lambda delta: None,
) -> Answer:
    """The answer to `messages`. Raises `FailedAnswer`.

    An answer that is not the JSON that was wanted is asked for again, twice at most, with the next seed and the advice
    to be compact.
    """
    options = with_format(options, wanted)
    for number in range(JSON_RETRIES + 1 if wanted.is_json else 1):
        answer = _once(answerer, messages, options, wanted, limits, on_delta)
        wrong = _wrong_json(answer, wanted, referee)
        if wrong is None:
            return replace(answer, tries=number + 1)
        messages = _advised(messages)
        options = replace(options, seed=(options.seed or 0) + 1)
    error = AnswerError(
        "The answer is not the JSON that was asked for.",
        why=f"After {JSON_RETRIES + 1} tries: {wrong}.",
        hint="Allow more tokens, simplify the schema, or take a better model.",
    )
    raise FailedAnswer(error, replace(answer, tries=JSON_RETRIES + 1))


def with_format(options: ChatOptions, wanted: Wanted) -> ChatOptions:
    """The options with the engine's own constraint for the wanted form."""
    if wanted.format == "json_object":
        return replace(options, response_format={"type": "json_object"})
    if wanted.schema is None:
        return options
    schema = {"name": wanted.schema.name, "strict": wanted.schema.strict, "schema": wanted.schema.schema}
    return replace(options, response_format={"type": "json_schema", "json_schema": schema})


def _advised(messages: Sequence[Message]) -> Sequence[Message]:
    last = messages[-1]
    if last.content.endswith(_COMPACT):
        return messages
    return (*messages[:-1], replace(last, content=last.content + _COMPACT))


def _wrong_json(answer: Answer, wanted: Wanted, referee: Referee) -> str | None:
    if not wanted.is_json:
        return None
    if answer.finish_reason == "white space":
        return "it sent nothing but blanks in the end"
    if answer.finish_reason == "too long":
        return f"it had not ended after {MOST_JSON_TOKENS:,} tokens, the most where maxTokens is not given"
    if answer.finish_reason == "repetition":
        return "it repeats itself without end"
    if answer.finish_reason == "length":
        return "it was cut at the limit of tokens"
    try:
        found = read_json(answer.text)
    except ValueError as error:
        return f"it is not JSON ({error})"
    if wanted.schema is None:
        return None if isinstance(found, dict) else "it is no JSON object"
    try:
        return referee.violation(wanted.schema.schema, found)
    except LaunchpadError as error:
        raise FailedAnswer(error, answer) from error


def _once(
    answerer: Answerer,
    messages: Sequence[Message],
    options: ChatOptions,
    wanted: Wanted,
    limits: Limits,
    on_delta: OnDelta,
) -> Answer:
    """One request, watched by the clock."""
    collected = Collected()
    bounded = wanted.is_json and options.max_tokens is None
    try:
        for delta in pieces(answerer, messages, options, limits):
            collected.take(delta)
            on_delta(delta)
            if wanted.is_json and collected.blank:
                collected.reason = "white space"
                break
            if collected.loops.looping:
                collected.reason = "repetition"
                break
            if bounded and collected.pieces > MOST_JSON_TOKENS:
                collected.reason = "too long"
                break
    except LaunchpadError as error:
        raise FailedAnswer(error, collected.answer("error")) from error
    if collected.reason == "repetition" and not wanted.is_json:
        raise FailedAnswer(looped(), collected.answer())
    return collected.answer()


def pieces(
    answerer: Answerer, messages: Sequence[Message], options: ChatOptions, limits: Limits
) -> Generator[Delta]:
    """The deltas of one answer, within `limits`. Raises `AnswerError`; closing it cancels the request.

    A thread reads them, so that a silent engine cannot make us wait beyond a limit.
    """
    watch = _Watch(limits)
    queue: Queue[Delta | BaseException | None] = Queue()
    stop = threading.Event()

    def read() -> None:
        try:
            with closing(answerer.stream(messages, options)) as deltas:
                for delta in deltas:
                    queue.put(delta)
                    if stop.is_set():
                        return
            queue.put(None)
        except BaseException as error:
            queue.put(error)

    reader = threading.Thread(target=read, name="answer", daemon=True)
    reader.start()
    try:
        while True:
            try:
                found = queue.get(timeout=watch.patience())
            except Empty:
                raise watch.expired() from None
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            watch.heard()
            yield found
    finally:
        stop.set()
        cancel = getattr(answerer, "cancel", None)
        if cancel is not None and reader.is_alive():
            cancel(reader.ident)


class _Watch:
    """Which limit comes next."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begin = self._last = time.monotonic()
        self._first = True

    def heard(self) -> None:
        self._first = False
        self._last = time.monotonic()

    def _next(self) -> tuple[float, str] | None:
        limits = self._limits
        ends = []
        if self._first and limits.first is not None:
            ends.append((self._begin + limits.first, f"no token came within {limits.first:g} s"))
        if not self._first and limits.stall is not None:
            ends.append((self._last + limits.stall, f"nothing came for {limits.stall:g} s"))
        if limits.turn is not None:
            ends.append((self._begin + limits.turn, f"the turn took longer than {limits.turn:g} s"))
        if limits.deadline is not None:
            ends.append((limits.deadline, "the time of the case or run is up"))
        return min(ends) if ends else None

    def patience(self) -> float | None:
        """Seconds to wait for the next piece."""
        end = self._next()
        return None if end is None else max(0.0, end[0] - time.monotonic())

    def expired(self) -> AnswerError:
        """The error for the limit that was reached."""
        end = self._next()
        return AnswerError(
            "The answer took too long.",
            why=f"{end[1] if end else 'A limit was reached'}.".capitalize(),
            hint="Raise the limit (timeout:), or take a faster model.",
            retryable=True,
        )


class Collected:
    """What came of an answer."""

    def __init__(self) -> None:
        self.reason = "stop"
        self.loops = LoopWatch()
        self.pieces = 0  # of the answer itself; engines send about one for each token
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._begin = time.monotonic()
        self._first: float | None = None
        self._finish: Finish | None = None
        self._calls: list[ToolCall] = []
        self._blanks = 0
        self._blank_pieces = 0
        self._last_word = time.monotonic()

    @property
    def blank(self) -> bool:
        """True when more white space came in a row than any answer needs."""
        slow = time.monotonic() - self._last_word > MOST_BLANK_SECONDS
        return self._blanks > MOST_WHITE_SPACE or (slow and self._blank_pieces > MOST_BLANK_PIECES)

    def take(self, delta: Delta) -> None:
        """Take a piece."""
        if isinstance(delta, Finish):
            self._finish, self.reason = delta, delta.reason
            return
        if self._first is None:
            self._first = time.monotonic()
        if isinstance(delta, ToolCall):
            self._calls.append(delta)
        if isinstance(delta, Reasoning | Text):
            self.loops.feed(delta.text)
        if isinstance(delta, Reasoning):
            self._reasoning.append(delta.text)
        elif isinstance(delta, Text):
            self.pieces += 1
            self._text.append(delta.text)
            self._count_blanks(delta.text)

    def _count_blanks(self, text: str) -> None:
        bare = text.rstrip()
        if bare:
            self._blanks, self._blank_pieces, self._last_word = 0, 0, time.monotonic()
        else:
            self._blank_pieces += 1
        self._blanks += len(text) - len(bare)

    def answer(self, reason: str | None = None) -> Answer:
        """What came, and what it took until now."""
        now = time.monotonic()
        usage = self._finish.usage if self._finish else None
        timings = self._finish.timings if self._finish else None
        return Answer(
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            finish_reason=reason or self.reason,
            prompt_tokens=usage.prompt if usage else None,
            completion_tokens=usage.completion if usage else None,
            milliseconds=(now - self._begin) * 1000,
            first_token=None if self._first is None else (self._first - self._begin) * 1000,
            tokens_per_second=decode_speed(timings, usage, now - (self._first or now)),
            calls=tuple(self._calls),
        )

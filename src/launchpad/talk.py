"""A conversation from Python: an engine that is started, asked, and always stopped.

from launchpad import Chat

with Chat("auto", seed=7, temperature=0) as chat:
    print(chat.ask("Name three rivers."))
    rivers = chat.ask("As JSON.", schema={"type": "array", "items": {"type": "string"}}).json
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct
from msgspec.structs import replace

from launchpad.chat.delta import Reasoning, Text, Usage
from launchpad.chat.loops import looped
from launchpad.chat.options import ChatOptions, Message
from launchpad.errors import AnswerError, UsageError
from launchpad.events import Report, ignore
from launchpad.script.ask import Collected, FailedAnswer, Limits, Wanted, ask, pieces
from launchpad.script.checks import Answer as Heard
from launchpad.script.checks import read_json
from launchpad.script.engine import EngineAnswerer
from launchpad.script.journal import Journal, new_run_id
from launchpad.script.model import JsonSchema
from launchpad.script.referee import RealReferee
from launchpad.tools import Tool, answer_call
from launchpad.wish import Wish

if TYPE_CHECKING:
    from types import TracebackType

    from launchpad.engines.server import RunningServer, Server
    from launchpad.plan import Plan
    from launchpad.script.answerers import Answerer

MAX_TOOL_ROUNDS = 8


class Answer(Struct, frozen=True, kw_only=True):
    """An answer. `str(answer)` is its text. `ms` is the time that it took in milliseconds, speed in tokens/s."""

    text: str
    reasoning: str = ""
    usage: Usage | None = None
    finish_reason: str = "stop"
    ms: float = 0.0
    tokens_per_second: float | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def json(self) -> Any:
        """The value that the text is as JSON. Raises `AnswerError` when it is none."""
        try:
            return read_json(self.text)
        except ValueError as error:
            raise AnswerError("The answer is not JSON.", why=str(error), hint="Ask with a schema.") from error


class Chat:
    """A conversation with an engine: one that `launchpad start` has left loaded, where it does, else its own. Started at the first question (or `start`), stopped by `stop` or `with`.

    `model` as on the command line (None or "auto": the best that fits); `tools` are functions that the model may call,
    and nothing else. Further keywords are fields of `ChatOptions` (temperature, seed, max_tokens, stop, think, …).
    `max_download` in bytes is the consent to a download.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        wish: Wish | None = None,
        system: str | None = None,
        context: int | None = None,
        backend: str | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        max_download: int | None = None,
        report: Report = ignore,
        answerer: Answerer | None = None,
        **sampling: Any,
    ) -> None:
        asked = replace(wish or Wish(), model=model)
        self._wish = replace(asked, context=context or asked.context, backend=backend or asked.backend)
        self._max_download = max_download
        self._report = report
        self._answerer = answerer
        self._begun = False
        self._owner = True
        self._referee = RealReferee(lambda model, messages, schema: "")
        self._tools = [Tool(function) for function in tools]
        self.options = _chat_options(sampling)
        self._system = system
        self._messages: list[Message] = []
        self.last: Answer | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Use an engine that is kept loaded, or pick, pull and start one; idempotent. Raises `LaunchpadError`."""
        from launchpad.launcher.unattended import loaded, planned, shared

        if self._answerer is None:
            found = loaded(self._wish, self._report)
            plan = found[0] if found else planned(self._wish, self._max_download, self._report)

            def start(plan: Plan, fresh: bool) -> tuple[Plan, RunningServer]:
                return found or shared(plan, self._report)

            self._answerer = EngineAnswerer(plan, start, deterministic=False)
        if not self._begun:
            self._answerer.begin()
            self._begun = True

    def stop(self) -> None:
        """Stop the engine and all its processes; idempotent. One that is kept loaded stays. A fork leaves it to the chat that it came from."""
        self._referee.close()
        if self._answerer is not None and self._owner:
            self._answerer.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def plan(self) -> Plan:
        """What was planned for the engine. Raises `UsageError` before the start."""
        return self._engine().plan

    @property
    def server(self) -> Server:
        """Where the engine listens and what it really did. Raises `UsageError` before the start."""
        return self._engine().server

    def _engine(self) -> EngineAnswerer:
        if not isinstance(self._answerer, EngineAnswerer) or not self._begun:
            raise UsageError(
                "No engine runs.", why="The chat was not started.", hint="Use `with Chat(…)` or chat.start()."
            )
        return self._answerer

    # -- talk -----------------------------------------------------------------------------------------------------

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What was said so far, in OpenAI's shape."""
        from launchpad.chat.options import written

        return [written(message) for message in self._history()]

    def ask(
        self,
        prompt: str,
        *,
        schema: Mapping[str, Any] | None = None,
        images: Sequence[str | Path] = (),
        timeout: float | None = None,
        **sampling: Any,
    ) -> Answer:
        """The answer to `prompt`.

        With `schema` (JSON Schema) it is JSON that satisfies it, or `AnswerError`. `images` are files (PNG, JPEG).
        `timeout` in seconds is for the whole answer. Raises `AnswerError`; then nothing is added to the conversation.
        """
        wanted = (
            Wanted(format="json_schema", schema=JsonSchema(schema=schema)) if schema is not None else Wanted()
        )
        asked = [Message("user", prompt, images=tuple(_image(each) for each in images))]
        begin = time.monotonic()
        for _ in range(MAX_TOOL_ROUNDS + 1):
            heard = self._heard(asked, self._options(sampling), wanted, _limits(timeout, begin))
            if not heard.calls:
                return self._keep(asked, heard)
            asked += self._called(heard)
        raise AnswerError(
            "The model calls tools without end.",
            why=f"After {MAX_TOOL_ROUNDS} rounds it still wants another.",
            hint="Ask for something that fewer calls can answer.",
        )

    def stream(
        self,
        prompt: str,
        *,
        images: Sequence[str | Path] = (),
        timeout: float | None = None,
        on_reasoning: Callable[[str], None] = lambda text: None,
        **sampling: Any,
    ) -> Generator[str]:
        """The text of the answer as it comes; afterwards `last` is the whole `Answer`.

        Close the generator (or leave its loop) to stop the engine. Tools are not called. Raises `AnswerError`.
        """
        asked = [Message("user", prompt, images=tuple(_image(each) for each in images))]
        self.start()
        assert self._answerer is not None
        options = replace(self._answerer.options(self._options(sampling)), tools=())
        heard = Collected()
        limits = _limits(timeout, time.monotonic())
        with closing(pieces(self._answerer, self._history(asked), options, limits)) as deltas:
            for delta in deltas:
                heard.take(delta)
                if isinstance(delta, Text):
                    yield delta.text
                elif isinstance(delta, Reasoning):
                    on_reasoning(delta.text)
                if heard.loops.looping:
                    raise looped()
        self._keep(asked, heard.answer())

    def fork(self) -> Chat:
        """A conversation with the same past and a future of its own, on the same engine."""
        other = Chat(system=self._system, answerer=self._answerer, wish=self._wish)
        other._begun, other._owner, other._tools = self._begun, False, self._tools
        other.options, other._messages = self.options, list(self._messages)
        return other

    def save(self, path: str | Path) -> None:
        """Append the conversation to a transcript (JSONL) that `launchpad transcript export` reads."""
        journal = Journal(path, new_run_id())
        try:
            journal.write("run", name="chat")
            for message in self._history():
                journal.write("message", role=message.role, content=message.content, case="chat", repeat=0)
            journal.write("end", sync=True)
        finally:
            journal.close()

    def cancel(self) -> None:
        """End the answer that another thread waits for."""
        if isinstance(self._answerer, EngineAnswerer):
            self._answerer.cancel()

    def _history(self, more: Sequence[Message] = ()) -> tuple[Message, ...]:
        system = self._system
        if system is None and isinstance(self._answerer, EngineAnswerer):
            system = self._answerer.own_system
        return (*([Message("system", system)] if system else []), *self._messages, *more)

    def _options(self, sampling: Mapping[str, Any]) -> ChatOptions:
        asked = _chat_options(sampling, self.options)
        return replace(asked, tools=tuple(tool.described for tool in self._tools))

    def _heard(self, asked: Sequence[Message], options: ChatOptions, wanted: Wanted, limits: Limits) -> Heard:
        self.start()
        assert self._answerer is not None
        try:
            return ask(
                self._answerer,
                self._history(asked),
                self._answerer.options(options),
                wanted,
                limits,
                self._referee,
            )
        except FailedAnswer as failed:
            raise failed.error from failed

    def _called(self, heard: Heard) -> list[Message]:
        """The calls of an answer, and what the tools say."""
        answers = [
            Message("tool", answer_call(self._tools, call), tool=call.name, call=call.id or None)
            for call in heard.calls
        ]
        return [Message("assistant", heard.text, calls=heard.calls), *answers]

    def _keep(self, asked: Sequence[Message], heard: Heard) -> Answer:
        self._messages += [*asked, Message("assistant", heard.text)]
        self.last = as_answer(heard)
        return self.last


def as_answer(heard: Heard) -> Answer:
    """What a script's runner heard, as Python's callers get it."""
    usage = None
    if heard.prompt_tokens is not None:
        usage = Usage(prompt=heard.prompt_tokens, completion=heard.completion_tokens or 0)
    return Answer(
        text=heard.text,
        reasoning=heard.reasoning,
        usage=usage,
        finish_reason=heard.finish_reason,
        ms=heard.milliseconds,
        tokens_per_second=heard.tokens_per_second,
    )


def _limits(timeout: float | None, begin: float) -> Limits:
    return Limits(deadline=None if timeout is None else begin + timeout)


def _chat_options(sampling: Mapping[str, Any], base: ChatOptions | None = None) -> ChatOptions:
    unknown = sorted(set(sampling) - set(ChatOptions.__struct_fields__))
    if unknown:
        raise UsageError(
            f"There is no option {unknown[0]!r}.",
            why="Sampling is set by the fields of ChatOptions.",
            hint=f"Use one of {', '.join(ChatOptions.__struct_fields__)}.",
        )
    values = dict(sampling)
    if isinstance(values.get("stop"), str):
        values["stop"] = (values["stop"],)
    return replace(base or ChatOptions(), **values)


def _image(place: str | Path) -> str:
    """A file as base64 text."""
    from launchpad.chat.images import read_image

    return read_image(Path(place))

"""Events become spans and metrics. Neither prompts nor answers are in an event; paths and free text stay here unless asked for."""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from launchpad.plugins import (
    AnswerFinished,
    EngineReady,
    EngineStarting,
    EngineStopped,
    Event,
    Notice,
    PullFinished,
    PullStarted,
)

_LOCAL = ("file:", "/")
_SECOND = 1_000_000_000


class Recorder:
    """One command of launchpad: a span for it, and spans below it for what it does."""

    def __init__(self, traces: TracerProvider, metrics: MeterProvider) -> None:
        self._tracer = traces.get_tracer("launchpad_otel")
        meter = metrics.get_meter("launchpad_otel")
        self._details = os.environ.get("LAUNCHPAD_OTEL_DETAILS", "") not in ("", "0", "false")
        self._root: Span | None = None
        self._open: dict[str, Span] = {}
        self._pulled = meter.create_counter(
            "launchpad.pull.size", "By", "Bytes that were pulled and verified"
        )
        self._pulling = meter.create_histogram("launchpad.pull.duration", "s", "Time that a pull took")
        self._loading = meter.create_histogram(
            "launchpad.engine.load.duration", "s", "Time that an engine took to load"
        )
        self._answering = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "Time that an answer took"
        )
        self._first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Wait until the first piece of an answer"
        )
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", "Tokens read and made")

    def record(self, at: int, event: Event) -> None:
        """Take an event that happened `at` (nanoseconds)."""
        match event:
            case PullStarted():
                self._begin(
                    f"pull {event.ref}",
                    "launchpad.pull",
                    at,
                    self._place(event.ref)
                    | _known(
                        {"launchpad.pull.size": event.size, "launchpad.pull.resumed_from": event.have or None}
                    ),
                )
            case PullFinished():
                more = {"launchpad.pull.sha256": event.sha256} | self._detail(
                    "launchpad.pull.path", event.path
                )
                self._end(f"pull {event.ref}", at, _known(more))
                self._pulled.add(event.size, self._place(event.ref))
                self._pulling.record(event.seconds, self._place(event.ref))
            case EngineStarting():
                about = {"launchpad.engine": event.backend} | self._model("launchpad.model", event.model)
                self._begin(f"load {event.backend}", "launchpad.engine.load", at, about)
            case EngineReady():
                about = {"launchpad.engine": event.backend}
                detail = self._detail("launchpad.engine.summary", event.summary)
                self._end(f"load {event.backend}", at, detail)
                self._loading.record(event.seconds, about)
                self._begin(f"run {event.backend}", "launchpad.engine.run", at, about | detail)
            case EngineStopped():
                if not self._end(f"run {event.backend}", at, {}):
                    self._end(f"load {event.backend}", at, {}, failed="It was stopped before it was ready.")
            case AnswerFinished():
                self._answer(at, event)
            case Notice() if self._details:
                self._command(at).add_event("launchpad.notice", {"message": event.message}, at)

    def close(self, at: int) -> None:
        """The command ends; what is still open did not come to its end."""
        for name in list(self._open):
            self._end(name, at, {}, failed="" if name.startswith("run ") else "It did not end.")
        if self._root is not None:
            self._root.end(at)

    def _answer(self, at: int, event: AnswerFinished) -> None:
        begun = at - int(event.seconds * _SECOND)
        # The names are those of OpenTelemetry's conventions for generative AI.
        about: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": event.backend,
        }
        about |= self._model("gen_ai.request.model", event.model)
        tokens = _known({
            "gen_ai.usage.input_tokens": event.prompt_tokens,
            "gen_ai.usage.output_tokens": event.completion_tokens,
        })  # fmt: skip
        parent = trace.set_span_in_context(self._open.get(f"run {event.backend}") or self._command(begun))
        span = self._tracer.start_span("chat", parent, SpanKind.CLIENT, about | tokens, start_time=begun)
        span.set_attribute("gen_ai.response.finish_reasons", [event.reason])
        span.end(at)
        self._answering.record(event.seconds, about)
        if event.first_token is not None:
            self._first.record(event.first_token, about)
        for kind, count in (("input", event.prompt_tokens), ("output", event.completion_tokens)):
            if count is not None:
                self._tokens.record(count, about | {"gen_ai.token.type": kind})

    def _command(self, at: int) -> Span:
        if self._root is None:
            self._root = self._tracer.start_span("launchpad", start_time=at)
        return self._root

    def _begin(self, key: str, name: str, at: int, attributes: dict[str, AttributeValue]) -> None:
        self._end(key, at, {}, failed="It began again.")
        parent = trace.set_span_in_context(self._command(at))
        self._open[key] = self._tracer.start_span(name, parent, attributes=attributes, start_time=at)

    def _end(self, key: str, at: int, attributes: dict[str, AttributeValue], failed: str = "") -> bool:
        span = self._open.pop(key, None)
        if span is None:
            return False
        span.set_attributes(attributes)
        if failed:
            span.set_status(Status(StatusCode.ERROR, failed))
        span.end(at)
        return True

    def _place(self, ref: str) -> dict[str, AttributeValue]:
        """Where it came from. A path of this machine names its user."""
        scheme = ref.partition("://")[0] if "://" in ref else "file"
        told: dict[str, AttributeValue] = {"launchpad.source": scheme}
        return told if ref.startswith(_LOCAL) and not self._details else told | {"launchpad.ref": ref}

    def _model(self, name: str, value: str) -> dict[str, AttributeValue]:
        """Its name; some engines call a model by the path of its file."""
        return self._detail(name, value) if value.startswith(_LOCAL) else {name: value}

    def _detail(self, name: str, value: str) -> dict[str, AttributeValue]:
        return {name: value} if self._details else {}


def _known(values: dict[str, AttributeValue | None]) -> dict[str, AttributeValue]:
    return {name: value for name, value in values.items() if value is not None}

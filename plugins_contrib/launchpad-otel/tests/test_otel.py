"""Spans and metrics of what launchpad does: from its events, and from its commands to a collector that speaks OTLP over HTTP.

The collector is simulated: a server on loopback that keeps what it is sent. The engine of most tests is launchpad's simulated one.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import launchpad_otel
import pytest
from launchpad_otel.recorder import Recorder
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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
from launchpad.testing import CliRun, PluginContract, fake_engine_command, run_cli, write_gguf

SECOND = 1_000_000_000
REF = "hf://org/model@abc:Q4_K_M"
LIFE: tuple[Event, ...] = (
    PullStarted(ref=REF, size=1000, have=200),
    PullFinished(ref=REF, path="/home/ada/hub/model.gguf", size=1000, seconds=1.0, sha256="0" * 64),
    EngineStarting(backend="llamacpp", model="Model"),
    EngineReady(backend="llamacpp", seconds=1.0, summary="Model · CPU"),
    Notice(message="something of the user's"),
    AnswerFinished(
        backend="llamacpp", model="model", reason="stop", seconds=0.5, first_token=0.1, prompt_tokens=30,
        completion_tokens=12,
    ),
    EngineStopped(backend="llamacpp"),
)  # fmt: skip


class Recorded:
    """A recorder whose spans and metrics stay here; event number N happens at second N."""

    def __init__(self, *events: Event) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self._spans))
        recorder = Recorder(traces, MeterProvider(metric_readers=[self._reader]))
        for second, event in enumerate(events):
            recorder.record(second * SECOND, event)
        recorder.close(len(events) * SECOND)
        self.all: tuple[ReadableSpan, ...] = self._spans.get_finished_spans()
        self.spans = {span.name: span for span in self.all}

    def metrics(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
        }  # fmt: skip


class TestPlugin(PluginContract):
    def plugin(self) -> object:
        return launchpad_otel


# -- from events --------------------------------------------------------------------------------------------------


def test_each_deed_is_a_span_below_the_command() -> None:
    spans = Recorded(*LIFE).spans
    assert set(spans) == {
        "launchpad",
        "launchpad.pull",
        "launchpad.engine.load",
        "launchpad.engine.run",
        "chat",
    }
    root = spans["launchpad"]
    assert root.parent is None and (root.start_time, root.end_time) == (0, 7 * SECOND)
    for name in ("launchpad.pull", "launchpad.engine.load", "launchpad.engine.run"):
        assert spans[name].parent.span_id == root.context.span_id
        assert spans[name].status.is_ok or spans[name].status.is_unset
    assert spans["chat"].parent.span_id == spans["launchpad.engine.run"].context.span_id
    assert (spans["chat"].start_time, spans["chat"].end_time) == (4.5 * SECOND, 5 * SECOND)
    assert spans["launchpad.pull"].attributes["launchpad.ref"] == REF
    assert spans["chat"].attributes["gen_ai.usage.output_tokens"] == 12


def test_durations_sizes_and_tokens_are_metrics() -> None:
    metrics = Recorded(*LIFE).metrics()
    assert metrics["launchpad.pull.size"][0].value == 1000
    assert metrics["launchpad.engine.load.duration"][0].sum == 1.0
    assert metrics["gen_ai.client.operation.duration"][0].sum == 0.5
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum for point in metrics["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": 30, "output": 12}


def test_what_does_not_come_to_its_end_is_an_error() -> None:
    spans = Recorded(*LIFE[:1], EngineStarting(backend="ollama", model="m")).spans
    assert not spans["launchpad.pull"].status.is_ok and spans["launchpad.pull"].status.description
    assert spans["launchpad.engine.load"].status.description == "It did not end."


def test_an_engine_that_is_stopped_while_it_loads() -> None:
    spans = Recorded(EngineStarting(backend="a", model="m"), EngineStopped(backend="a")).spans
    assert "before it was ready" in str(spans["launchpad.engine.load"].status.description)


def test_unknown_figures_are_left_out() -> None:
    answer = AnswerFinished(backend="a", model="m", reason="length", seconds=1.0)
    found = Recorded(answer)
    assert "gen_ai.usage.input_tokens" not in found.spans["chat"].attributes
    assert "gen_ai.client.token.usage" not in found.metrics()


@pytest.mark.parametrize("details", [False, True])
def test_paths_and_free_text_leave_only_where_they_are_asked_for(
    details: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if details:
        monkeypatch.setenv("LAUNCHPAD_OTEL_DETAILS", "1")
    local = (
        PullStarted(ref="file:///home/ada/secret.gguf", size=1),
        AnswerFinished(backend="a", model="/home/ada/secret.gguf", reason="stop", seconds=1.0),
    )
    spans = Recorded(*LIFE, *local).all
    told = str(
        [(dict(span.attributes), span.name, [dict(e.attributes) for e in span.events]) for span in spans]
    )
    for private in ("/home/ada/hub", "secret.gguf", "something of the user's", "· CPU"):
        assert (private in told) is details, private


# -- from commands ------------------------------------------------------------------------------------------------


class Collector(ThreadingHTTPServer):
    """A simulated collector: keeps what it is sent at the two addresses of OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        self.metrics: list[Any] = []
        self.raw = b""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        self.server.raw += data
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
                self.server.resources.append(resource.resource)
                self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        elif self.path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(data).resource_metrics:
                self.server.metrics += [
                    metric for scope in resource.scope_metrics for metric in scope.metrics
                ]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def model_of(home: Path) -> str:
    """A model, and the simulated engine as a user's own file makes it a backend."""
    config = home / "launchpad" / "config" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    command = [*fake_engine_command(), "--port", "{port}"]
    config.write_text(f"[backends.simulated]\ncommand = {command!r}\n")
    return str(write_gguf(home / "m.gguf"))


def ask(home: Path, **environment: str) -> CliRun:
    """A chat of `launchpad run`."""
    asked = ("run", model_of(home), "--backend", "simulated", "my secret question")
    return run_cli(*asked, home=home, environment=environment)


def one_document(stream: IO[bytes]) -> bytes:
    """What comes up to the line that closes the JSON document, or to the end."""
    text = b""
    for line in iter(stream.readline, b""):
        text += line
        if line == b"}\n":
            break
    return text


def ask_gateway(home: Path, **environment: str) -> None:
    """A chat of another program, by way of `launchpad serve`, which SIGTERM ends."""
    own = {"HOME": str(home), "LAUNCHPAD_HOME": str(home / "launchpad"), "HF_HUB_CACHE": str(home / "hub")}
    command = ["serve", model_of(home), "--backend", "simulated", "--port", "0", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "launchpad", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **own, **environment},
    ) as process:
        assert process.stdout
        try:
            ready = json.loads(one_document(process.stdout))
            model, key = ready["models"][0]["name"], Path(ready["key_file"]).read_text().strip()
            body = {"model": model, "messages": [{"role": "user", "content": "my secret question"}]}
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            url = urlsplit(ready["base_url"])
            connection = HTTPConnection(url.netloc, timeout=150)
            connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
            assert b"secret" in connection.getresponse().read()
            connection.close()
        finally:
            process.terminate()


def test_a_chat_arrives_at_the_collector_without_what_was_said(collector: Collector, tmp_path: Path) -> None:
    done = ask(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert done.code == 0, done.stderr
    assert "secret" in done.stdout  # the simulated engine says it again
    assert {span.name for span in collector.spans} == {
        "launchpad", "launchpad.engine.load", "launchpad.engine.run", "chat",
    }  # fmt: skip
    assert len({span.trace_id for span in collector.spans}) == 1
    assert {metric.name for metric in collector.metrics} >= {
        "launchpad.engine.load.duration", "gen_ai.client.operation.duration",
    }  # fmt: skip
    for private in (b"secret", b"question", str(tmp_path).encode()):
        assert private not in collector.raw
    service = {pair.key: pair.value.string_value for pair in collector.resources[0].attributes}
    assert service["service.name"] == "launchpad"


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM that a program could obey")
def test_what_other_programs_are_answered_arrives_too(collector: Collector, tmp_path: Path) -> None:
    ask_gateway(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    (chat,) = [span for span in collector.spans if span.name == "chat"]
    reasons = {pair.key: pair.value for pair in chat.attributes}["gen_ai.response.finish_reasons"]
    assert [each.string_value for each in reasons.array_value.values] == ["stop"]
    assert b"secret" not in collector.raw


def test_nothing_is_sent_where_no_endpoint_is_named(collector: Collector, tmp_path: Path) -> None:
    assert ask(tmp_path).code == 0
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_SDK_DISABLED": "true"}
    assert ask(tmp_path, **disabled).code == 0
    assert not collector.raw


def test_a_collector_that_is_away_changes_nothing_that_is_seen(tmp_path: Path) -> None:
    without = ask(tmp_path)
    done = ask(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.code == 0 and done.stdout == without.stdout
    assert "opentelemetry" not in done.stderr.lower() and "Traceback" not in done.stderr

"""OpenTelemetry's providers, set up by its own variables (`OTEL_…`), with OTLP over HTTP."""

from __future__ import annotations

import math
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


def make() -> tuple[TracerProvider, MeterProvider]:
    """Both, exporting in the thread that asks them to. They are ours alone: the process's global providers stay as they are."""
    # Of the machine and its user nothing is told: no host name, no command line.
    about = Resource.create({"service.name": "launchpad", "service.version": version("launchpad-models")})
    traces = TracerProvider(resource=about, shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=math.inf)
    return traces, MeterProvider(metric_readers=[reader], resource=about, shutdown_on_exit=False)


def close(traces: TracerProvider, metrics: MeterProvider, seconds: float) -> None:
    """Send what is left, each within so many seconds."""
    metrics.force_flush(seconds * 1000)
    traces.shutdown()
    metrics.shutdown(seconds * 1000)

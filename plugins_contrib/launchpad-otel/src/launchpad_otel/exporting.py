"""The way of an event out of launchpad: noted at once, turned into spans and sent by a thread, so that nothing waits."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from contextlib import suppress

from launchpad.plugins import Event

PATIENCE = 2.0  # s that the end of a command waits for the collector
INTERVAL = 60.0  # s without an event until metrics are sent, as those of `serve`
_ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def wanted() -> bool:
    """Only where the user said where to: OpenTelemetry's own default address is not taken for a wish."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(os.environ.get(name) for name in _ENDPOINTS)


class Exporting:
    """A queue, its thread, and an end that comes in bounded time."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[tuple[int, Event] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="launchpad-otel", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, event: Event) -> None:
        """Note it with the time."""
        self._events.put((time.time_ns(), event))

    def close(self, patience: float = PATIENCE) -> None:
        """Send what there is; give up after so many seconds. Idempotent."""
        self._events.put(None)
        self._thread.join(patience)

    def _work(self) -> None:
        with suppress(Exception):  # telemetry that fails is no news for who chats
            self._send()

    def _send(self) -> None:
        """Imports the SDK, too: that alone may take longer than an observer is given."""
        from launchpad_otel.providers import close, make
        from launchpad_otel.recorder import Recorder

        log = logging.getLogger("opentelemetry")
        if not os.environ.get("OTEL_LOG_LEVEL"):
            log.addHandler(logging.NullHandler())
            log.propagate = False
        traces, metrics = make()
        recorder = Recorder(traces, metrics)
        while True:
            try:
                noted = self._events.get(timeout=INTERVAL)
            except queue.Empty:
                metrics.force_flush()
                continue
            if noted is None:
                break
            recorder.record(*noted)
        recorder.close(time.time_ns())
        close(traces, metrics, PATIENCE)

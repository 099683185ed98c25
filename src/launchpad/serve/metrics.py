"""What the gateway counts, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

_HELP = {
    "requests_total": ("counter", "Requests by endpoint, model and status."),
    "tokens_total": ("counter", "Tokens by model and kind, as far as the engine counts them."),
    "answers_cut_total": ("counter", "Answers that ended without an end."),
    "retries_total": ("counter", "Requests that another replica answered, after one that was gone."),
    "loads_total": ("counter", "Engines started."),
    "load_seconds_total": ("counter", "Seconds spent starting engines."),
    "unloads_total": ("counter", "Engines stopped, by reason."),
    "first_byte_seconds": ("summary", "From the request to the first byte of its answer."),
    "requests_active": ("gauge", "Requests that an engine is answering."),
    "requests_waiting": ("gauge", "Requests that wait for their model or for a free slot of it."),
    "model_loaded": ("gauge", "Whether the model is in memory."),
    "replicas_ready": ("gauge", "Engines of the model that are in memory."),
    "model_memory_bytes": ("gauge", "Main memory of the model's engine process."),
    "memory_available_bytes": ("gauge", "Main memory that is free on this machine."),
}
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters since the gateway started."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Labels]] = Counter()

    def add(self, name: str, value: float = 1, /, **labels: str) -> None:
        """Count `value` more."""
        self._counts[name, tuple(labels.items())] += value  # type: ignore[assignment]

    def loaded(self, model: str, seconds: float) -> None:
        """An engine was started."""
        self.add("loads_total", model=model)
        self.add("load_seconds_total", seconds, model=model)

    def unloaded(self, model: str, reason: str) -> None:
        """An engine was stopped."""
        self.add("unloads_total", model=model, reason=reason)

    def first_byte(self, model: str, seconds: float) -> None:
        """An answer began."""
        self.add("first_byte_seconds_sum", seconds, model=model)
        self.add("first_byte_seconds_count", model=model)

    def text(self, gauges: Mapping[tuple[str, Labels], float]) -> str:
        """Everything, with the gauges of this moment."""
        values = {**self._counts, **gauges}
        lines: list[str] = []
        for name, (kind, about) in _HELP.items():
            found = [
                (key, value)
                for key, value in values.items()
                if key[0].removesuffix("_sum").removesuffix("_count") == name
            ]
            if found:
                lines += [f"# HELP launchpad_{name} {about}", f"# TYPE launchpad_{name} {kind}"]
                lines += [f"launchpad_{key}{_labels(labels)} {value:.10g}" for (key, labels), value in found]
        return "\n".join([*lines, ""])


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    escaped = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
    return f"{{{text}}}" if (text := ",".join(escaped)) else ""

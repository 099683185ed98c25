"""How far a loading vLLM is, from the lines of its log: PURE. Its port answers nothing before it is ready."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

_SHARDS = re.compile(r"checkpoint shards: +(\d+)% Completed")
_GRAPHS = re.compile(r"Capturing CUDA graphs?.*?: +(\d+)%")
_CACHE = re.compile(r"KV cache size: ([\d,]+) tokens")


class Milestone(Struct, frozen=True):
    """A line of the log, what it means, and how much of a usual start is then done."""

    mark: str
    words: str
    fraction: float


MILESTONES = (
    Milestone("non-default args", "vLLM starts", 0.05),
    Milestone("Resolved architecture", "reading the model's settings", 0.15),
    Milestone("Initializing a V1 LLM engine", "starting the engine", 0.2),
    Milestone("Starting to load model", "loading weights", 0.3),
    Milestone("Loading weights took", "weights loaded", 0.6),
    Milestone("Dynamo bytecode transform", "compiling", 0.62),
    Milestone("Warming up model for the compilation", "compiling", 0.62),
    Milestone("torch.compile takes", "compiled", 0.75),
    Milestone("Capturing CUDA graph", "capturing graphs", 0.78),
    Milestone("Graph capturing finished", "graphs captured", 0.85),
    Milestone("KV cache size", "KV cache", 0.88),
    Milestone("init engine", "engine ready", 0.92),
    Milestone("Starting vLLM server on", "starting the server", 0.95),
    Milestone("Application startup complete", "waiting for a first token", 0.98),
)


class Phases:
    """The furthest milestone that any line so far has told; a progress bar never goes back."""

    def __init__(self) -> None:
        self.words, self.fraction = "starting Python", 0.0

    def take(self, lines: Iterable[str]) -> tuple[str, float]:
        """(what it does, how much is done) after these lines, some of which may have been seen before."""
        for line in lines:
            self._take(line)
        return self.words, self.fraction

    def _take(self, line: str) -> None:
        for milestone in MILESTONES:
            if milestone.mark in line and milestone.fraction > self.fraction:
                self.words, self.fraction = milestone.words, milestone.fraction
        if found := _SHARDS.search(line):
            self._within("loading weights", 0.3, 0.6, int(found[1]))
        elif found := _GRAPHS.search(line):
            self._within("capturing graphs", 0.78, 0.85, int(found[1]))
        elif (found := _CACHE.search(line)) and self.fraction <= 0.88:
            self.words = f"KV cache for {found[1]} tokens"

    def _within(self, words: str, first: float, last: float, percent: int) -> None:
        fraction = first + (last - first) * percent / 100
        if fraction > self.fraction:
            self.words, self.fraction = f"{words}, {percent} %", fraction

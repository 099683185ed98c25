"""Pull through Ollama, into its own store."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing

from launchpad.plugins import (
    Build,
    LocalModel,
    Notice,
    PullError,
    PullFinished,
    PullProgress,
    PullStarted,
    RefusedError,
    Report,
    VerifyError,
)
from launchpad.plugins.ollama.client import Server
from launchpad.plugins.ollama.names import is_cloud, tag_of
from launchpad.plugins.ollama.progress import Layers

INTERVAL = 0.1  # s between two reports
WINDOW = 5.0  # s over which the rate is measured
STALL = 30.0  # s without a new byte until the user is told


def pull(server: Server, build: Build, report: Report) -> LocalModel:
    """Fetch `build` and check what can be checked. Raises `PullError`, `RefusedError` for a model of the cloud."""
    tag = tag_of(build.ref)
    if tag is None:
        raise PullError(
            f"Ollama cannot pull {build.ref}.", hint="Pull it with launchpad; it is then imported."
        )
    if is_cloud(tag):
        raise RefusedError(
            f"{tag} runs in Ollama's cloud, not on a machine of yours.",
            hint="Take the model without -cloud: `launchpad models` lists those that run here.",
        )
    begin = time.monotonic()
    layers = Layers(build.size)
    _follow(server, tag, build, layers, report)
    _check_digest(build, layers)
    report(PullFinished(ref=build.ref, path=tag, size=layers.size, seconds=time.monotonic() - begin))
    return LocalModel(
        ref=build.ref,
        path="",
        size=layers.size,
        format="ollama",
        owner="ollama",
        quantization=build.quantization,
    )


def _follow(server: Server, tag: str, build: Build, layers: Layers, report: Report) -> None:
    """Report the stream's progress until it ends well. Raises `PullError` for an end without `success`."""
    clock = _Clock(build.ref, layers, report)
    succeeded = False
    with closing(server.pull(tag)) as lines:
        for line in lines:
            status = line.get("status")
            succeeded = status == "success"
            if layers.take(line):
                clock.tick()
            elif succeeded:
                layers.complete()
                clock.tell()
    if not succeeded:
        raise PullError(
            f"The pull of {tag} was cut.",
            why="Ollama's stream ended without `success`.",
            hint="Repeat the command: what was pulled is kept.",
            retryable=True,
        )


class _Clock:
    """Turns lines, which come about every 60 ms, into events: a start, progress with a rate, a word when it stalls."""

    def __init__(self, ref: str, layers: Layers, report: Report) -> None:
        self._ref, self._layers, self._report = ref, layers, report
        self._started = False
        self._last = float("-inf")
        self._marks: deque[tuple[float, int]] = deque()
        self._moved = (time.monotonic(), -1)
        self._told = False

    def tick(self) -> None:
        """Something came."""
        now, done = time.monotonic(), self._layers.done
        if not self._started:
            self._started = True
            self._report(PullStarted(ref=self._ref, size=self._layers.size, have=self._layers.have or 0))
        self._watch(now, done)
        if now - self._last >= INTERVAL:
            self._mark(now, done)
            self.tell()

    def _mark(self, now: float, done: int) -> None:
        self._last = now
        self._marks.append((now, done))
        while now - self._marks[0][0] > WINDOW:
            self._marks.popleft()

    def tell(self) -> None:
        """Report how far it is."""
        layers = self._layers
        self._report(PullProgress(ref=self._ref, done=layers.done, size=layers.size, rate=self._rate()))

    def _rate(self) -> float | None:
        if not self._marks:
            return None
        (begin, first), (end, last) = self._marks[0], self._marks[-1]
        return max(0.0, (last - first) / (end - begin)) if end - begin > INTERVAL else None

    def _watch(self, now: float, done: int) -> None:
        """A registry that is gone looks like a pull that stands still: Ollama tries again without a word."""
        if done != self._moved[1]:
            self._moved, self._told = (now, done), False
        elif not self._told and now - self._moved[0] > STALL:
            self._told = True
            self._report(
                Notice(
                    message=f"Nothing came for {STALL:.0f} s; Ollama keeps trying. Ctrl-C stops, what came is kept."
                )
            )


def _check_digest(build: Build, layers: Layers) -> None:
    """Hold what came against the hash that is pinned in the catalog, where one is."""
    pinned = build.files[0].sha256 if len(build.files) == 1 else None
    if pinned is not None and layers.digests and pinned not in layers.digests:
        raise VerifyError(
            f"What Ollama pulled for {build.ref} is not the file that the catalog pins.",
            why=f"No layer has the sha256 {pinned[:12]}…: the repository has changed since.",
            hint="Use --backend llamacpp, which fetches the pinned revision, or `launchpad catalog update`.",
        )

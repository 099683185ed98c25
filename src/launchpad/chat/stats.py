"""The figures of one answer."""

from __future__ import annotations

from msgspec import Struct

from launchpad.chat.delta import Timings, Usage
from launchpad.engines.server import Server
from launchpad.events import AnswerFinished

_ENDS = {"length": "cut off by the limit of tokens", "repetition": "stopped, it repeats itself"}


class AnswerStats(Struct, frozen=True, kw_only=True):
    """What one answer cost. Times in seconds, speeds in tokens/s, sizes in tokens. None = unknown.

    `first_token` is the wait until the first piece, reasoning or not. `decode_speed` is the engine's own measurement
    where it gives one, else counted tokens over our clock. `notices` are one-line warnings for the user.
    """

    finish_reason: str
    seconds: float
    first_token: float | None = None
    usage: Usage | None = None
    prefill_speed: float | None = None
    decode_speed: float | None = None
    context: int | None = None
    notices: tuple[str, ...] = ()


def decode_speed(timings: Timings | None, usage: Usage | None, seconds: float) -> float | None:
    """Tokens/s; `seconds` is the time from the first piece to the end, in which all tokens but one were made."""
    if timings is not None and timings.decode_speed is not None:
        return timings.decode_speed
    if usage is None or usage.completion < 2 or seconds <= 0:
        return None
    return (usage.completion - 1) / seconds


def finished(server: Server, stats: AnswerStats) -> AnswerFinished:
    """What observers hear of an answer."""
    return AnswerFinished(
        backend=server.backend,
        model=server.model,
        reason=stats.finish_reason,
        seconds=stats.seconds,
        first_token=stats.first_token,
        prompt_tokens=stats.usage.prompt if stats.usage else None,
        completion_tokens=stats.usage.completion if stats.usage else None,
    )


def stats_line(stats: AnswerStats) -> str:
    """The answer's figures in one short line: `42 tokens, 117 tok/s, context 98/4,096`. Unknown ones are left out."""
    parts = []
    if stats.usage is not None:
        parts.append(f"{stats.usage.completion} token{'s' if stats.usage.completion != 1 else ''}")
    if stats.decode_speed is not None:
        parts.append(speed_text(stats.decode_speed))
    if stats.usage is not None and stats.context is not None:
        parts.append(f"context {stats.usage.total:,}/{stats.context:,}")
    if stats.finish_reason not in ("stop", "eos"):
        parts.append(_ENDS.get(stats.finish_reason, stats.finish_reason))
    return ", ".join(parts)


def speed_text(speed: float) -> str:
    """Tokens/s with as many digits as mean something."""
    digits = 0 if speed >= 100 else 1 if speed >= 1 else 2
    return f"{speed:.{digits}f} tok/s"

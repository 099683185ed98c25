"""Prefill and decode of a running engine at several depths, by the engine's own clock.

The convention is llama-bench's: at each depth a prompt of 512 tokens is read (`pp512`) and 128 tokens are made (`tg128`).
Prompts are numbers of tokens, so that no tokenizer has a say; each prompt differs from the one before after the depth,
so that nothing but the depth comes from the engine's cache.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from launchpad.engines.server import Server
from launchpad.errors import EngineError

PREFILL = 512
DECODE = 128
DEPTHS = (0, 2048, 8192, 32768)
REPEATS = 3
TIMEOUT = 1800.0  # s; one prompt of 32k tokens on a small processor takes that long
FIRST_TOKEN = 100  # below are control tokens in most vocabularies
TOKENS = 900  # numbers in use; every vocabulary is larger
LARGEST_ANSWER = 1 << 24
_EXTRA = 0.1  # share by which the prompt may be longer than asked before it counts as read in full


class Point(Struct, frozen=True, kw_only=True):
    """Speeds in tokens/s at one depth: each run, in order. `prefill` is empty when the engine reads the depth again."""

    depth: int
    prefill: tuple[float, ...]
    decode: tuple[float, ...]

    @property
    def prefill_median(self) -> float | None:
        """The middle of the runs, None without any."""
        return median(self.prefill) if self.prefill else None

    @property
    def decode_median(self) -> float | None:
        """The middle of the runs, None without any."""
        return median(self.decode) if self.decode else None


class _Timings(Struct):
    prompt_n: int
    prompt_per_second: float
    predicted_n: int
    predicted_per_second: float


class _Answer(Struct):
    timings: _Timings


def depths_within(context: int, asked: Sequence[int] = ()) -> tuple[int, ...]:
    """The depths at which both tests have room: those asked for, else the usual ones."""
    return tuple(depth for depth in asked or DEPTHS if depth + PREFILL + DECODE <= context)


def measure(
    server: Server, depths: Sequence[int], repeats: int, say: Callable[[str], None]
) -> Iterator[Point]:
    """One point for each depth. Raises `EngineError` when the engine does not time itself."""
    _ask(server, _tokens(PREFILL, 1), 8)  # the first request pays for what is set up once
    for depth in depths:
        say(f"depth {depth:,}")
        prefill: list[float] = []
        decode: list[float] = []
        shared = _tokens(depth, depth + 1)
        if depth:
            _ask(server, shared, 1)
        for run in range(repeats):
            read = _ask(server, [*shared, *_tokens(PREFILL, 7 * run + 11)], 1)
            if read.prompt_n <= PREFILL * (1 + _EXTRA):
                prefill.append(read.prompt_per_second)
            made = _ask(server, [*shared, *_tokens(1, 7 * run + 13)], DECODE)
            decode.append(made.predicted_per_second)
        yield Point(depth=depth, prefill=tuple(prefill), decode=tuple(decode))


def _tokens(count: int, seed: int) -> list[int]:
    return [FIRST_TOKEN + (seed * 131 + index * 7919) % TOKENS for index in range(count)]


def _ask(server: Server, prompt: list[int], make: int) -> _Timings:
    """One completion that does not stop early; what the engine says of its speed."""
    body = {
        "model": server.model,
        "prompt": prompt,
        "max_tokens": make,
        "ignore_eos": True,
        "cache_prompt": True,
        "temperature": 0,
    }
    try:
        return msgspec.json.decode(_post(server, body), type=_Answer).timings
    except (OSError, http.client.HTTPException) as error:
        raise EngineError("The engine does not answer.", why=str(error) or type(error).__name__) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EngineError(
            f"{server.report.engine} does not tell how fast it is.",
            why="Its answer to a completion has no timings.",
            hint="Use --backend llamacpp.",
        ) from error


def _post(server: Server, body: dict[str, Any]) -> bytes:
    where = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=TIMEOUT)
    try:
        headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
        connection.request("POST", f"{where.path}/completions", json.dumps(body), headers)
        return connection.getresponse().read(LARGEST_ANSWER)
    finally:
        connection.close()

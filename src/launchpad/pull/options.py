"""The knobs of a pull."""

from __future__ import annotations

from msgspec import Struct

KIB = 1024


class PullOptions(Struct, frozen=True, kw_only=True):
    """How patient and how strict a pull is. Seconds, bytes, bytes/s.

    `retries` counts tries in a row without progress, not tries in total: a bad line that still moves is never
    given up. `lock_timeout` counts from the last byte that the other launcher wrote.
    """

    connect_seconds: float = 15.0
    stall_seconds: float = 30.0
    floor_rate: int = KIB  # a connection slower than this over `stall_seconds` is stalled
    retries: int = 5
    backoff_seconds: float = 0.5  # doubles with each try without progress
    longest_wait: float = 60.0  # cap of the wait that a server may ask for
    lock_timeout: float = 300.0
    poll_seconds: float = 0.2
    max_rate: int | None = None  # of all connections together
    connections: int = 8  # at most, for one large file
    piece_size: int = 8 << 20  # what one request asks for, and after how much the hash's state is kept
    deep: bool = False  # hash files again that carry the stamp of an earlier check

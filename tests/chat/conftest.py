"""A simulated engine for every test of the chat."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat.simulated_engine import SimulatedEngine, simulated_engine


@pytest.fixture
def engine() -> Iterator[SimulatedEngine]:
    """Stopped, with all its threads, at the end of the test."""
    with simulated_engine() as running:
        yield running

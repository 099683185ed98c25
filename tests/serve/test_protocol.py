"""The end of a gateway with an answer under way: its reader is told, and no log gets a traceback."""

from __future__ import annotations

import http.client
import json
import logging
import threading

import pytest

from chat.simulated_engine import SimulatedEngine, answer
from launchpad.testing.processes import eventually
from serve.conftest import ASK, KEY, OneEngine, gateway


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_takes_longer_than_the_drain(
    engine: SimulatedEngine, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    never = threading.Event()
    engine.reply(*answer("begin", " end"), gate=never)
    caplog.set_level(logging.WARNING)
    with gateway(OneEngine(engine), drain=1) as running:
        asked = http.client.HTTPConnection("127.0.0.1", running.client.port, timeout=150)
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        asked.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": stream}), headers)
        eventually(lambda: running.gateway.pool.seats["m"].users == 1)
        running.stop()
        assert b"the gateway is stopping" in asked.getresponse().read()
    never.set()
    asked.close()
    assert [record for record in caplog.records if record.exc_info] == []

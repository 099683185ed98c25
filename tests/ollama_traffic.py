"""The recorded traffic of a real Ollama: see tests/data/ollama/README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from launchpad.engines.server import EngineReport, Server
from launchpad.fit.result import Settings
from launchpad.testing.replay import Replay, read_recording

FOLDER = Path(__file__).parent / "data" / "ollama"


@cache
def recording(name: str) -> Mapping[str, Any]:
    """One scenario."""
    return read_recording(FOLDER / f"{name}.json")


def exchanges(name: str, *paths: str) -> list[Mapping[str, Any]]:
    """The scenario's exchanges with these paths, in order; all without any."""
    return [x for x in recording(name)["exchanges"] if not paths or x["request"]["path"] in paths]


def only(name: str, index: int) -> Sequence[Mapping[str, Any]]:
    """One exchange of a scenario, by its place."""
    return [recording(name)["exchanges"][index]]


def says(path: str, answer: Any, *, method: str = "POST", status: int = 200) -> Mapping[str, Any]:
    """An exchange of our own, in the same form: a list is a stream of lines."""
    import json

    lines = [json.dumps(line) + "\n" for line in answer] if isinstance(answer, list) else [json.dumps(answer)]
    kind = "application/x-ndjson" if isinstance(answer, list) else "application/json; charset=utf-8"
    return {
        "request": {"method": method, "path": path},
        "response": {
            "status": status,
            "reason": "",
            "headers": [["Content-Type", kind]],
            "framing": "chunked" if isinstance(answer, list) else "length",
            "chunks": [{"encoding": "utf-8", "text": line} for line in lines],
            "end": "complete",
        },
    }


def server_at(replay: Replay, *, model: str = "smol", context: int = 2048, **report: Any) -> Server:
    """The record of a server that plays recordings."""
    return Server(
        id="test",
        backend="ollama",
        endpoint=f"{replay.endpoint}/v1",
        api_key="",
        pid=0,
        model=model,
        settings=Settings(context=context),
        report=EngineReport(engine="Ollama 0.33.0-rc2", context=context, **report),
        dialect="ollama",
        keep_alive="30m",
    )

"""Does an engine still compute? One token is asked for: an engine whose GPU is lost answers health checks all the same."""

from __future__ import annotations

from launchpad.engines.probing import one_token
from launchpad.engines.server import Server

PATIENCE = 30.0  # s for one token; a large model on a slow machine may first have to be read back from disk


def answers(server: Server, patience: float = PATIENCE) -> bool:
    """Whether the engine makes a token within that time."""
    return one_token(server, patience)[0] == 200

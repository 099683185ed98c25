"""Does an engine still compute? One token is asked for: an engine whose GPU is lost answers health checks all the same."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from launchpad.engines.server import Server

PATIENCE = 30.0  # s for one token; a large model on a slow machine may first have to be read back from disk


def answers(server: Server, patience: float = PATIENCE) -> bool:
    """Whether the engine makes a token within that time."""
    import http.client

    url = urlsplit(server.endpoint)
    body = {"model": server.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=patience)
    try:
        connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

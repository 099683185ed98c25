"""One token, please: the question that only an engine that computes can answer."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from launchpad.engines.server import Server
from launchpad.sanitize import clean

PATIENCE = 30.0  # s for one token; a large model on a slow machine may first have to be read back from disk


def one_token(server: Server, patience: float, *, key: str | None = None) -> tuple[int, str]:
    """(status, what it said in one line); status 0 when nothing answers in time. `key` instead of the server's own."""
    import http.client

    url = urlsplit(server.endpoint)
    body = {"model": server.model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    token = server.api_key if key is None else key
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    secure = url.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(url.hostname or "", url.port, timeout=patience)
    try:
        connection.request("POST", f"{url.path}/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, clean(answer.read(2000).decode(errors="replace"))[:300]
    except (OSError, http.client.HTTPException) as error:
        return 0, clean(str(error))[:300]
    finally:
        connection.close()


def answers(server: Server, patience: float = PATIENCE) -> bool:
    """Whether the engine makes a token within that time: one whose GPU is lost answers health checks all the same."""
    return one_token(server, patience)[0] == 200

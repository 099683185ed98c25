"""Does a vLLM really answer? Its `/health` says yes before it can: one token is asked for."""

from __future__ import annotations

import http.client
import json
from typing import Any

from launchpad.plugins import get_loopback

TOKEN_SECONDS = 300.0  # the first token may compile kernels


def first_token(port: int, name: str, key: str) -> dict[str, Any] | None:
    """The model's entry in `/v1/models` once it has answered one token; None while the server does not answer.

    Raises `OSError` when it listens and fails at the token.
    """
    try:
        if get_loopback(port, "/health", timeout=5.0)[0] != 200:
            return None
        status, listed = get_loopback(port, "/v1/models", key)
    except OSError:
        return None
    entries = listed.get("data", []) if status == 200 and isinstance(listed, dict) else []
    entry: dict[str, Any] | None = next((one for one in entries if one.get("id") == name), None)
    if entry is None:
        return None
    status, answer = post(port, "/v1/completions", {"model": name, "prompt": "a", "max_tokens": 1}, key)
    if status == 404:  # a model that makes vectors
        status, answer = post(port, "/v1/embeddings", {"model": name, "input": "a"}, key)
    if status != 200:
        raise ConnectionError(f"it answers {status} to a request for one token: {answer}")
    return entry


def post(port: int, path: str, body: dict[str, Any], key: str) -> tuple[int, Any]:
    """POST JSON to the engine on loopback: (status, the decoded answer or its first words). Raises `OSError`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TOKEN_SECONDS)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read(1 << 20)
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer from port {port}: {error!r}") from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text[:200].decode("utf-8", "replace")

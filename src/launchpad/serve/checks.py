"""From the bytes of a request to what an engine may be given, or a `Problem`. PURE."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from launchpad.serve.apis import Api
from launchpad.serve.problem import Problem, bad_request

MAX_DEPTH = 64
MAX_VALUES = 200_000  # strings, numbers, lists and objects of one request
MAX_SCHEMA = 512 * 1024  # bytes of tools, or of one answer's schema or grammar
MAX_PATTERN = 1024  # characters of a regular expression in a schema
MAX_CHOICES = 8
_TEMPLATE_SWITCHES: dict[str, type] = {
    "enable_thinking": bool,
    "thinking": bool,
    "preserve_thinking": bool,
    "thinking_budget": int,
    "reasoning_effort": str,
}
_SCHEMAS = ("tools", "functions", "response_format", "json_schema", "grammar", "text")
_MEDIA = ("image_url", "video_url", "audio_url", "file_url")
_POSITIVE = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def read(raw: bytes, api: Api) -> dict[str, Any]:
    """The request with the fields that this endpoint passes on. Raises `Problem`."""
    try:
        body = msgspec.json.decode(raw)
    except RecursionError:
        raise too_deep() from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise bad_request(f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise bad_request("The body is not a JSON object.")
    _measure(body)
    kept = _allowed(body, api)
    _check_values(kept, api)
    for name in ("messages", "input", "system"):
        for url in _media(kept.get(name)):
            _check_media(url, name)
    return kept


def conversation(body: dict[str, Any]) -> int:
    """A number that stays the same while a conversation grows, and differs between most of them."""
    said = body.get("messages") or body.get("input") or body.get("prompt")
    if isinstance(said, list):
        users = (n for n, one in enumerate(said) if isinstance(one, dict) and one.get("role") == "user")
        said = said[: next(users, 0) + 1]
    return zlib.crc32(msgspec.json.encode([body.get("system"), said]))


def too_deep() -> Problem:
    """The refusal of a body that is nested without end."""
    return bad_request(f"The body is nested more than {MAX_DEPTH} deep.", code="too_deep")


def _measure(body: dict[str, Any]) -> None:
    """Refuse what is nested too deep or has too many values, level by level."""
    level: list[Any] = [body]
    count = 0
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            count += len(container)
            values = container.values() if isinstance(container, dict) else container
            below += [value for value in values if isinstance(value, dict | list)]
        if count > MAX_VALUES:
            raise bad_request(f"The body has more than {MAX_VALUES:,} values.", code="too_many_values")
        if not below:
            return
        level = below
    raise too_deep()


def _allowed(body: dict[str, Any], api: Api) -> dict[str, Any]:
    """What may reach an engine. A field that is null says nothing, whatever its name."""
    kept = {name: value for name, value in body.items() if value is not None and name not in api.ignored}
    for name in _POSITIVE:
        if kept.get(name) == -1:  # llama.cpp's word for "no limit"
            del kept[name]
    for name in kept:
        if name not in api.passed:
            raise bad_request(f"{name!r} is not taken at {api.path}.", name, "unknown_field")
    if api.required not in kept:
        raise bad_request(f"{api.required!r} is missing.", api.required, "missing_field")
    return kept


def _check_values(body: dict[str, Any], api: Api) -> None:
    for name, kind in (("model", str), ("stream", bool)):
        if name in body and not isinstance(body[name], kind):
            raise bad_request(f"{name!r} is of the wrong type.", name)
    if api.required == "messages" and not isinstance(body["messages"], list):
        raise bad_request("'messages' is not a list.", "messages")
    for name in _POSITIVE:
        if name in body and not _is_count(body[name]):
            raise bad_request(f"{name!r} is not a positive whole number.", name)
    if not _is_count(body.get("n", 1)) or body.get("n", 1) > MAX_CHOICES:
        raise bad_request(f"'n' is not a number from 1 to {MAX_CHOICES}.", "n")
    for name in _SCHEMAS:
        if name in body and len(msgspec.json.encode(body[name])) > MAX_SCHEMA:
            raise bad_request(f"{name!r} is larger than {MAX_SCHEMA:,} bytes.", name, "schema_too_large")
        for pattern in _patterns(body.get(name)):
            if len(pattern) > MAX_PATTERN:
                raise bad_request(f"A pattern in {name!r} is too long.", name, "schema_too_large")
    _check_switches(body.get("chat_template_kwargs", {}))


def _check_switches(switches: object) -> None:
    """A chat template is a program, and these are its variables: only known switches with plain values."""
    name = "chat_template_kwargs"
    if not isinstance(switches, dict):
        raise bad_request(f"{name!r} is not an object.", name)
    for key, value in switches.items():
        wanted = _TEMPLATE_SWITCHES.get(key)
        if wanted is None or type(value) is not wanted or len(str(value)) > 32:
            known = ", ".join(_TEMPLATE_SWITCHES)
            raise bad_request(f"{name} takes {known} only, with plain values.", name, "unknown_field")


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _patterns(schema: object) -> Iterator[str]:
    for part in _objects(schema):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object in the value, outermost first. Safe to recurse: the depth is checked."""
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _objects(child)


def _media(value: object) -> Iterator[object]:
    """Addresses of pictures and the like in messages; what a tool was called with is the client's own affair."""
    if isinstance(value, list):
        for child in value:
            yield from _media(child)
    if not isinstance(value, dict):
        return
    kind = value.get("type")
    for key, child in value.items():
        if key in _MEDIA:
            yield child.get("url") if isinstance(child, dict) else child
        elif (key == "url" and kind == "url") or (key == "file_id" and child is not None):
            yield child
        elif not (key == "input" and kind == "tool_use"):
            yield from _media(child)


def _check_media(url: object, name: str) -> None:
    """An engine would fetch an address for the client, from this machine's network or disk: only data is passed on."""
    if not (isinstance(url, str) and url.startswith(("data:image/", "data:audio/", "data:video/"))):
        raise bad_request(
            "Pictures and sound must be in the request itself (data:image/…;base64,…): nothing is fetched.",
            name,
            "remote_media",
        )

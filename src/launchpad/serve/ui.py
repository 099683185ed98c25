"""The engine's own web page, behind the gateway's door.

The browser is given a ticket that works once. It buys a cookie that opens the page's files and nothing else, and the key,
which the page's script keeps in storage that belongs to this address and port alone. So a cookie that another server on
this machine gets to see (browsers send it to every port) is worth nothing, and every question still needs the key.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from launchpad.serve.access import answer, refuse
from launchpad.serve.forward import MAX_ANSWER, whole
from launchpad.serve.problem import Problem
from launchpad.serve.upstream import EngineGone, request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from launchpad.serve.models import Offer
    from launchpad.serve.pool import Pool

ENTRANCE = "/open"
TICKET_SECONDS = 120.0
STORAGE = "LlamaUi.config"  # where llama.cpp's page keeps its settings
# Files of the page. Its service worker is left out: it would outlive the gateway at this address.
FILES = re.compile(r"/(?:index\.html|_app/[\w./-]+|[\w-]+\.(?:png|svg|ico|webmanifest))?")
_SHOWN = (
    "default_generation_settings",
    "total_slots",
    "modalities",
    "chat_template",
    "chat_template_caps",
    "bos_token",
    "eos_token",
    "build_info",
)
# What a model writes is shown by the page: it may not make the browser ask any other server.
_POLICY = (
    b"connect-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; frame-ancestors 'none'; "
    b"form-action 'none'; base-uri 'self'"
)
_PAGE = """<!doctype html><meta charset="utf-8"><title>launchpad</title><script nonce="{nonce}">
const name = {name}, key = {key};
let kept = {{}};
try {{ kept = JSON.parse(localStorage.getItem(name)) || {{}}; }} catch {{}}
localStorage.setItem(name, JSON.stringify({{...kept, apiKey: key}}));
location.replace("/");
</script>
"""


class Ui:
    """The page of one model's engine."""

    def __init__(self, offer: Offer, pool: Pool, key: str) -> None:
        self._offer = offer
        self._pool = pool
        self._key = key
        self._session = secrets.token_urlsafe(32)
        self._ticket: str | None = None
        self._expires = 0.0

    def ticket(self) -> str:
        """The path and query of an address that works once, and soon."""
        self._ticket = secrets.token_urlsafe(32)
        self._expires = time.monotonic() + TICKET_SECONDS
        return f"{ENTRANCE}?ticket={self._ticket}"

    def admits(self, scope: Scope) -> bool:
        """Whether the request may pass without the key: a file of the page with the cookie, or the ticket."""
        if scope["method"] not in ("GET", "HEAD"):
            return False
        if scope["path"] == ENTRANCE:
            return self._has_ticket(scope)
        return (
            FILES.fullmatch(scope["path"]) is not None
            and ".." not in scope["path"]
            and self._has_cookie(scope)
        )

    def _has_ticket(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("ticket", [""])[0]
        valid = self._ticket is not None and time.monotonic() < self._expires
        return valid and hmac.compare_digest(given.encode(), (self._ticket or "").encode())

    def _has_cookie(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"cookie":
                try:
                    found = SimpleCookie(value.decode("latin-1")).get(self._cookie(scope))
                except CookieError:
                    continue
                if found and hmac.compare_digest(found.value.encode(), self._session.encode()):
                    return True
        return False

    def _cookie(self, scope: Scope) -> str:
        return f"launchpad-{scope['server'][1]}"

    # -- routes -------------------------------------------------------------------------------------------------

    async def entrance(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the ticket; hand out the cookie, and the key to the page's storage."""
        self._ticket = None
        nonce = secrets.token_urlsafe(16)
        name, key = (json.dumps(text).replace("<", "\\u003c") for text in (STORAGE, self._key))
        page = _PAGE.format(nonce=nonce, name=name, key=key).encode()
        cookie = f"{self._cookie(scope)}={self._session}; Path=/; HttpOnly; SameSite=Strict"
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'none'"
        headers = [
            (b"set-cookie", cookie.encode()),
            (b"content-security-policy", policy.encode()),
            (b"referrer-policy", b"no-referrer"),
        ]
        await answer(send, 200, page, headers, b"text/html; charset=utf-8")

    async def file(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A file of the page, from the engine."""
        path: str = scope["path"]
        if not FILES.fullmatch(path):
            await refuse(send, Problem(404, "There is nothing at this address.", code="not_found"), path)
            return
        try:
            status, headers, body = await self._ask(path, "gzip")
        except Problem as problem:
            await refuse(send, problem, path)
            return
        if status != 200:
            await refuse(send, Problem(404, "There is nothing at this address.", code="not_found"), path)
            return
        passed = [
            (name, headers[name])
            for name in (b"content-encoding", b"cross-origin-embedder-policy", b"cross-origin-opener-policy")
            if name in headers
        ]
        extra = [(b"content-security-policy", _POLICY), (b"x-content-type-options", b"nosniff")]
        kind = headers.get(b"content-type", b"application/octet-stream")
        await answer(send, 200, body, [*passed, *extra], kind)

    async def props(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the page wants to know of the engine, without paths."""
        try:
            status, _, body = await self._ask("/props", "identity")
            document: Any = msgspec.json.decode(body) if status == 200 else {}
        except Problem as problem:
            await refuse(send, problem, "/props")
            return
        shown = {name: document[name] for name in _SHOWN if name in document}
        shown |= {"model_alias": self._offer.name, "model_path": self._offer.name, "ui": True}
        await answer(send, 200, msgspec.json.encode(shown))

    async def _ask(self, path: str, encoding: str) -> tuple[int, dict[bytes, bytes], bytes]:
        """GET from the engine, which is started if need be."""
        async with self._pool.use(self._offer) as server:
            try:
                exchange = await request(
                    server.endpoint, server.api_key, path, None, method="GET", encoding=encoding
                )
                try:
                    head = await exchange.head()
                    return head.status, head.headers, await whole(exchange, MAX_ANSWER)
                finally:
                    exchange.close()
            except EngineGone:
                raise Problem(502, "The engine does not answer.", code="engine_gone") from None

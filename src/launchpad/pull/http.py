"""Requests that follow the rules: checked redirects, a token for its own host only, bounded metadata, plain causes."""

from __future__ import annotations

import re
import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from launchpad.errors import LaunchpadError, PullError, RefusedError, SourceUnreachable
from launchpad.pull.names import quote
from launchpad.pull.options import PullOptions
from launchpad.pull.urls import check_step, check_url, may_see_token, origin, public

if TYPE_CHECKING:
    import httpx2

LARGEST_METADATA = 16 << 20
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PEEK = 200
_TAGS = re.compile(rb"<(script|style)\b.*?</\1>|<[^>]*>|\s+", re.DOTALL | re.IGNORECASE)


class Unfit(Exception):
    """An answer (or none) that is not what was asked for. `error` is what the user would be told.

    `retry` says whether the same address may do better, `after` how many seconds it asks us to wait.
    """

    def __init__(self, error: LaunchpadError, *, retry: bool = False, after: float | None = None) -> None:
        super().__init__(error.what)
        self.error = error
        self.retry = retry
        self.after = after


def client(options: PullOptions) -> httpx2.Client:
    """An HTTP client that honors the proxy variables and SSL_CERT_FILE and follows no redirect by itself."""
    import httpx2

    from launchpad import __version__
    from launchpad.pull.wire import read_in_large_steps

    made = httpx2.Client(
        headers={"User-Agent": f"launchpad/{__version__}", "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(options.stall_seconds, connect=options.connect_seconds),
        follow_redirects=False,
    )
    read_in_large_steps(made)
    return made


@contextmanager
def get(
    http: httpx2.Client,
    url: str,
    headers: Mapping[str, str],
    *,
    token: str | None = None,
    token_host: str | None = None,
) -> Iterator[httpx2.Response]:
    """Open `url` and follow its redirects by the rules of `launchpad.pull.urls`. Raises `Unfit` or `RefusedError`.

    Once a redirect has left the token's host, the token stays away, even if a later one leads back.
    """
    check_url(url)
    trusted = token is not None
    for _ in range(_MOST_REDIRECTS + 1):
        trusted = trusted and may_see_token(url, token_host)
        sent = {**headers, "Authorization": f"Bearer {token}"} if trusted else dict(headers)
        with transport_errors(url), http.stream("GET", url, headers=sent) as response:
            if response.status_code not in _REDIRECTS:
                yield response
                return
            target = urljoin(url, response.headers.get("Location", ""))
        http.cookies.clear()  # what one host set is not for the next
        check_step(url, target)
        trusted = trusted and origin(url) == origin(target)
        url = target
    raise RefusedError(
        f"{public(url)} redirects without end.",
        why=f"More than {_MOST_REDIRECTS} redirects were followed.",
        hint="Check the proxy or mirror that you use.",
    )


@contextmanager
def transport_errors(url: str) -> Iterator[None]:
    """Turn what the HTTP library raises into `Unfit` with a cause that a person understands."""
    import httpx2

    try:
        yield
    except httpx2.TimeoutException as error:
        raise Unfit(_unreachable(url, "it did not answer in time"), retry=True) from error
    except httpx2.ProxyError as error:
        raise Unfit(_unreachable(url, f"the proxy refused: {quote(str(error))}")) from error
    except httpx2.ConnectError as error:
        raise Unfit(_unreachable(url, _connect_cause(error)), retry=not _is_tls(error)) from error
    except httpx2.TransportError as error:
        raise Unfit(_unreachable(url, "the connection broke off"), retry=True) from error
    except (httpx2.InvalidURL, httpx2.DecodingError) as error:
        raise Unfit(_unreachable(url, quote(str(error)))) from error


def check_status(response: httpx2.Response, longest_wait: float) -> None:
    """Raise `Unfit` for an answer that is an error, or a web page where data was asked for."""
    status = response.status_code
    if status in (401, 403):
        raise Unfit(_forbidden(response))
    if status == 407:
        raise Unfit(_unreachable(str(response.url), "the proxy asks for a user name and password"))
    if status == 429 or status == 408 or status >= 500:
        error = _unreachable(str(response.url), f"it answers {status} ({_words(status)})")
        raise Unfit(error, retry=True, after=_retry_after(response, longest_wait))
    if status not in (200, 206, 416):
        raise Unfit(
            PullError(
                f"{public(str(response.url))} is not to be had.",
                why=f"The server answers {status}: {peek(response)}",
                hint="Check the name and the revision of the model.",
            )
        )
    if "html" in response.headers.get("Content-Type", "").lower():
        raise Unfit(web_page(str(response.url), peek(response)))


def web_page(url: str, quoted: str) -> PullError:
    """The error for a web page that came instead of a file."""
    return PullError(
        f"{public(url)} delivered a web page instead of the file.",
        why=f"It begins: {quoted}",
        hint="A login page of this network or a broken mirror is in the way: open the address in a browser.",
    )


def peek(response: httpx2.Response) -> str:
    """The first 200 bytes of an answer's text, without markup, safe to show."""
    body = b""
    try:
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= 4 * _PEEK:
                break
    except Exception:  # the text of an error is a courtesy: what could be read must do
        body = body or b"(no text)"
    return excerpt(body)


def excerpt(body: bytes) -> str:
    """The text in `body`, without markup, cut to 200 bytes and safe to show."""
    return quote(_TAGS.sub(b" ", body).strip()[:_PEEK], _PEEK)


def fetch_json(
    url: str,
    *,
    accept: str = "application/json",
    token: str | None = None,
    token_host: str | None = None,
    seconds: float = 30.0,
) -> Any:
    """GET a JSON document of at most 16 MiB within `seconds`, by the rules of a pull. Raises `LaunchpadError`."""
    import msgspec

    body = fetch_bytes(url, accept=accept, token=token, token_host=token_host, seconds=seconds)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_json(url, body) from error


def fetch_bytes(
    url: str, *, accept: str, token: str | None = None, token_host: str | None = None, seconds: float = 30.0
) -> bytes:
    """GET at most 16 MiB of metadata within `seconds`. Raises `LaunchpadError`."""
    options = PullOptions(stall_seconds=seconds, connect_seconds=min(seconds, 15.0))
    try:
        with (
            client(options) as http,
            get(http, url, {"Accept": accept}, token=token, token_host=token_host) as response,
        ):
            check_status(response, options.longest_wait)
            return b"".join(_bounded(response, monotonic() + seconds))
    except Unfit as unfit:
        raise unfit.error from unfit.__cause__


def fetch_changed(
    url: str,
    tag: str | None,
    *,
    token: str | None = None,
    token_host: str | None = None,
    seconds: float = 30.0,
) -> tuple[Any, str | None] | None:
    """GET a JSON document and its ETag, as `fetch_json` does; None when the server says that it still is `tag`."""
    import msgspec

    options = PullOptions(stall_seconds=seconds, connect_seconds=min(seconds, 15.0))
    headers = {"Accept": "application/json"} | ({"If-None-Match": tag} if tag else {})
    try:
        with (
            client(options) as http,
            get(http, url, headers, token=token, token_host=token_host) as response,
        ):
            if tag and response.status_code == 304:
                return None
            check_status(response, options.longest_wait)
            body = b"".join(_bounded(response, monotonic() + seconds))
            return msgspec.json.decode(body), response.headers.get("ETag")
    except Unfit as unfit:
        raise unfit.error from unfit.__cause__
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_json(url, body) from error


def _not_json(url: str, body: bytes) -> PullError:
    return PullError(
        f"{public(url)} does not answer with JSON.",
        why=f"It begins: {excerpt(body[: 4 * _PEEK])}",
        hint="Check the proxy or mirror that you use.",
    )


def _bounded(response: httpx2.Response, deadline: float) -> Iterator[bytes]:
    inflate = _decoder(response)
    left = LARGEST_METADATA
    for chunk in response.iter_raw():
        # One byte over the limit is enough to know; a bomb is never unpacked further than that.
        plain = inflate.decompress(chunk, left + 1) if inflate else chunk
        left -= len(plain)
        if left < 0:
            raise PullError(
                f"{public(str(response.url))} sends too much.",
                why=f"Metadata of more than {LARGEST_METADATA:,} bytes is not read.",
                hint="Check the name of the model, and the mirror that you use.",
            )
        if monotonic() > deadline:
            raise _unreachable(str(response.url), "the answer does not come to its end in time")
        yield plain


def _decoder(response: httpx2.Response) -> zlib._Decompress | None:
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding in ("gzip", "x-gzip"):  # some mirrors compress although they were asked not to
        return zlib.decompressobj(31)
    raise Unfit(_unreachable(str(response.url), f"it uses the encoding {quote(encoding)} unasked"))


def _forbidden(response: httpx2.Response) -> PullError:
    url = public(str(response.url))
    page = url.partition("/resolve/")[0].replace("/api/models/", "/").partition("/revision/")[0]
    if response.headers.get("X-Error-Code") == "GatedRepo":
        return PullError(
            f"{page} is gated: its owner asks you to accept terms first.",
            why=f"The server answers {response.status_code}.",
            hint=f"Open {page} in a browser, accept the terms, then set HF_TOKEN (or run `hf auth login`).",
        )
    return PullError(
        f"{url} is not open to you.",
        why=f"The server answers {response.status_code}: {peek(response)}",
        hint="Check the name; a private or gated model needs a token with access to it (HF_TOKEN for the Hub).",
    )


def _retry_after(response: httpx2.Response, longest: float) -> float | None:
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), longest)
    # A date means the server's clock against ours: only "soon" can be read from it.
    return min(5.0, longest) if text else None


def _words(status: int) -> str:
    return {429: "too many requests", 503: "busy", 408: "timeout"}.get(status, "server error")


def _unreachable(url: str, cause: str) -> SourceUnreachable:
    host = public(url).partition("://")[2].partition("/")[0]
    return SourceUnreachable(
        f"{host} cannot be reached.",
        why=f"For {public(url)}: {cause}.",
        hint="Check the network and HTTPS_PROXY, then run the same command again: it goes on from here.",
        retryable=True,
    )


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    return "CERTIFICATE" in str(error) or "SSL" in str(error)


def _connect_cause(error: BaseException) -> str:
    text = str(error)
    if _is_tls(error):
        return f"its certificate is not trusted: {quote(text, 160)} (SSL_CERT_FILE names other authorities)"
    if any(words in text for words in ("Name or service", "nodename", "getaddrinfo", "name resolution")):
        return "its name is not known here (DNS)"
    return f"no connection: {quote(text, 160)}"

"""One request to an engine and its answer, in HTTP/1.1 on a connection of their own. Pure: others move the bytes.

A general HTTP client costs more for each token than a stream may (bench/launch, bench/serve): of a token that comes alone,
nearly all of the cost is being woken for it, with cold caches, and it grows with the code that has to run. So httptools
takes the answer apart, and a stream faster than `FRAME` is looked at once per frame, not once per token.
"""

from __future__ import annotations

from urllib.parse import SplitResult

CONNECT_SECONDS = 10.0
FRAME = 1 / 30  # seconds: people see text grow smoothly, and the engine keeps the cores that it decodes on
AT_ONCE = 8  # parts that are taken as they come, so that no first token waits for a frame
LARGE = 65536  # bytes; a part of that size is no token, and more of it is waiting
# Bytes in a row that are none of the body (headers, hints, trailers); more is an attack or a bug.
MAX_BARE = 2**17


class NotHttp(Exception):
    """What came is no HTTP answer."""


def destination(url: SplitResult) -> tuple[str, int, bool]:
    """Host, port and whether to encrypt. Raises `ValueError` for an address of something else than HTTP."""
    if url.scheme not in ("http", "https"):
        raise ValueError(f"{url.scheme or 'an address without a scheme'} is not HTTP")
    secure = url.scheme == "https"
    return url.hostname or "", url.port or (443 if secure else 80), secure


def request_bytes(
    url: SplitResult,
    target: str,
    key: str,
    body: bytes | None,
    *,
    method: str = "POST",
    encoding: str = "identity",
) -> bytes:
    """The whole request, after which the engine closes the connection. Raises `ValueError` for what no header can hold."""
    lines = [
        f"{method} {target} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Connection: close",
        "User-Agent: launchpad",
        f"Accept-Encoding: {encoding}",
    ]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if " " in target or not all(line.isprintable() for line in lines):
        raise ValueError("the address or the key has characters that HTTP does not allow")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class Incoming:
    """An answer while its bytes come. `headers` have names in lower case; `begun` once they are whole, `complete` at the end."""

    def __init__(self) -> None:
        import httptools

        self._parser = httptools.HttpResponseParser(self)
        self._wrong = (httptools.HttpParserError, httptools.HttpParserUpgrade)
        self._bare = 0  # bytes since something of the body came
        self._parts: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.begun = False
        self.complete = False
        self.waiting = 0  # bytes of the body that nobody took yet

    @property
    def status(self) -> int:
        """The status, once the answer has `begun`."""
        code: int = self._parser.get_status_code()
        return code

    def feed(self, data: bytes) -> None:
        """Take what came; what comes after the end is nobody's. Raises `NotHttp`."""
        if self.complete:
            return
        self._bare += len(data)
        try:
            self._parser.feed_data(data)
        except self._wrong as error:
            if isinstance(
                error.__context__, KeyboardInterrupt | SystemExit
            ):  # a signal, while a callback ran
                raise error.__context__ from None
            if not self.complete:
                cause = "it changes to another protocol" if self.status == 101 else str(error)
                raise NotHttp(cause) from error
        if self._bare > MAX_BARE and not self.complete:
            raise NotHttp("it sends headers without end")

    def closed(self) -> None:
        """The engine closed the connection: a body without a length ends here, any other is cut."""
        if self.begun and not {b"content-length", b"transfer-encoding"} & self.headers.keys():
            self.complete = True

    def take(self) -> bytes:
        """All of the body that is here."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self.waiting = 0
        return data

    @property
    def kind(self) -> str:
        """The content type without its parameters, in lower case; empty when the engine gave none."""
        return self.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()

    # -- for httptools ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Another answer after the one that was asked for: the parser stops."""
        if self.complete:
            raise NotHttp

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The body begins."""
        self.begun = True

    def on_body(self, body: bytes) -> None:
        """A part of the body, decoded."""
        self._parts.append(body)
        self._bare = 0
        self.waiting += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or one that only announces it (100, 103)."""
        if self.status < 200:
            self.headers.clear()
            self.begun = False
        else:
            self.complete = True


class Pace:
    """When a stream is looked at again. One object for each stream."""

    def __init__(self) -> None:
        self._left = AT_ONCE

    def rest(self, size: int) -> float:
        """Seconds to leave the stream alone after a part of `size` bytes; 0 = look at once."""
        if self._left:
            self._left -= 1
            return 0.0
        return FRAME if size < LARGE else 0.0

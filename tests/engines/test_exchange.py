"""A request's bytes, and an answer taken apart wherever its bytes are cut."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from launchpad.engines.exchange import AT_ONCE, FRAME, LARGE, MAX_BARE, Incoming, NotHttp, Pace, request_bytes

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
SIZED = HEAD + b"Content-Length: 7\r\n\r\nabcdefg"
ENDLESS = HEAD + b"Connection: close\r\n\r\nabcdefg"
HINTED = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + SIZED


@pytest.mark.parametrize(
    "raw", [CHUNKED, SIZED, ENDLESS, HINTED], ids=["chunked", "sized", "endless", "hinted"]
)
def test_cut_anywhere(raw: bytes) -> None:
    for cut in range(1, len(raw)):
        answer = Incoming()
        answer.feed(raw[:cut])
        body = answer.take()
        assert answer.waiting == 0
        answer.feed(raw[cut:])
        assert (answer.begun, answer.status) == (True, 200)
        assert answer.kind == "text/event-stream"
        assert b"link" not in answer.headers
        assert answer.waiting == 7 - len(body)
        assert body + answer.take() == b"abcdefg"
        answer.closed()
        assert answer.complete


@pytest.mark.parametrize(
    "raw", [b"", HEAD, CHUNKED[:-5], SIZED[:-1]], ids=["nothing", "head", "chunked", "sized"]
)
def test_an_answer_that_was_cut_is_not_complete(raw: bytes) -> None:
    answer = Incoming()
    answer.feed(raw)
    answer.closed()
    assert not answer.complete


def test_what_is_no_http() -> None:
    with pytest.raises(NotHttp):
        Incoming().feed(b"SSH-2.0-OpenSSH_9.6\r\n")


@pytest.mark.parametrize(
    "raw",
    [SIZED.replace(b"OK", b"OK\r\nConnection: close"), SIZED, CHUNKED],
    ids=["closing", "sized", "chunked"],
)
@pytest.mark.parametrize(
    "more",
    [
        b"xx",
        b"\r\n\r\n",
        b"HTTP/1.1 500 No\r\nX: y\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
    ids=["junk", "blank lines", "another answer", "a hint"],
)
def test_what_comes_after_the_end_is_nobodys(raw: bytes, more: bytes) -> None:
    for cut in range(len(raw), len(raw) + len(more)):
        answer = Incoming()
        both = raw + more
        answer.feed(both[:cut])
        answer.feed(both[cut:])
        assert (answer.begun, answer.complete, answer.status) == (True, True, 200)
        assert b"x" not in answer.headers
        assert answer.take() == b"abcdefg"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"HTTP/1.1 200 ", b"a"),
        (HEAD + b"X: ", b"a"),
        (HEAD, b"X: y\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (CHUNKED[:-2], b"X: y\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;", b"x"),
    ],
    ids=["reason", "header", "headers", "hints", "trailers", "extension"],
)
def test_a_head_that_does_not_end_is_not_kept(begin: bytes, more: bytes) -> None:
    answer = Incoming()
    answer.feed(begin)
    fed = 0
    with pytest.raises(NotHttp, match="without end"):
        while fed < 2 * MAX_BARE:
            answer.feed(more * 1000)
            fed += len(more) * 1000


def test_a_body_may_have_any_size() -> None:
    answer = Incoming()
    answer.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        answer.feed(b"1;" + b"x" * 2000 + b"\r\na\r\n")
        answer.feed(b"10000\r\n" + b"a" * 65536 + b"\r\n")
    assert len(answer.take()) == 100 * 65537


@pytest.mark.parametrize("header", ["", "Upgrade: x\r\nConnection: Upgrade\r\n"])
def test_an_engine_that_changes_to_another_protocol(header: str) -> None:
    with pytest.raises(NotHttp, match="another protocol"):
        Incoming().feed(f"HTTP/1.1 101 Switching Protocols\r\n{header}\r\n".encode())


def test_the_kind_of_a_body_is_told_without_what_does_not_matter() -> None:
    answer = Incoming()
    answer.feed(b"HTTP/1.1 200 OK\r\nCONTENT-TYPE:  Text/Event-Stream ; charset=UTF-8\r\n\r\n")
    assert answer.kind == "text/event-stream"


def test_a_request() -> None:
    where = urlsplit("http://user:secret@host.example:8000/v1")
    assert request_bytes(where, "/v1/models", "k", b"{}") == (
        b"POST /v1/models HTTP/1.1\r\nHost: host.example:8000\r\nConnection: close\r\nUser-Agent: launchpad\r\n"
        b"Accept-Encoding: identity\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    bare = request_bytes(where, "/", "", None, method="GET", encoding="gzip")
    assert bare.startswith(b"GET / HTTP/1.1\r\n")
    assert b"gzip" in bare
    assert b"Content" not in bare
    assert b"Authorization" not in bare


@pytest.mark.parametrize(
    ("target", "key"), [("/a\r\nX: y", ""), ("/a HTTP/1.0", ""), ("/", "k\r\nX: y"), ("/", "ключ")]
)
def test_nothing_is_smuggled_into_a_head(target: str, key: str) -> None:
    with pytest.raises(ValueError, match=r"HTTP|latin-1"):
        request_bytes(urlsplit("http://127.0.0.1:1/v1"), target, key, None)


def test_the_pace_of_a_stream() -> None:
    pace = Pace()
    assert [pace.rest(300) for _ in range(AT_ONCE)] == [0.0] * AT_ONCE
    assert (pace.rest(300), pace.rest(LARGE), pace.rest(1)) == (FRAME, 0.0, FRAME)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize(
    "callback", ["on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete"]
)
def test_a_signal_within_the_parser_is_no_broken_answer(
    monkeypatch: pytest.MonkeyPatch, callback: str, signal: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise signal

    monkeypatch.setattr(Incoming, callback, interrupted)
    with pytest.raises(signal):
        Incoming().feed(SIZED)

"""The unfinished file: any order, any kill, any damage; what is read again and what is not."""

from __future__ import annotations

import hashlib
import os
import random
import re
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace

from launchpad.errors import PullError, RefusedError
from launchpad.pull import journal, partial
from launchpad.pull.journal import Look
from launchpad.pull.partial import Partial
from launchpad.pull.payload import Payload

PIECE = 4096
SIZE = 10 * PIECE + 123
CONTENT = random.Random(5).randbytes(SIZE)
PAYLOAD = Payload(label="x.gguf", urls=(), size=SIZE, key=hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "partial"


def opened(path: Path, payload: Payload = PAYLOAD) -> Partial:
    return Partial(path, payload, piece=PIECE)


def write(file: Partial, start: int, stop: int, content: bytes = CONTENT) -> None:
    file.write_at(start, [content[start:stop]])


def fill(file: Partial) -> str | None:
    for start, stop in file.missing():
        write(file, start, stop)
    return file.hexdigest()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes of the file were read."""
    seen: list[int] = []
    read = Partial._read

    def counting(self: Partial, start: int, size: int) -> bytes:
        seen.append(size)
        return read(self, start, size)

    monkeypatch.setattr(Partial, "_read", counting)
    return seen


@pytest.fixture
def durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush after each piece, as a real pull does every 256 MiB."""
    monkeypatch.setattr(partial, "_SYNC_EVERY", PIECE)


def wait_for_sync(file: Partial, offset: int) -> None:
    with file._changed:
        assert file._changed.wait_for(
            lambda: file._synced >= offset and not file._syncing and file._hashed == file.gaps.first,
            timeout=150,
        )


@pytest.mark.parametrize("seed", range(5))
def test_parts_in_any_order_are_hashed_without_reading(path: Path, reads: list[int], seed: int) -> None:
    cuts = sorted(random.Random(seed).sample(range(1, SIZE), 40))
    parts = list(zip([0, *cuts], [*cuts, SIZE], strict=True))
    random.Random(seed).shuffle(parts)
    with opened(path) as file:
        for start, stop in parts:
            write(file, start, stop)
        assert file.hexdigest() == PAYLOAD.key
    assert path.read_bytes() == CONTENT and not reads


def test_several_threads_write(path: Path) -> None:
    def bring(first: int) -> None:
        for start in range(first, SIZE, 4 * 1000):
            write(file, start, min(start + 1000, SIZE))

    with opened(path) as file:
        threads = [Thread(target=bring, args=(1000 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert file.hexdigest() == PAYLOAD.key


def test_what_is_here_is_never_overwritten(path: Path) -> None:
    with opened(path) as file:
        write(file, 0, 5000)
        file.write_at(1000, [bytes(2000)])
        file.write_at(4000, [bytes(1000) + CONTENT[5000:6000]])
        assert fill(file) == PAYLOAD.key
    assert path.read_bytes() == CONTENT


def test_a_window_that_is_full_is_read_back(
    path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial, "_WINDOW", PIECE)
    with opened(path) as file:
        write(file, 3 * PIECE, SIZE)
        assert fill(file) == PAYLOAD.key
    assert reads


def test_on_resume_only_what_was_not_flushed_is_read(path: Path, reads: list[int], durable: None) -> None:
    with opened(path) as file:
        write(file, 0, 6 * PIECE)
        wait_for_sync(file, PIECE)
        write(file, 6 * PIECE, 7 * PIECE + 10)
        wait_for_sync(file, 7 * PIECE)
        write(file, 9 * PIECE, SIZE)  # it came early
    with opened(path) as file:
        assert file.missing() == [(7 * PIECE + 10, 9 * PIECE)]
        assert file.to_read == 10 + SIZE - 9 * PIECE
        assert fill(file) == PAYLOAD.key
    assert sum(reads) == 10 + (SIZE - 9 * PIECE)


def test_what_was_not_flushed_is_read(path: Path, reads: list[int]) -> None:
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
    with opened(path) as file:
        assert fill(file) == PAYLOAD.key
    assert sum(reads) == 7 * PIECE


@pytest.mark.parametrize("at", [0, PIECE, 3 * PIECE + 5, 6 * PIECE - 1])
def test_a_byte_that_flips_between_two_runs_costs_one_piece(path: Path, durable: None, at: int) -> None:
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
        wait_for_sync(file, PIECE)
        file.hexdigest()
        while file._hashed < 7 * PIECE:
            pass
    with path.open("r+b") as raw:
        raw.seek(at)
        raw.write(bytes([CONTENT[at] ^ 1]))
    os.utime(path, ns=(0, 0))  # some systems count time in steps of 4 ms
    with opened(path) as file:
        written = []
        while (digest := file.hexdigest()) is None:
            for start, stop in file.missing():
                written.append((start, stop))
                write(file, start, stop)
        assert digest == PAYLOAD.key and file.damaged == 1
    damaged = (at // PIECE * PIECE, (at // PIECE + 1) * PIECE)
    assert sorted(written) == [damaged, (7 * PIECE, SIZE)]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [0, 1, PIECE, 3 * PIECE + 7])
def test_a_file_that_lost_its_end_is_mended(path: Path, durable: None, size: int) -> None:
    """As after a power cut: the journal is there, the bytes are not."""
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
        wait_for_sync(file, PIECE)
    os.truncate(path, size)
    with opened(path) as file:
        while (digest := fill(file)) is None:
            pass
        assert digest == PAYLOAD.key
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [0, 1, PIECE, 3 * PIECE + 7])
def test_a_file_that_lost_its_end_at_once_is_mended(
    path: Path, durable: None, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems count time in ticks of some milliseconds: in the same tick a file looks as before, but for its size."""
    real = Look.of
    monkeypatch.setattr(Look, "of", lambda descriptor: replace(real(descriptor), mtime_ns=0, ctime_ns=0))
    with opened(path) as file:
        write(file, 0, 6 * PIECE)
        wait_for_sync(file, PIECE)
        write(file, 6 * PIECE, 7 * PIECE)
        wait_for_sync(file, 7 * PIECE)
    os.truncate(path, size)
    with opened(path) as file:
        while (digest := fill(file)) is None:
            pass
        assert digest == PAYLOAD.key
    assert path.read_bytes() == CONTENT


def test_what_was_not_hashed_of_a_lost_end_is_fetched_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells what the bytes were, and what is written behind them first leaves zeros in their place."""
    with monkeypatch.context() as patch:
        patch.setattr(Partial, "_at_boundary", lambda file: None)
        with opened(path) as file:
            write(file, 0, 7 * PIECE)
    os.truncate(path, PIECE)
    with opened(path) as file:
        assert file.missing() == [(PIECE, SIZE)]
        write(file, 7 * PIECE, SIZE)
        assert fill(file) == PAYLOAD.key
    assert path.read_bytes() == CONTENT


def test_a_file_that_was_copied_over_is_read_again(path: Path, reads: list[int], durable: None) -> None:
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
        wait_for_sync(file, PIECE)
    other = path.with_name("other")
    other.write_bytes(bytes(7 * PIECE))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    with opened(path) as file:
        while (digest := fill(file)) is None:
            pass
        assert digest == PAYLOAD.key


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: b"\x00" * len(content),
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"{}\n" + content,
        lambda content: content.replace(b'["w",0,', b'["w",9,'),
        lambda content: content.replace(b'["h",', b'["h",-'),
        lambda content: content + b'["w",0,99999999999,1,1,1]\n["s",-5]\n',
        lambda content: content + b"[" * 100_000 + b"\n",
        lambda content: content.replace(b'"version":1', b'"version":2'),
        lambda content: content.replace(b'"size":', b'"size":1'),
        lambda content: content[:200] + b"\xff\xfe" + content[200:],
    ],
    ids=[
        "empty",
        "nul",
        "half",
        "torn",
        "no-header",
        "other-offset",
        "negative",
        "past-the-end",
        "deep",
        "newer",
        "size",
        "bytes",
    ],
)
def test_a_spoiled_journal_costs_time_at_most(path: Path, durable: None, spoil: object) -> None:
    with opened(path) as file:
        write(file, 0, 5 * PIECE)
        wait_for_sync(file, PIECE)
    place = journal.place(path)
    place.write_bytes(spoil(place.read_bytes()))  # type: ignore[operator]
    with opened(path) as file:
        digest = fill(file)
        if digest != PAYLOAD.key:  # parts are damaged, or all of it is in doubt: as the transfer does
            if digest is not None:
                file.reset()
            digest = fill(file) or fill(file)
        assert digest == PAYLOAD.key
    assert path.read_bytes() == CONTENT


def test_a_wrong_state_in_the_journal_is_never_a_wrong_file(path: Path, durable: None) -> None:
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
        wait_for_sync(file, PIECE)
    place = journal.place(path)
    place.write_bytes(re.sub(rb"[0-9a-f]{64}\"]", b"ab" * 32 + b'"]', place.read_bytes()))
    with opened(path) as file:
        while (digest := fill(file)) is None:
            pass
        assert digest != PAYLOAD.key
        file.reset()
        assert fill(file) == PAYLOAD.key


def test_without_a_library_that_keeps_hashes_the_beginning_is_read(
    path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch, durable: None
) -> None:
    monkeypatch.setattr("launchpad.pull.payload.available", lambda: False)
    monkeypatch.setattr("launchpad.pull.partial.available", lambda: False)
    with opened(path) as file:
        write(file, 0, 7 * PIECE)
    with opened(path) as file:
        assert file.to_read == 7 * PIECE
        assert fill(file) == PAYLOAD.key
    assert sum(reads) == 7 * PIECE


def test_a_reset_forgets_everything(path: Path) -> None:
    with opened(path) as file:
        write(file, 0, SIZE, bytes(SIZE))
        assert file.hexdigest() != PAYLOAD.key
        file.reset()
        assert file.have == 0 and path.stat().st_size == 0
        assert fill(file) == PAYLOAD.key


def test_without_a_size_the_end_is_told(path: Path) -> None:
    payload = Payload(label="x", urls=(), size=None, key=PAYLOAD.key)
    with opened(path, payload) as file:
        write(file, 0, SIZE)
        assert not file.complete
        file.ends_at(SIZE)
        assert file.complete and file.hexdigest() == PAYLOAD.key


def test_nothing_is_written_after_the_end(path: Path) -> None:
    with opened(path) as file:
        pass
    with pytest.raises(PullError, match="has ended"):
        write(file, 0, 1)


def test_an_error_while_hashing_reaches_the_caller(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    with opened(path) as file:
        write(file, 0, SIZE)
    monkeypatch.setattr(Partial, "_read", broken)
    with opened(path) as file, pytest.raises(PullError, match="cannot be checked"):
        file.hexdigest()


def test_a_planted_journal_is_refused(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("alive")
    journal.place(path).symlink_to(canary)
    with pytest.raises(RefusedError, match="will not touch"):
        opened(path)
    assert canary.read_text() == "alive"


def test_a_thread_that_cannot_start_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    with pytest.raises(PullError, match="cannot start a thread"):
        opened(path)

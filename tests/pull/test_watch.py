"""Who waits reads along in the other one's journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.pull import journal
from launchpad.pull.journal import Header, Journal, Look
from launchpad.pull.watch import Watch

LOOK = Look(1, 2, 3, 4)
HEADER = Header(key="0" * 64, size=1000, piece=64)


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "partial"


def test_only_what_is_new_is_read(partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[bytes] = []
    real = journal.Memory.learn

    def learn(memory: journal.Memory, line: bytes, piece: int) -> None:
        learned.append(line)
        real(memory, line, piece)

    monkeypatch.setattr(journal.Memory, "learn", learn)
    watch, work = Watch(partial), Journal(partial, HEADER)
    for step in range(5):
        work.wrote(step * 100, step * 100 + 100, LOOK)
        assert watch.have() == step * 100 + 100
    work.close()
    assert len(learned) == 5


def test_a_line_in_writing_waits_for_its_end(partial: Path) -> None:
    watch, work = Watch(partial), Journal(partial, HEADER)
    work.wrote(0, 100, LOOK)
    whole = journal.place(partial).read_bytes()
    for size in range(len(whole)):
        journal.place(partial).write_bytes(whole[:size])
        assert watch.have() == 0
    journal.place(partial).write_bytes(whole)
    assert watch.have() == 100
    work.close()


def test_a_journal_that_begins_anew_is_read_anew(partial: Path) -> None:
    watch, work = Watch(partial), Journal(partial, HEADER)
    work.wrote(0, 500, LOOK)
    assert watch.have() == 500
    work.restart()
    assert watch.have() == 0
    work.wrote(0, 7, LOOK)
    assert watch.have() == 7
    work.close()


@pytest.mark.parametrize(
    "content", [b"", b"x\n", b"\x00" * 500 + b"\n", b'{"version":2,"key":"","size":1,"piece":1}\n']
)
def test_without_a_journal_of_use_the_length_of_the_file_counts(partial: Path, content: bytes) -> None:
    partial.write_bytes(b"12345")
    watch = Watch(partial)
    assert watch.have() == 5
    journal.place(partial).write_bytes(content)
    assert watch.have() == 5


def test_nothing_is_nothing(partial: Path) -> None:
    assert Watch(partial).have() == 0

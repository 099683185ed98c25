from __future__ import annotations

import os
from pathlib import Path

import pytest

from launchpad.paths import state_dir
from launchpad.pull import stamps


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(b"weights")
    return path


def test_a_stamp_holds_until_the_file_changes(file: Path, tmp_path: Path) -> None:
    assert stamps.read(file) is None
    written = stamps.write(file, key="k", fetched=True, ref="hf://a/b")
    link = tmp_path / "link"
    link.symlink_to(file)
    assert stamps.read(file) == stamps.read(link) == written
    os.utime(file, ns=(0, 0))
    assert stamps.read(file) is None and stamps.last(file) == written
    stamps.forget(file)
    assert stamps.last(file) is None


@pytest.mark.parametrize("broken", [b"", b"{", b"\x00" * 100, b'{"version": 1}', b"\xff\xfe", b"[]"])
def test_a_broken_stamp_is_no_stamp(file: Path, broken: bytes) -> None:
    stamps.write(file, key="k", fetched=True, ref="hf://a/b")
    (place,) = (state_dir() / "verified").iterdir()
    place.write_bytes(broken)
    assert stamps.read(file) is None
    stamps.write(file, key="k", fetched=True, ref="hf://a/b")
    assert stamps.read(file)


def test_a_stamp_of_a_newer_launchpad_is_not_believed(file: Path) -> None:
    stamps.write(file, key="k", fetched=True, ref="hf://a/b")
    (place,) = (state_dir() / "verified").iterdir()
    place.write_bytes(place.read_bytes().replace(b'"version":1', b'"version":2'))
    assert stamps.last(file) is None


def test_a_missing_file_has_no_stamp_that_holds(file: Path) -> None:
    stamps.write(file, key="k", fetched=True, ref="hf://a/b")
    file.unlink()
    assert stamps.read(file) is None

"""Archives of programs, honest and hostile: nothing leaves the folder, nothing is written through a link, sizes end."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from launchpad.errors import PullError, RefusedError
from launchpad.pull import unpack as module
from launchpad.pull.unpack import unpack

Entry = tuple[
    str, bytes | str | None, int
]  # name, content (None: folder, str: link's target), mode or tar type


def tar(path: Path, *entries: tuple[str, object], compression: str = "gz") -> Path:
    """Content is bytes, None is a folder, a string is the target of a link, a TarInfo's type something else."""
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, what in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(what, bytes):
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
                continue
            if what is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
            elif isinstance(what, tuple):
                info.type, info.linkname = what
            archive.addfile(info)
    return path


def zipped(path: Path, *entries: tuple[str, object]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, what in entries:
            info = zipfile.ZipInfo(name)
            kind = (
                stat.S_IFLNK
                if isinstance(what, str)
                else what[0]
                if isinstance(what, tuple)
                else stat.S_IFREG
            )
            info.external_attr = (kind | 0o755) << 16
            content = what if isinstance(what, bytes | str) else b""
            archive.writestr(info, content)
    return path


MAKERS: dict[str, Callable[..., Path]] = {"x.tar.gz": tar, "x.zip": zipped}


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_files_folders_and_links_inside_are_unpacked(tmp_path, compression):
    archive = tar(
        tmp_path / "x.tar",
        ("./", None), ("./build/bin/llama-server", b"#!/bin/sh\n"), ("./build/lib/libllama.so.0.1", b"elf"),
        ("./build/lib/libllama.so", "libllama.so.0"), ("./build/lib/libllama.so.0", "libllama.so.0.1"),
        ("./build/bin/libllama.so", "../lib/libllama.so.0.1"),
        ("./build/hard", (tarfile.LNKTYPE, "./build/lib/libllama.so.0.1")), ("./empty", b""),
        compression=compression,
    )  # fmt: skip
    unpack(archive, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "build/bin/llama-server").read_bytes() == b"#!/bin/sh\n"
    assert os.access(out / "build/bin/llama-server", os.X_OK)
    for name in ("lib/libllama.so", "bin/libllama.so", "hard"):
        assert (out / "build" / name).read_bytes() == b"elf"
    assert (out / "empty").read_bytes() == b""
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_a_zip_is_unpacked(tmp_path):
    archive = zipped(
        tmp_path / "x.zip", ("bin/llama-server", b"x"), ("lib/a.so.1", b"y"), ("lib/a.so", "a.so.1")
    )
    unpack(archive, tmp_path / "out")
    assert os.access(tmp_path / "out/bin/llama-server", os.X_OK)
    assert (tmp_path / "out/lib/a.so").read_bytes() == b"y"


NAMES = ["../evil", "a/../../evil", "/tmp/launchpad-evil", "..\\evil", "C:\\evil", "\\\\host\\share", "CON", "x\n", "x\x1b[2J", "é" * 200, "/".join("a" * 40)]  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_that_is_not_safe_everywhere_is_refused(tmp_path, kind, name):
    archive = MAKERS[kind](tmp_path / kind, ("ok", b"1"), (name, b"evil"))
    before = set(tmp_path.parent.rglob("*"))
    with pytest.raises((RefusedError, PullError)):
        unpack(archive, tmp_path / "out")
    new = set(tmp_path.parent.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "out") for path in new)
    assert not Path("/tmp/launchpad-evil").exists()


TARGETS = ["/etc/passwd", "../../etc/passwd", "..", "../../out", "a\\b", "", "x" * 2000, "missing", "self"]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_a_link_out_to_nowhere_or_to_itself_is_refused(tmp_path, kind, target):
    archive = MAKERS[kind](tmp_path / kind, ("ok", b"1"), ("self", target))
    with pytest.raises((RefusedError, PullError)):
        unpack(archive, tmp_path / "out")


def test_a_link_through_a_link_cannot_leave(tmp_path):
    """Each looks harmless by itself: `d/up` is `d`'s parent, and through it the second leads out."""
    (tmp_path / "secret").write_text("s")
    archive = tar(
        tmp_path / "x.tar", ("a/b/f", b"1"), ("a/up", "b"), ("link", "a/up/../../../secret"), compression=""
    )
    with pytest.raises(RefusedError):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_is_written_through_a_link(tmp_path, kind):
    target = tmp_path / "target"
    target.mkdir()
    archive = MAKERS[kind](tmp_path / kind, ("d", str(target)), ("d/evil", b"evil"))
    with pytest.raises(RefusedError):
        unpack(archive, tmp_path / "out")
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("kind", MAKERS)
def test_a_name_that_comes_twice_is_refused(tmp_path, kind):
    with pytest.warns(UserWarning) if kind == "x.zip" else nullcontext():
        archive = MAKERS[kind](tmp_path / kind, ("f", b"1"), ("f", b"2"))
    with pytest.raises(RefusedError, match="not unpacked"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("what", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"Z"])
def test_devices_and_pipes_are_refused(tmp_path, what):
    archive = tar(tmp_path / "x.tar", ("f", (what, "")), compression="")
    if what == tarfile.CONTTYPE:  # an old word for a file
        unpack(archive, tmp_path / "out")
        assert (tmp_path / "out" / "f").is_file()
        return
    with pytest.raises(RefusedError, match="not unpacked"):
        unpack(archive, tmp_path / "out")


def test_a_zip_with_a_device_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="not unpacked"):
        unpack(zipped(tmp_path / "x.zip", ("f", (stat.S_IFIFO,))), tmp_path / "out")


@pytest.mark.parametrize("kind", MAKERS)
def test_too_much_is_refused_before_it_is_written(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    archive = MAKERS[kind](tmp_path / kind, ("small", b"1"), ("zeros", bytes(8 << 20)))
    with pytest.raises(RefusedError, match="not unpacked"):
        unpack(archive, tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) < 1 << 20


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 10)
    with pytest.raises(RefusedError, match="not unpacked"):
        unpack(tar(tmp_path / "x.tar.gz", *((f"f{n}", b"") for n in range(11))), tmp_path / "out")


@pytest.mark.parametrize("size", [1 << 30, 1 << 62])
def test_a_record_that_says_it_is_huge_takes_no_memory(tmp_path, size):
    """A PAX header is read into memory as long as it says it is."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, size
    path = tmp_path / "x.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    tracemalloc.start()
    with pytest.raises(PullError):
        unpack(path, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 40 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"\x1f\x8b" + bytes(50), b"BZh9" + bytes(50), b"\xfd7zXZ" + bytes(50), b"<html>" * 200, bytes(100)]
)  # fmt: skip
def test_what_is_no_archive_is_told(tmp_path, content):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(PullError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_is_told(tmp_path, kind, share):
    whole = MAKERS[kind](tmp_path / kind, ("a", os.urandom(50_000)), ("b", os.urandom(50_000))).read_bytes()
    path = tmp_path / f"cut-{kind}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(PullError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")


def test_an_encrypted_zip_is_told(tmp_path):
    path = zipped(tmp_path / "x.zip", ("a", b"1"))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(PullError, match="cannot be unpacked"):
        unpack(path, tmp_path / "out")

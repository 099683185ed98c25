"""Bundles: there and back, and every way in which one may lie."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launchpad.bundle import read, write
from launchpad.bundle.record import NAME, Record
from launchpad.catalog.model import Build, License, LocalModel, Model, ModelFile
from launchpad.errors import LaunchpadError, RefusedError, UsageError, VerifyError
from launchpad.events import ignore
from launchpad.paths import hub_cache, store_dir
from launchpad.plugins.huggingface.source import HuggingFace
from launchpad.pull.inventory import list_local
from launchpad.pull.store import pull
from launchpad.testing.hub import SimulatedHub

A, B = b"GGUF" * 1000, b"GGUF" * 77 + b"!"
MODEL = Model(
    id="m",
    name="M",
    lab="L",
    lab_id="l",
    license=License(id="apache-2.0"),
    builds=(Build(ref="hf://org/m:Q4_K_M", format="gguf", quantization="Q4_K_M"),),
)


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """A model with its projector, from the Hub."""
    with SimulatedHub() as hub:
        hub.add_model("org/m", {"m-Q4_K_M.gguf": A, "mmproj-F16.gguf": B})
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        build = Build(ref="hf://org/m:Q4_K_M", format="gguf", quantization="Q4_K_M")
        return pull(HuggingFace().resolve(build), ignore)


@pytest.fixture
def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """From this call on, everything is as on a machine where nothing is."""

    def move() -> None:
        monkeypatch.setenv("LAUNCHPAD_HOME", str(tmp_path / "there"))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "there" / "hub"))

    return move


def export(local: LocalModel, model: Model | None = MODEL) -> bytes:
    out = io.BytesIO()
    record = write.describe(local, model, model.builds[0] if model else None)
    write.write(record, local, out, ignore)
    assert len(out.getvalue()) == write.size_of(record)
    return out.getvalue()


def take(data: bytes) -> tuple[Record, LocalModel]:
    record, reader = read.open_bundle(io.BytesIO(data))
    return record, read.take_in(record, reader, ignore)


def stored() -> list[Path]:
    roots = (hub_cache(), store_dir())
    return [path for root in roots for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_there_and_back(pulled: LocalModel, another_machine: Callable[[], None]) -> None:
    data = export(pulled)
    another_machine()
    record, there = take(data)
    assert list_local() == [there]
    assert (there.ref, there.owner, there.sha256) == (pulled.ref, "launchpad", pulled.sha256)
    assert Path(there.path).read_bytes() == A
    assert there.projector and Path(there.projector).read_bytes() == B
    assert record.record and record.record.license.id == "apache-2.0"
    assert (hub_cache() / "models--org--m" / "refs" / "main").read_text() == record.revision
    assert export(there) == data  # and on from there


def test_the_same_model_makes_the_same_bundle_and_any_tar_reads_it(pulled: LocalModel) -> None:
    data = export(pulled)
    assert export(pulled) == data
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [NAME, "file-0001", "file-0002"]
        member = archive.extractfile("file-0001")
        assert member is not None and member.read() == A


def test_a_bundle_taken_twice_is_there_once(pulled: LocalModel) -> None:
    data = export(pulled)
    before = sorted(stored())
    assert take(data)[1] == pulled
    assert sorted(stored()) == before


def test_a_damaged_model_makes_no_bundle(pulled: LocalModel, tmp_path: Path) -> None:
    Path(pulled.path).resolve().write_bytes(A[:-1] + b"?")
    with pytest.raises(VerifyError, match="damaged"):
        export(pulled)


def test_a_file_of_unknown_origin_makes_no_bundle(private_home: Path) -> None:
    path = private_home / ".lmstudio" / "models" / "o" / "m" / "m-Q8_0.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(A)
    local = LocalModel(ref=path.as_uri(), path=str(path), size=len(A), format="gguf", owner="lm-studio")
    with pytest.raises(RefusedError, match="cannot be put"):
        write.describe(local, None, None)


def test_another_programs_file_that_a_catalog_knows_becomes_the_hubs(
    private_home: Path, another_machine: Callable[[], None]
) -> None:
    path = private_home / ".lmstudio" / "models" / "o" / "m" / "model.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(A)
    pin = ModelFile(path="m-Q4_K_M.gguf", size=len(A), sha256=hashlib.sha256(A).hexdigest())
    ref = f"hf://org/m@{'c' * 40}:Q4_K_M"
    build = Build(ref=ref, format="gguf", quantization="Q4_K_M", files=(pin,))
    local = LocalModel(ref=path.as_uri(), path=str(path), size=len(A), format="gguf", owner="lm-studio")
    out = io.BytesIO()
    write.write(write.describe(local, None, build), local, out, ignore)
    another_machine()
    _, there = take(out.getvalue())
    assert (there.ref, Path(there.path).name) == (ref, "m-Q4_K_M.gguf")


# -- hostile bundles --------------------------------------------------------------------------------------------


def record_of(**changes: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(A).hexdigest()
    return {
        "launchpad_bundle": 1,
        "ref": "hf://org/m@main:Q4_K_M",
        "folder": "models--org--m",
        "revision": "c" * 40,
        "entry": "m.gguf",
        "format": "gguf",
        "files": [{"path": "m.gguf", "size": len(A), "sha256": sha256}],
        **changes,
    }


def one_file(path: str, **changes: Any) -> dict[str, Any]:
    file = {"path": path, "size": len(A), "sha256": hashlib.sha256(A).hexdigest(), **changes}
    return record_of(entry=path, files=[file])


def tar(record: object, *members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    """A bundle made with Python's own tar writer, of whatever members."""
    out = io.BytesIO()
    text = record if isinstance(record, bytes) else json.dumps(record).encode()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in ((NAME, text), *members):
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = ("file-0001", A)


def test_a_bundle_of_pythons_own_tar_writer_is_one(another_machine: Callable[[], None]) -> None:
    another_machine()
    assert Path(take(tar(record_of(), GOOD))[1].path).read_bytes() == A


HOSTILE = {
    "traversal in a path": tar(one_file("../../m.gguf"), GOOD),
    "an absolute path": tar(one_file("/etc/m.gguf"), GOOD),
    "a path of Windows": tar(one_file("C:\\m.gguf"), GOOD),
    "a device of Windows": tar(one_file("CON.gguf"), GOOD),
    "an escape sequence": tar(one_file("m\x1b[2J.gguf"), GOOD),
    "code": tar(one_file("m.py"), GOOD),
    "a pickle": tar(one_file("pytorch_model.bin"), GOOD),
    "traversal in the folder": tar(record_of(folder="../models--org--m"), GOOD),
    "another repository's folder": tar(record_of(folder="models--trusted--m"), GOOD),
    "traversal in the revision": tar(record_of(revision="../../x"), GOOD),
    "traversal in the branch": tar(record_of(branch="../../x"), GOOD),
    "an entry that is not there": tar(record_of(entry="other.gguf"), GOOD),
    "a digest that is a path": tar(one_file("m.gguf", sha256="../../../tmp/pwn"), GOOD),
    "no digest": tar(one_file("m.gguf", sha256=None), GOOD),
    "a negative size": tar(one_file("m.gguf", size=-1), GOOD),
    "one file twice": tar(record_of(files=record_of()["files"] * 2), GOOD, ("file-0002", A)),
    "no file": tar(record_of(files=[]), GOOD),
    "a reference that is none": tar(record_of(ref="file:///etc/passwd"), GOOD),
    "a member of another name": tar(record_of(), ("../../etc/cron.d/x", A)),
    "a symbolic link": tar(record_of(), link("file-0001", "/etc/passwd", tarfile.SYMTYPE)),
    "a hard link": tar(record_of(), link("file-0001", "/etc/passwd", tarfile.LNKTYPE)),
    "a device": tar(record_of(), link("file-0001", "", tarfile.CHRTYPE)),
    "a FIFO": tar(record_of(), link("file-0001", "", tarfile.FIFOTYPE)),
    "a folder": tar(record_of(), link("file-0001", "", tarfile.DIRTYPE)),
    "one member twice": tar(record_of(), GOOD, GOOD),
    "one member more": tar(record_of(), GOOD, ("file-0002", b"x")),
    "a long name": tar(record_of(), ("x" * 300, A)),
    "a smaller member": tar(record_of(), ("file-0001", A[:-1])),
    "a record of gigabytes": tarfile.TarInfo(NAME).tobuf()[:124] + b"77777777777\0" + b"\0" * 376,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_changes_nothing(
    name: str, another_machine: Callable[[], None], tmp_path: Path
) -> None:
    another_machine()
    outside = sorted(path for path in tmp_path.rglob("*") if "there" not in path.parts)
    with pytest.raises(LaunchpadError) as caught:
        take(HOSTILE[name])
    assert caught.value.exit_code in (2, 7), caught.value
    assert caught.value.why and "\x1b" not in str(caught.value)
    assert list_local() == []
    assert sorted(path for path in tmp_path.rglob("*") if "there" not in path.parts) == outside


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 511,
        b"\0" * 10_240,
        b"PK\3\4" + b"\0" * 2000,
        gzip.compress(tar(record_of(), GOOD), mtime=0),
        tar(b"not json", GOOD),
        tar(b"[" * 100_000, GOOD),
        tar(b'{"launchpad_bundle": "1"}', GOOD),
        tar(record_of(launchpad_bundle=2), GOOD),
        tar(record_of(format="pickle"), GOOD),
    ],
    ids=["nothing", "text", "zeros", "zip", "gzip", "no-json", "deep", "text-version", "version-2", "pickle"],
)
def test_what_is_no_bundle_is_told(data: bytes) -> None:
    with pytest.raises(UsageError):
        take(data)


def test_wrong_bytes_are_not_kept(another_machine: Callable[[], None]) -> None:
    another_machine()
    wrong = A[:-1] + b"?"
    with pytest.raises(VerifyError, match="lies"):
        take(tar(record_of(), ("file-0001", wrong)))
    assert list_local() == [] and stored() == []


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_bundle_that_is_cut_is_not_taken(
    pulled: LocalModel, another_machine: Callable[[], None], kept: float
) -> None:
    data = export(pulled)
    another_machine()
    with pytest.raises(VerifyError, match="not whole"):
        take(data[: int(len(data) * kept)])
    assert list_local() == []
    assert take(data)[1].sha256 == pulled.sha256


def test_a_record_in_a_gigabyte_of_zeros_costs_no_memory() -> None:
    """Extended headers, which Python's reader takes whole, are not read at all."""
    bomb = tarfile.TarInfo("././@LongLink")
    bomb.type, bomb.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    with pytest.raises(UsageError):
        read.open_bundle(io.BytesIO(bomb.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)))


def test_a_branch_that_is_known_stays_where_its_server_put_it(pulled: LocalModel) -> None:
    main = hub_cache() / "models--org--m" / "refs" / "main"
    before = main.read_text()
    take(tar(record_of(branch="main", revision="d" * 40), GOOD))
    assert main.read_text() == before


def test_what_the_catalog_pins_is_held_against_the_bundle() -> None:
    sha256 = hashlib.sha256(A).hexdigest()
    record, _ = read.open_bundle(io.BytesIO(tar(record_of(ref=f"hf://org/m@{'c' * 40}:Q4_K_M"), GOOD)))

    def catalog(digest: str) -> list[Model]:
        pin = ModelFile(path="m.gguf", size=len(A), sha256=digest)
        ref = f"hf://org/m@{'c' * 40}:Q4_K_M"
        build = Build(ref=ref, format="gguf", quantization="Q4_K_M", files=(pin,))
        return [Model(id="m", name="M", lab="L", lab_id="l", builds=(build,))]

    assert read.check_against(record, catalog(sha256)) is True
    assert read.check_against(record, [MODEL]) is False
    with pytest.raises(RefusedError, match="does not hold the M"):
        read.check_against(record, catalog("0" * 64))

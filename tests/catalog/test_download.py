"""A catalog from elsewhere: pinned, strict, never older, and nothing delicate changed silently."""

from __future__ import annotations

import hashlib
from datetime import date

import msgspec
import pytest
from msgspec.structs import replace

from launchpad.catalog.download import Trust, check, delicate, not_older
from launchpad.catalog.kept import Downloaded
from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import Build, License, Model, ModelFile
from launchpad.catalog.packed import PackedBuilds, PackedCatalog, PackedModel
from launchpad.errors import LaunchpadError, RefusedError, UsageError, VerifyError

TODAY = date(2026, 11, 1)
MODEL = Model(
    id="m",
    name="M",
    lab="Lab",
    lab_id="lab",
    country="FR",
    license=License(id="apache-2.0", kind="osi", commercial="yes"),
)


def packed(*models: Model, day: str = "2026-10-31", builds: PackedBuilds | None = None) -> bytes:
    entries = tuple(PackedModel(model=model, builds=builds or PackedBuilds()) for model in models)
    return msgspec.json.encode(PackedCatalog(schema=1, date=day, models=entries))


def taken(data: bytes) -> Downloaded:
    return check(data, Trust(pin=hashlib.sha256(data).hexdigest()), "https://example.org/c.json", TODAY)


def test_the_right_bytes_are_taken() -> None:
    new = taken(packed(MODEL))
    assert (new.catalog.date, new.fetched, len(new.catalog.models)) == ("2026-10-31", "2026-11-01", 1)


def test_other_bytes_are_not() -> None:
    data = packed(MODEL)
    with pytest.raises(VerifyError, match="not the catalog that you pinned"):
        check(data + b" ", Trust(pin=hashlib.sha256(data).hexdigest()), "c", TODAY)


@pytest.mark.parametrize("pin", ["", "abc", "g" * 64, "0" * 65])
def test_a_pin_that_is_no_hash_is_refused(pin: str) -> None:
    with pytest.raises(LaunchpadError):
        check(packed(MODEL), Trust(pin=pin), "c", TODAY)


def test_nothing_is_believed_without_a_reason() -> None:
    with pytest.raises(ValueError, match="believed"):
        Trust()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"schema":1,"date":"2026-10-31","models":[{"model":{"id":7}}]}',
        b'{"schema":2,"date":"2026-10-31","models":[]}',
        packed(),
        packed(MODEL, MODEL),
        packed(MODEL, day="soon"),
        packed(replace(MODEL, id="../m")),
        packed(replace(MODEL, id="\u043c")),
        packed(MODEL, builds=PackedBuilds(more=(Build(ref="file:///etc/passwd", format="gguf", quantization="Q8_0"),))),
        packed(MODEL, builds=PackedBuilds(more=(Build(ref="hf://a/b", format="gguf", quantization="Q8_0", size=-1),))),
    ],
)  # fmt: skip
def test_what_is_no_catalog_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="no catalog"):
        taken(data)


def test_a_day_that_is_yet_to_come_is_refused() -> None:
    with pytest.raises(RefusedError, match="2099"):
        taken(packed(MODEL, day="2099-01-01"))


def test_an_older_catalog_is_refused() -> None:
    new = taken(packed(MODEL, day="2026-10-01"))
    not_older(new, "2026-10-01")
    with pytest.raises(RefusedError, match="older than the present one"):
        not_older(new, "2026-10-02")


PINNED = Build(
    ref="hf://a/b:Q8_0",
    format="gguf",
    quantization="Q8_0",
    files=(ModelFile(path="b.gguf", sha256="0" * 64),),
)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"license": License(id="mit", kind="osi", commercial="yes")}, "license apache-2.0 becomes mit"),
        ({"license": License(id="apache-2.0", kind="osi", commercial="no")}, "commercial use yes becomes no"),
        ({"lab_id": "evil"}, "lab lab becomes evil"),
        ({"country": None}, "country FR becomes unknown"),
        ({"hf_repo": "evil/m"}, "repository unknown becomes evil/m"),
    ],
)
def test_terms_and_makers_of_known_models_are_delicate(changed: dict[str, object], line: str) -> None:
    new = taken(packed(replace(MODEL, **changed)))
    assert delicate({"m": MODEL}, new) == [f"m: {line}"]
    assert delicate({"m": MODEL}, taken(packed(MODEL))) == []
    assert delicate({}, new) == []


def test_a_pinned_hash_is_delicate() -> None:
    other = replace(PINNED, files=(ModelFile(path="b.gguf", sha256="1" * 64),))
    new = taken(packed(MODEL, builds=PackedBuilds(more=(other,))))
    assert delicate({"m": replace(MODEL, builds=(PINNED,))}, new) == ["m: sha256 of b.gguf changes"]


def test_the_packaged_catalog_itself_would_be_taken() -> None:
    day, models = load_packaged()
    entries = tuple(
        PackedModel(model=replace(m, builds=()), builds=PackedBuilds(more=m.builds)) for m in models
    )
    data = msgspec.json.encode(PackedCatalog(schema=1, date=day.isoformat(), models=entries))
    assert delicate({m.id: m for m in models}, taken(data)) == []

"""`launchpad catalog` as a process: refresh, take over, add, remove, offline, and what is old is told."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import gguf_bytes
from launchpad.catalog.load import load_packaged
from launchpad.catalog.model import License, Model
from launchpad.catalog.packed import PackedBuilds, PackedCatalog, PackedModel
from launchpad.testing.hub import SimulatedHub

OWN = 'id = "mine"\n[[builds]]\nref = "hf://me/mine-GGUF:Q4_K_M"\nformat = "gguf"\nquantization = "Q4_K_M"\n'


@pytest.fixture
def hub() -> Iterator[SimulatedHub]:
    with SimulatedHub() as hub:
        yield hub


def catalog_file(path: Path, *, day: str | None = None, model: Model | None = None) -> tuple[str, str]:
    """A catalog like the packaged one with one model more or changed, and its sha256."""
    packaged_day, models = load_packaged()
    some = {one.id: one for one in models[:3]} | ({model.id: model} if model else {})
    entries = tuple(
        PackedModel(model=replace(m, builds=()), builds=PackedBuilds(more=m.builds)) for m in some.values()
    )
    data = msgspec.json.encode(PackedCatalog(schema=1, date=day or packaged_day.isoformat(), models=entries))
    path.write_bytes(data)
    return str(path), hashlib.sha256(data).hexdigest()


NEW = Model(id="brand-new", name="Brand New", lab="Lab", lab_id="lab", license=License(id="mit", kind="osi"))


def test_the_catalogs_with_date_count_and_origin(launchpad):
    ran = launchpad("catalog")
    assert ran.code == 0
    assert re.search(r"^packaged +\d{4}-\d\d-\d\d +4\d\d +plugin packaged$", ran.out, re.MULTILINE)
    (only,) = launchpad("catalog", "--json").document["catalogs"]
    assert only["name"] == "packaged"


def test_refresh_from_the_hub_then_without_it(launchpad, hub):
    commit = hub.add_model(
        "unsloth/Apertus-70B-Instruct-2509-GGUF", {"Apertus-70B-Instruct-2509-Q4_K_M.gguf": b"GGUF" * 5}
    )
    ran = launchpad("catalog", "update", "apertus-70b-instruct", "--json", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    assert ran.document["asked"] == 2
    assert list(ran.document["failed"]) == ["hf://swiss-ai/Apertus-70B-Instruct-2509"]
    assert any("Q4_K_M" in line and "now 20" in line for line in ran.document["changes"])
    (model,) = [
        m for m in launchpad("models", "--json").document["models"] if m["id"] == "apertus-70b-instruct"
    ]
    refs = [build["ref"] for build in model["builds"]]
    assert f"hf://unsloth/Apertus-70B-Instruct-2509-GGUF@{commit}:Q4_K_M" in refs
    names = [one["name"] for one in launchpad("catalog", "--json").document["catalogs"]]
    assert names == ["refreshed", "packaged"]
    assert launchpad("catalog", "remove", "refreshed").code == 0


def test_a_hub_that_does_not_answer_is_one_short_error(launchpad):
    ran = launchpad("catalog", "update", "qwen3-8b")
    assert ran.code == 4
    assert "The catalog could not be refreshed." in ran.err
    assert launchpad("recommend", "--on", "RTX 4090").code == 0


def test_offline_makes_no_connection(launchpad, hub):
    ran = launchpad("catalog", "update", "--offline", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 7
    assert "offline" in ran.err
    assert hub.requests == []


def test_a_catalog_from_an_address_is_pinned(launchpad, hub, tmp_path):
    path, pin = catalog_file(tmp_path / "c.json", model=NEW)
    url = hub.add("/c.json", Path(path).read_bytes())
    assert launchpad("catalog", "update", "--from", url).code == 2
    wrong = launchpad("catalog", "update", "--from", url, "--sha256", "0" * 64)
    assert wrong.code == 4
    assert pin in wrong.err
    ran = launchpad("catalog", "update", "--from", url, "--sha256", pin, "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["added"], ran.document["changes"]) == (1, [])
    assert "brand-new" in launchpad("models", "brand").out


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_a_signed_catalog_needs_no_hash_and_its_signer_is_remembered(launchpad, hub, tmp_path):
    def publish(name: str, **fields: Any) -> tuple[str, str]:
        path, _ = catalog_file(tmp_path / f"{name}.json", **fields)
        Path(f"{path}.sig").unlink(missing_ok=True)
        run(
            ["ssh-keygen", "-Y", "sign", "-q", "-n", "launchpad-catalog", "-f", str(tmp_path / "key"), path],
            check=True,
        )
        url = hub.add("/c.json", Path(path).read_bytes())
        hub.add("/c.json.sig", Path(f"{path}.sig").read_bytes())
        return path, url

    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)
    _, url = publish("one", model=NEW)
    assert launchpad("catalog", "update", "--from", url).code == 2  # nobody vouches for it yet
    wrong = launchpad("catalog", "update", "--from", url, "--signed-by", str(tmp_path / "stranger.pub"))
    assert wrong.code == 4
    assert "is not signed by SHA256:" in wrong.err
    assert launchpad("catalog", "update", "--from", url, "--signed-by", str(tmp_path / "key.pub")).code == 0
    assert "signed by SHA256:" in launchpad("catalog").out
    path, url = publish("two", model=replace(NEW, id="second-new"))
    assert launchpad("catalog", "update", "--from", url).code == 0  # by the same signer as before
    assert "second-new" in launchpad("models", "second").out
    hub.add("/c.json", Path(path).read_bytes().replace(b"second-new", b"third-new!"))
    tampered = launchpad("catalog", "update", "--from", url)
    assert tampered.code == 4
    assert "second-new" in launchpad("models", "second").out


def test_a_file_does_as_well_and_needs_no_network(launchpad, tmp_path):
    path, pin = catalog_file(tmp_path / "c.json", model=NEW)
    assert launchpad("catalog", "update", "--offline", "--from", path, "--sha256", pin).code == 0


def test_other_terms_for_a_known_model_are_shown_and_need_a_yes(launchpad, tmp_path):
    known = load_packaged()[1][0]
    path, pin = catalog_file(
        tmp_path / "c.json", model=replace(known, lab_id="evil", license=License(id="mit"))
    )
    take = ("catalog", "update", "--from", path, "--sha256", pin)
    ran = launchpad(*take)
    assert ran.code == 7
    assert f"{known.id}: license {known.license.id} becomes mit" in ran.err
    assert f"{known.id}: lab {known.lab_id} becomes evil" in ran.err
    assert launchpad("catalog", "--json").document["catalogs"][0]["name"] == "packaged"
    assert launchpad(*take, "--accept-changes").code == 0


def test_an_older_catalog_is_refused(launchpad, tmp_path):
    path, pin = catalog_file(tmp_path / "c.json", day="2025-01-01")
    ran = launchpad("catalog", "update", "--from", path, "--sha256", pin)
    assert ran.code == 7
    assert "older than the present one" in ran.err


def test_add_a_record_and_remove_it(launchpad, tmp_path):
    (tmp_path / "mine.toml").write_text(OWN)
    ran = launchpad("catalog", "add", "mine.toml", "--license", "MIT", "--json")
    assert ran.code == 0, ran.err
    assert Path(ran.document["path"]).parent == Path(launchpad("catalog", "path").out.strip())
    assert "mine" in launchpad("models", "mine").out
    assert launchpad("catalog", "add", "mine.toml").code == 7  # there is one already
    assert launchpad("catalog", "remove", "mine").code == 0
    assert launchpad("models", "mine-").code == 3


def test_add_a_file_by_its_header(launchpad, tmp_path):
    (tmp_path / "Tiny Model.gguf").write_bytes(gguf_bytes.gguf())
    ran = launchpad("catalog", "add", "./Tiny Model.gguf")
    assert ran.code == 0, ran.err
    assert ran.out == "added tiny-model\n"
    fits = launchpad("fit", "tiny-model", "--json").document["fits"]
    assert fits[0]["fit"]["verdict"] == "fits"


def test_add_a_place_by_the_header_of_its_file(launchpad, hub):
    hub.add_model("me/Tiny-GGUF", {"tiny-Q4_K_M.gguf": gguf_bytes.gguf()})
    ran = launchpad("catalog", "add", "hf://me/Tiny-GGUF", env={"HF_ENDPOINT": hub.endpoint})
    assert ran.code == 0, ran.err
    assert ran.out == "added tiny\n"
    fits = launchpad("fit", "tiny", "--json").document["fits"]  # the Hub is not asked again
    assert fits[0]["fit"]["verdict"] == "fits"


def test_a_broken_file_is_one_warning_with_its_line(launchpad):
    folder = Path(launchpad("catalog", "path").out.strip())
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text('id = "bad"\n\ncontxt = 1\n')
    ran = launchpad("models", "--lab", "mistral")
    assert ran.code == 0
    warnings = [line for line in ran.err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "bad.toml:3" in warnings[0]
    assert "contxt" in warnings[0]

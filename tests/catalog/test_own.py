"""Models of one's own: strict, located, and never the end of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

import factories
from launchpad.catalog import own
from launchpad.catalog.kept import KeptCatalog, Unusable
from launchpad.catalog.model import Model
from launchpad.errors import ConfigError, RefusedError, UsageError

KNOWN = replace(factories.model("known", 60.0), builds=(factories.build("known"),))


def put(name: str, text: str) -> Path:
    own.folder().mkdir(parents=True, exist_ok=True)
    path = own.folder() / name
    path.write_text(text)
    return path


def read(text: str) -> Model:
    return own.read(put("x.toml", text), {"known": KNOWN})


def test_a_few_lines_make_a_model() -> None:
    model = read(
        'id = "mine"\n[[builds]]\nref = "hf://me/mine-GGUF:Q4_K_M"\nformat = "gguf"\nquantization = "Q4_K_M"\n'
    )
    assert (model.name, model.lab_id, model.builds[0].quantization) == ("mine", "own", "Q4_K_M")


def test_a_known_id_is_extended() -> None:
    model = read(
        'id = "known"\ncontext = 1234\n[[builds]]\nref = "hf://me/known-GGUF:Q8_0"\nformat = "gguf"\nquantization = "Q8_0"\n'
    )
    assert (model.context, model.name, model.quality) == (1234, KNOWN.name, KNOWN.quality)
    assert [build.quantization for build in model.builds] == ["Q8_0", "Q4_K_M"]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('id = "mine"\nconetxt = 1\n', 2, "no field 'conetxt'"),
        ('id = "mine"\n\n[capabilities]\nvission = true\n', 4, "no field 'vission'"),
        ('id = "mine"\ncontext = "long"\n', 2, "Expected `int | null`, got `str`"),
        ('id = "mine"\n\n[shape]\nlayers = 1.5\n', 4, "Expected `int | null`"),
        ('id = "../../etc/passwd"\n', 1, "`id` is needed"),
        ('name = "no id"\n', 1, "`id` is needed"),
        (
            'id = "mine"\n[[builds]]\nref = "nowhere"\nformat = "gguf"\nquantization = "Q8_0"\n',
            2,
            "not of the form",
        ),
        ('id = "mine"\n[[builds]\n', 2, "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, line: int, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert f"x.toml:{line} cannot be used as a model" in caught.value.what
    assert why in (caught.value.why or "")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (own.LARGEST + 1), b"id = " + b"[" * 50_000])
def test_what_is_no_text_or_too_much_is_refused(content: bytes) -> None:
    path = put("x.toml", "")
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        own.read(path, {})


def test_a_broken_file_costs_only_itself() -> None:
    put("a.toml", 'id = "a"\n')
    put("b.toml", "id = ")
    put("c.toml", 'id = "a"\n')
    put("ignored.txt", "?")
    good, *bad = own.own_catalogs([KNOWN], [])
    assert [model.id for model in good.models()] == ["a"]
    assert [type(one) for one in bad] == [Unusable, Unusable]
    with pytest.raises(ConfigError, match="another file"):
        bad[1].models()


def test_the_most_particular_catalog_is_extended() -> None:
    put("known.toml", 'id = "known"\ncontext = 7\n')
    refreshed = replace(KNOWN, name="Refreshed")
    kept = [KeptCatalog("refreshed", None, [refreshed]), KeptCatalog("downloaded", None, [KNOWN])]
    (catalog,) = own.own_catalogs([KNOWN], kept)
    assert catalog.models()[0].name == "Refreshed"


def test_what_is_written_is_read_back() -> None:
    path = own.write(KNOWN)
    assert own.read(path, {}) == KNOWN
    with pytest.raises(RefusedError, match="already"):
        own.write(KNOWN)
    assert own.remove("known") == path
    with pytest.raises(UsageError):
        own.remove("known")


@pytest.mark.parametrize("name", ["../config", "a/b", "", "A"])
def test_only_files_of_the_folder_are_removed(name: str) -> None:
    with pytest.raises(UsageError):
        own.remove(name)


def test_json_records_are_as_strict(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"id": "mine", "shape": {"layerz": 1}}')
    with pytest.raises(UsageError, match=r"shape\.layerz"):
        own.read_record(path, {})
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError, match="not JSON"):
        own.read_record(path, {})

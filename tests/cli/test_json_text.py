"""Long documents are written in parts; joined, the text is the same."""

from __future__ import annotations

import json

import msgspec
import pytest

from launchpad.catalog.model import License, Model
from launchpad.cli.documents import ModelList
from launchpad.cli.json_text import MANY, json_text


def listing(number: int) -> ModelList:
    models = tuple(
        Model(id=f"m-{i}", name='a "name"\n\\ [] {', lab="Lab", lab_id="lab", license=License(id="mit"))
        for i in range(number)
    )
    return ModelList(models=models, dropped={"x": 'it says "models": [] itself'})


@pytest.mark.parametrize("number", [0, 1, MANY, MANY + 1, 2 * MANY, 2 * MANY + 1])
def test_the_text_does_not_tell_whether_it_was_written_in_parts(number: int) -> None:
    value = listing(number)
    document = {"schema_version": 1, "kind": "models", **msgspec.to_builtins(value)}
    expected = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    assert "".join(json_text(value)) == expected


def test_a_long_document_is_never_held_as_a_whole() -> None:
    parts = list(json_text(listing(10 * MANY)))
    whole = "".join(parts)
    assert len(json.loads(whole)["models"]) == 10 * MANY
    assert max(map(len, parts)) < len(whole) / 5

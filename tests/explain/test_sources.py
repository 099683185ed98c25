"""The catalog's evidence becomes citations: none is lost, each keeps source and date."""

from __future__ import annotations

from launchpad.catalog.load import load_evidence
from launchpad.explain.result import Sources
from launchpad.explain.sources import sources


def test_every_score_is_cited_with_source_and_date() -> None:
    evidence = load_evidence("qwen3-8b")
    assert evidence is not None
    found = sources(evidence)
    assert len(found.scores) == len(evidence["scores"]) > 10
    assert all(score.source and score.date and score.kind for score in found.scores)
    assert any(score.estimated for score in found.scores)
    assert found.license == tuple(evidence["license_evidence"])
    assert found.shape
    assert found.released
    assert found.parameters[0] == "8.19 B, 8.19 B active (Artificial Analysis 2026-07-10)"


def test_a_model_that_no_catalog_knows_has_no_sources() -> None:
    assert load_evidence("no-such-model") is None
    assert sources(None) == Sources()


def test_missing_parts_are_not_invented() -> None:
    found = sources({"scores": [{"benchmark": "B", "value": 1}], "params_evidence": [{"source": "S"}]})
    assert found.scores[0].date is None
    assert found.parameters == ("not stated (S)",)

"""Fits that were computed already serve for every model of the same shape, under its own name."""

from __future__ import annotations

from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.choice.known_fits import KnownFits
from launchpad.config import Config
from launchpad.fit.result import Fit
from launchpad.hardware.simulate import simulate
from launchpad.plugins.host import Host
from launchpad.survey import survey, ways
from launchpad.wish import Wish

HOST = Host(Config(), third_party=False)
WISH = Wish(backend="llamacpp")
SEEN = survey(HOST, Config(), WISH, on=simulate("RTX 3060 12GB + 32GB"))
(LLAMACPP,) = SEEN.backends
BASE = next(model for model in SEEN.models if model.id == "qwen3-8b")
BUILD = next(build for build in BASE.builds if build.format == "gguf" and build.size)
TUNED = replace(BASE, id="tuned", name="Tuned", quality=None)
THERE = replace(BUILD, ref="hf://somebody/tuned-GGUF:Q4_K_M")


def directly(model: Model, build: Build) -> Fit | None:
    return LLAMACPP.backend.fit(model, build, SEEN.machine, WISH)


def test_what_is_known_is_what_would_have_been_computed() -> None:
    known = KnownFits()
    for model, build in ((BASE, BUILD), (TUNED, THERE), (BASE, BUILD)):
        found = known.fit(LLAMACPP.backend, model, build, SEEN.machine, WISH)
        assert found is not None
        assert (found.model_id, found.build) == (model.id, build.ref)
        assert found == directly(model, build)
    assert len(known) == 1


def test_what_differs_in_anything_that_a_fit_reads_is_computed_anew() -> None:
    known = KnownFits()
    others = (
        (replace(TUNED, context=4096), THERE),
        (replace(TUNED, parameters=9e9), THERE),
        (replace(TUNED, shape=replace(TUNED.shape, layers=20)), THERE),
        (TUNED, replace(THERE, size=(THERE.size or 0) + 1)),
        (TUNED, replace(THERE, quantization="Q5_K_M")),
    )
    known.fit(LLAMACPP.backend, BASE, BUILD, SEEN.machine, WISH)
    for number, (model, build) in enumerate(others, 2):
        assert known.fit(LLAMACPP.backend, model, build, SEEN.machine, WISH) == directly(model, build)
        assert len(known) == number


def test_the_models_of_one_survey_share_what_is_known() -> None:
    known = KnownFits()
    tuned = replace(TUNED, builds=(THERE,))
    for model in (replace(BASE, builds=(BUILD,)), tuned):
        assert [way.look() is not None for way in ways(SEEN, WISH, model, known)] == [True]
    assert len(known) == 1

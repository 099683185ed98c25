"""The short list decides as all candidates do, with fewer fits computed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from factories import UNREACHABLE, candidate, local
from launchpad.catalog.model import Model
from launchpad.choice.choose import Availability, Candidate, choose
from launchpad.choice.shortlist import LISTED, Way, shortlist
from launchpad.wish import Purpose, Wish

GB = 10**9
LOSSES = {1: 0.4, 2: 0.2, 3: 0.08, 4: 0.02, 5: 0.01, 8: 0.0}  # bits -> share of the quality


class Bench:
    """Candidates by model, and how often each fit was asked for."""

    def __init__(self, candidates: list[Candidate]) -> None:
        self.by_model: dict[str, list[Candidate]] = {}
        for one in candidates:
            self.by_model.setdefault(one.model.id, []).append(one)
        self.asked: Counter[str] = Counter()

    @property
    def models(self) -> list[Model]:
        return [
            replace(found[0].model, builds=tuple(one.build for one in found))
            for found in self.by_model.values()
        ]

    def ways(self, model: Model) -> list[Way]:
        def look(one: Candidate) -> Candidate:
            self.asked[one.build.ref] += 1
            return one

        return [
            Way(
                backend=one.fit.backend,
                build=one.build,
                here=one.availability.local is not None,
                quantization_loss=one.quantization_loss,
                quantization_spread=one.quantization_spread,
                look=lambda one=one: look(one),  # type: ignore[misc]
            )
            for one in self.by_model[model.id]
        ]


def machine(memory: int, rows: list[tuple[str, float | None, int, str, bool]]) -> list[Candidate]:
    """Every model in six builds on a simulated machine: what is smaller fits and is faster."""
    found = []
    for number, (name, quality, billions, thinking, obtainable) in enumerate(rows):
        for bits, loss in LOSSES.items():
            size = billions * bits * GB // 8
            runs = size <= memory
            here = (number + bits) % 11 == 0
            availability = (
                Availability(obtainable=True, local=local(name))
                if here
                else Availability(obtainable=True)
                if obtainable
                else UNREACHABLE
            )
            found.append(
                candidate(
                    f"{name}{number}",
                    quality,
                    spread=billions % 5,
                    quantization=f"Q{bits}_K",
                    size=size,
                    loss=loss,
                    thinking=thinking,
                    availability=availability,
                    verdict="fits" if runs else "no",
                    why=None if runs else f"needs {size}",
                    speed=50 * GB / size if runs else None,
                    memory=size,
                )
            )
    return found


@given(
    st.integers(2 * GB, 100 * GB),
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.one_of(st.none(), st.floats(1, 90)),
            st.integers(1, 200),
            st.sampled_from(["none", "switchable", "always"]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.sampled_from(["chat", "code", "reasoning"]),
)
def test_the_short_list_decides_as_all_candidates_do(
    memory: int, rows: list[tuple[str, float | None, int, str, bool]], purpose: Purpose
) -> None:
    candidates = machine(memory, rows)
    bench = Bench(candidates)
    wish = Wish(purpose=purpose)
    short = choose(shortlist(bench.models, wish, bench.ways), wish)
    full = choose(candidates, wish)
    assert replace(short, considered=0) == replace(full, considered=0)
    assert set(bench.asked.values()) <= {1}


def test_models_that_cannot_matter_are_not_looked_at() -> None:
    rows: list[tuple[str, float | None, int, str, bool]] = [("a", 90.0, 4, "none", True)]
    rows += [("b", 50.0, 1, "none", True)] + [("c", 20.0, 1, "none", True)] * 50
    bench = Bench(machine(60 * GB, rows))
    shortlist(bench.models, Wish(), bench.ways)
    assert {ref.split("/")[-1][0] for ref in bench.asked} == {"a", "b"}


def test_models_larger_than_all_memory_lose_without_a_look_at_first() -> None:
    rows: list[tuple[str, float | None, int, str, bool]] = [("a", 50.0, 4, "none", True)]
    rows += [("b", 80.0, 800, "none", True)] * 40
    candidates = machine(10 * GB, rows)
    bench = Bench(candidates)
    large = {model.id for model in bench.models if model.id.startswith("b")}
    found = shortlist(bench.models, Wish(), bench.ways, lambda model: model.id in large)
    assert replace(choose(found, Wish()), considered=0) == replace(choose(candidates, Wish()), considered=0)
    assert sum(n for ref, n in bench.asked.items() if "/b" in ref) <= 2 * len(large)


def test_of_very_many_too_large_models_the_best_and_the_nearest_are_listed() -> None:
    rows: list[tuple[str, float | None, int, str, bool]] = [("a", 50.0, 4, "none", True)]
    rows += [("b", 80.0 + n / 100, 1000 - n, "none", True) for n in range(500)]
    candidates = machine(6 * GB, rows)
    bench = Bench(candidates)
    found = shortlist(bench.models, Wish(), bench.ways, lambda model: model.id.startswith("b"))
    short, full = choose(found, Wish()), choose(candidates, Wish())
    assert short.pick == full.pick
    assert short.better == full.better
    assert set(short.losses) < set(full.losses)
    assert len(short.losses) <= LISTED

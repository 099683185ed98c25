"""The short list decides as all candidates do, with fewer fits computed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from factories import UNREACHABLE, candidate, local
from launchpad.catalog.model import Model
from launchpad.choose import Availability, Candidate, choose
from launchpad.shortlist import Way, shortlist
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
        return [found[0].model for found in self.by_model.values()]

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

"""Subjects to explain: the built-in fit on small machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from launchpad.catalog.model import Build, Model
from launchpad.explain.subject import Subject
from launchpad.fit import fit
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

MakeSubject = Callable[..., Subject]


@pytest.fixture
def subject() -> MakeSubject:
    """A subject whose other builds, machines and wishes are tried with the built-in fit."""

    def make(
        model: Model, build: Build, on: Machine, wish: Wish | None = None, others: Sequence[Build] = ()
    ) -> Subject:
        wish = wish or Wish()

        def attempt(other: Build, machine: Machine, wanted: Wish) -> Fit:
            return fit(model, other, machine, wanted)

        return Subject(
            model=model,
            build=build,
            machine=on,
            wish=wish,
            fit=attempt(build, on, wish),
            attempt=attempt,
            losses=dict.fromkeys((build, *others), 0.01),
        )

    return make

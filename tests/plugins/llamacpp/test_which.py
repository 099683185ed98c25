"""Which of several llama.cpps runs, and why."""

from __future__ import annotations

import pytest

from launchpad.plugins import Api, EngineDevice
from launchpad.plugins.llamacpp.program import FLOOR, Program
from launchpad.plugins.llamacpp.which import EMBEDDED, MANAGED, NAMED, best, reason, refusal


def program(owner: str, *apis: Api, build: int = 11549) -> Program:
    devices = tuple(EngineDevice(name=f"{api}0", api=api, description="A GPU") for api in apis)
    kind = "wheel" if owner in (EMBEDDED, MANAGED) else "server"
    return Program(kind=kind, argv=(owner,), version="1", build=build, owner=owner, devices=devices)  # type: ignore[arg-type]


def test_the_embedded_one_before_one_of_the_path() -> None:
    here = [program("the PATH"), program(EMBEDDED)]
    assert best(here) == here[1]
    assert reason(here[1], here) is None


def test_what_was_installed_last_before_the_embedded_one() -> None:
    here = [program(EMBEDDED), program(MANAGED, build=9000), program(MANAGED, build=10000)]
    assert best(here) == here[1]
    assert "it was installed last; --engine embedded decides otherwise" in str(reason(here[1], here))
    faster = program(MANAGED, "cuda")
    assert "it reaches A GPU by cuda;" in str(reason(faster, [program(EMBEDDED, "vulkan"), faster]))


def test_one_that_the_user_names_is_told_by_how() -> None:
    named = program(NAMED)
    assert "--engine or the setting llamacpp.program names" in str(reason(named, [named, program(EMBEDDED)]))


def test_one_that_uses_the_gpu_before_one_that_leaves_it_idle() -> None:
    here = [program(EMBEDDED), program("the PATH", "vulkan")]
    assert best(here) == here[1]
    assert "A GPU, which the embedded build leaves idle; --engine embedded decides otherwise" in str(
        reason(here[1], here)
    )


def test_the_fastest_api_then_the_nearest_then_the_newest() -> None:
    here = [program(EMBEDDED, "vulkan"), program(MANAGED, "cuda"), program("the PATH", "cuda", build=12000)]
    assert best(here) == here[1]
    assert best([program("the PATH", "vulkan"), here[0]]) == here[0]
    assert best([program("the PATH", build=9000), program("elsewhere", build=9001)]).build == 9001  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("build", "owner", "refused"),
    [(FLOOR, "the PATH", False), (FLOOR - 1, "the PATH", True), (FLOOR - 1, NAMED, True), (0, "the PATH", True),
     (0, NAMED, False)],
)  # fmt: skip
def test_what_is_too_old_is_never_used(build: int, owner: str, refused: bool) -> None:
    one = program(owner, "cuda", build=build)
    assert (refusal(one) is not None) == refused
    assert (best([one]) is None) == refused


def test_nothing_here() -> None:
    assert best([]) is None

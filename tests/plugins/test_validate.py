"""Lies are found, and the truth passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from launchpad.catalog.model import Build, LocalModel, Model, ModelFile, Quality, Shape, SlidingWindow
from launchpad.fit.result import Band, DeviceMemory, Fit, Placement, Settings, Speed, Term
from launchpad.hardware.machine import Accelerator, Machine, Memory, ProbeResult
from launchpad.plugins.spec import Backend, HardwareProbe
from launchpad.plugins.validate import (
    Invalid,
    check_arguments,
    check_fit,
    check_name,
    check_protocol,
    check_scheme,
    check_target,
    check_values,
    checked,
    checked_all,
    listed,
)
from launchpad.wish import Wish

GIB = 1 << 30
BUILD = Build(ref="hf://a/b@main:Q4", format="gguf", quantization="Q4", size=4 * GIB)
MODEL = Model(id="a/b", name="B", lab="A", lab_id="a", builds=(BUILD,))
MACHINE = Machine(
    name="simulated",
    memory=Memory(total=16 * GIB, available=12 * GIB, swap_free=8 * GIB),
    accelerators=(
        Accelerator(index=0, vendor="nvidia", name="GPU", memory_total=8 * GIB, memory_free=7 * GIB),
    ),
)
FIT = Fit(
    model_id="a/b",
    build=BUILD.ref,
    backend="echo",
    settings=Settings(context=4096),
    placement=Placement(kind="gpu"),
    devices=(
        DeviceMemory(
            device="nvidia:0", terms=(Term(name="weights", bytes=4 * GIB, basis="exact"),), free=7 * GIB
        ),
        DeviceMemory(device="cpu", terms=(), free=12 * GIB),
    ),
    verdict="fits",
    speed=Speed(decode=Band(low=10, value=20, high=30)),
)


def fit(**changes: Any) -> Fit:
    return replace(FIT, **changes)


def device(name: str, weights: int, free: int | None = None) -> tuple[DeviceMemory, ...]:
    return (
        DeviceMemory(device=name, terms=(Term(name="weights", bytes=weights, basis="exact"),), free=free),
    )


def test_an_honest_fit_passes() -> None:
    assert check_fit(FIT, MODEL, BUILD, MACHINE, Wish(), backend="echo") is FIT


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        ("fits", "instead of Fit"),
        (fit(model_id="c/d"), "model_id is 'c/d', not 'a/b'"),
        (fit(build="x"), "build is 'x'"),
        (fit(backend="other"), "backend is 'other'"),
        (fit(devices=device("nvidia:0", 1000 * GIB)), "more memory than nvidia:0 has"),
        (fit(devices=device("nvidia:0", GIB, free=9 * GIB)), "more memory than nvidia:0 has"),
        (fit(devices=device("nvidia:1", GIB)), "which this machine does not have"),
        (fit(devices=device("cpu", 17 * GIB)), "more memory than cpu has"),
        (fit(devices=device("cpu", -1)), "the negative number -1 in devices.0.terms.0.bytes"),
        (fit(speed=Speed(decode=Band(low=1, value=9, high=3))), "outside its own range"),
        (fit(speed=Speed(load=float("nan"))), "nan in speed.load"),
        (fit(speed=Speed(load=float("inf"))), "inf in speed.load"),
        (fit(settings=Settings(context="lots")), "wrong field"),  # type: ignore[arg-type]
        (fit(verdict="perfect"), "wrong field"),
        (fit(notes=("\x1b[2J",)), "a control character in notes.0"),
        (fit(why="a\nb"), "a control character in why"),
        (fit(placement=None), "wrong field"),
    ],
)
def test_a_lie_about_a_fit_is_found(lie: object, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_fit(lie, MODEL, BUILD, MACHINE, Wish(), backend="echo")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_beyond_all_memory_cannot_fit_wherever_they_are_said_to_be() -> None:
    huge = replace(BUILD, size=1000 * GIB)
    with pytest.raises(Invalid, match="bytes of weights"):
        check_fit(FIT, MODEL, huge, MACHINE, Wish(), backend="echo")


def test_swap_counts_only_when_it_is_wished() -> None:
    swapping = fit(devices=device("cpu", 20 * GIB))
    with pytest.raises(Invalid):
        check_fit(swapping, MODEL, BUILD, MACHINE, Wish(), backend="echo")
    assert check_fit(swapping, MODEL, BUILD, MACHINE, Wish(allow_swap=True), backend="echo") is swapping


def test_the_containers_limit_counts() -> None:
    contained = replace(MACHINE, memory=replace(MACHINE.memory, limit=GIB))
    with pytest.raises(Invalid):
        check_fit(fit(devices=device("cpu", 2 * GIB)), MODEL, BUILD, contained, Wish(), backend="echo")


def test_a_fit_that_says_no_may_speak_of_more_than_there_is() -> None:
    no = fit(verdict="no", why="too large", devices=device("cpu", 1000 * GIB))
    assert check_fit(no, MODEL, BUILD, MACHINE, Wish(), backend="echo") is no


def test_unknown_memory_refutes_nothing() -> None:
    unknown = Machine(name="unknown")
    claim = fit(devices=device("cpu", 1000 * GIB))
    assert check_fit(claim, MODEL, BUILD, unknown, Wish(), backend="echo") is claim


@pytest.mark.parametrize(
    "build",
    [
        Build(ref=7, format="gguf", quantization="Q4"),  # type: ignore[arg-type]
        Build(ref="x", format="exe", quantization="Q4"),  # type: ignore[arg-type]
        Build(ref="x", format="gguf", quantization="Q4", size=-5),
        Build(ref="x", format="gguf", quantization="Q4", files=(7,)),  # type: ignore[arg-type]
        Build(ref="x", format="gguf", quantization="Q4", files=(ModelFile(path="a\x00b"),)),
        Build(ref="x\u202ey", format="gguf", quantization="Q4"),
        Build(ref="x", format="gguf", quantization=object()),  # type: ignore[arg-type]
        "x",
        None,
    ],
)
def test_a_wrong_build_is_found_at_any_depth(build: object) -> None:
    with pytest.raises(Invalid):
        checked(build, Build, "x.builds")


def test_data_that_nests_for_ever_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Invalid, match="too deeply"):
        check_values(endless, "x")


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20)
)
def test_any_data_passes_or_is_refused(data: object) -> None:
    try:
        check_values(data, "x")
    except Invalid as problem:
        assert str(problem).startswith("x returned ")


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "a.b", "a\n", "ä", 7, None, "a" * 65])
def test_names(name: object) -> None:
    with pytest.raises(Invalid):
        check_name(name)
    assert check_name("a-b_1") == "a-b_1"


def test_schemes_and_targets() -> None:
    assert check_scheme("git+ssh") == "git+ssh"
    assert check_target("a.b:c.d") == "a.b:c.d"
    for bad in ("", "HF", "hf:", "hf://", 7):
        with pytest.raises(Invalid):
            check_scheme(bad)
    for bad in ("", "a", "a:", ":b", "a:b:c", "../a:b", 7):
        with pytest.raises(Invalid):
            check_target(bad)


class Probe:
    name = "probe"

    def probe(self) -> ProbeResult:
        return ProbeResult()


class Explosive:
    @property
    def name(self) -> str:
        raise SystemExit("read")

    def probe(self) -> ProbeResult:
        return ProbeResult()


class NeedsMore:
    name = "probe"

    def probe(self, deep: bool) -> ProbeResult:
        return ProbeResult()


class NotAMethod:
    name = "probe"
    probe = 7


def test_protocols() -> None:
    check_protocol(Probe(), HardwareProbe)
    check_protocol(Explosive(), HardwareProbe)  # properties are not run


@pytest.mark.parametrize(
    ("thing", "protocol", "complaint"),
    [
        (object(), HardwareProbe, "lacks name, probe"),
        (Probe, HardwareProbe, "is a class"),
        (Probe(), Backend, "lacks capabilities, status, builds, fit, arguments, local, launch"),
        (NeedsMore(), HardwareProbe, "cannot be called as probe()"),
        (NotAMethod(), HardwareProbe, "NotAMethod.probe is not a method"),
        (None, HardwareProbe, "lacks"),
    ],
)
def test_what_a_protocol_lacks_is_named(thing: object, protocol: type, complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_protocol(thing, protocol)
    assert complaint in str(caught.value)


def test_listed() -> None:
    assert listed(iter("ab"), "x", 2) == ["a", "b"]
    for bad in ("ab", b"ab", {"a": 1}, 7, None):
        with pytest.raises(Invalid, match="instead of a sequence"):
            listed(bad, "x", 9)
    with pytest.raises(Invalid, match="more than 2 items"):
        listed(range(3), "x", 2)


def test_arguments_are_plain_and_copied() -> None:
    mine: dict[str, Any] = {"context": 1, "seed": -1, "name": "x", "on": True, "rate": 0.5}
    copy = check_arguments(mine, "x")
    assert copy == mine
    assert copy is not mine
    for bad in ([("a", 1)], {"a": None}, {1: "a"}, {"a": ["b"]}, {"a": "\x1b"}, {"a": float("nan")}):
        with pytest.raises(Invalid):
            check_arguments(bad, "x")


def test_many_values_are_judged_as_each_by_itself() -> None:
    from factories import model
    from launchpad.catalog.model import Model
    from launchpad.plugins.validate import checked_all

    good = [model(f"m{number}", lab="Ünïcode “quoted”") for number in range(2500)]
    assert checked_all(good, Model, "models") == tuple(good)
    for field, value in (
        ("lab", "bad\x1b[31m"),
        ("lab", "bad\x85"),
        ("lab", "bad\u202e"),
        ("lab", "bad\x7f"),
        ("context", -1),
        ("context", "many"),
        ("parameters", float("nan")),
        ("parameters", float("inf")),
    ):
        with pytest.raises(Invalid):
            checked_all([*good, model("odd", **{field: value})], Model, "models")
    with pytest.raises(Invalid):
        checked_all([*good, "a string"], Model, "models")


@pytest.mark.parametrize(
    "bad",
    [
        replace(MODEL, id="bad", parameters=-1.0),
        replace(MODEL, id="bad", quality=Quality(value=-0.5, spread=1.0)),
        replace(MODEL, id="bad", quality=Quality(value=50.0, spread=float("nan"))),
        replace(MODEL, id="bad", shape=Shape(layers=-2)),
        replace(MODEL, id="bad", shape=Shape(window=SlidingWindow(window=1, global_layers=(0, -1)))),
        replace(MODEL, id="bad", builds=(replace(BUILD, size=-1),)),
        replace(MODEL, id="bad", name="\x1b[2J"),
        replace(MODEL, id="bad", name="a\u202eb"),
        replace(MODEL, id="bad", name=7),
    ],
)
def test_one_bad_model_among_many_is_found(bad: Model) -> None:
    many = [replace(MODEL, id=f"m-{i}") for i in range(1500)]
    assert checked_all(many, Model, "models") == tuple(many)
    with pytest.raises(Invalid, match="models returned a"):
        checked_all([*many, bad], Model, "models")


@pytest.mark.parametrize("kind", [Model, LocalModel])
def test_no_figure_of_what_comes_in_great_numbers_can_be_negative(kind: type[msgspec.Struct]) -> None:
    """The quick check of many values relies on it."""
    figures = list(_figures(msgspec.inspect.type_info(kind)))
    assert figures
    assert [name for name, least in figures if least != 0] == []


def _figures(kind: Any, name: str = "it") -> Iterator[tuple[str, float | None]]:
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        yield name, kind.ge
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _figures(field.type, f"{kind.cls.__name__}.{field.name}")
    elif isinstance(kind, msgspec.inspect.UnionType):
        for part in kind.types:
            yield from _figures(part, name)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from _figures(kind.item_type, name)

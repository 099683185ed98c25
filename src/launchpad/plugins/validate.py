"""What plugins may hand over: types by protocol, plain names, figures that can be true. PURE apart from what it is given.

Each check returns or raises `Invalid` with one line that a plugin's author can act on. The host and the conformance
kit (`launchpad.testing`) use the same checks.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from launchpad.catalog.model import Build, Model
from launchpad.fit.result import DeviceMemory, Fit
from launchpad.hardware.machine import Machine
from launchpad.wish import Wish

S = TypeVar("S", bound=Struct)

MAX_OBJECTS = 100
"""Most objects that one hook may return."""
MAX_ITEMS = 10_000
"""Most items (builds, local models) that one call may return."""
MAX_MODELS = 200_000
"""Most models of one catalog."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DEPTH = 32


class Invalid(Exception):
    """What a plugin returned cannot be used; the text says why, in one line."""


# -- objects ----------------------------------------------------------------------------------------------------


def check_name(name: object, what: str = "name") -> str:
    """`name` itself when it is short, lower-case and plain."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Invalid(f"its {what} {_short(name)} is not of the form [a-z0-9][a-z0-9_-]*")
    return name


def check_scheme(scheme: object) -> str:
    """`scheme` itself when it can stand before `://`."""
    if not isinstance(scheme, str) or not _SCHEME.fullmatch(scheme):
        raise Invalid(f"its scheme {_short(scheme)} is not a URI scheme")
    return scheme


def check_target(target: object) -> str:
    """`target` itself when it is of the form "module:attribute"."""
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise Invalid(f"its target {_short(target)} is not of the form module:attribute")
    return target


def check_protocol(thing: object, protocol: type) -> None:
    """Every member of the protocol is there, and methods take the protocol's arguments.

    Attributes are looked up without running properties.
    """
    if isinstance(thing, type):
        raise Invalid(f"{thing.__name__} is a class; hand over an instance of it")
    members = _members(protocol)
    missing = [name for name in members if not _has(thing, name)]
    if missing:
        raise Invalid(f"{type(thing).__name__} is no {protocol.__name__}: it lacks {', '.join(missing)}")
    for name, signature in members.items():
        if signature is not None:
            _check_call(thing, name, signature)


def listed(result: object, what: str, limit: int) -> list[Any]:
    """The result as a list of at most `limit` items."""
    if isinstance(result, str | bytes | Mapping) or not isinstance(result, Iterable):
        raise Invalid(f"{what} returned {_kind(result)} instead of a sequence")
    items = list(islice(result, limit + 1))
    if len(items) > limit:
        raise Invalid(f"{what} returned more than {limit:,} items")
    return items


@cache
def _members(protocol: type) -> dict[str, inspect.Signature | None]:
    """The protocol's public members; a signature for methods, None for attributes."""
    return {
        name: inspect.signature(value) if inspect.isfunction(value) else None
        for name, value in vars(protocol).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    }


def _has(thing: object, name: str) -> bool:
    try:
        inspect.getattr_static(thing, name)
    except AttributeError:
        return False
    return True


def _check_call(thing: object, name: str, expected: inspect.Signature) -> None:
    method = getattr(thing, name)
    if not callable(method):
        raise Invalid(f"{type(thing).__name__}.{name} is not a method")
    try:
        actual = inspect.signature(method)
    except (TypeError, ValueError):
        return  # some callables written in C do not say
    arguments = list(expected.parameters)[1:]
    try:
        actual.bind(*arguments)
    except TypeError:
        raise Invalid(
            f"{type(thing).__name__}.{name}{actual} cannot be called as {name}({', '.join(arguments)})"
        ) from None


# -- data -------------------------------------------------------------------------------------------------------


def checked(value: object, type_: type[S], what: str, *, signed: bool = False) -> S:
    """`value` when it is a `type_` whose every field, at any depth, has its type and a possible value.

    Structs do not check their fields when they are made: this does. Strings hold no control characters, numbers are
    finite and (unless `signed`) not negative.
    """
    if not isinstance(value, type_):
        raise Invalid(f"{what} returned {_kind(value)} instead of {type_.__name__}")
    try:
        msgspec.convert(msgspec.to_builtins(value), type_)
    except (msgspec.ValidationError, TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"{what} returned a {type_.__name__} with a wrong field: {error}") from None
    check_values(value, what, signed=signed)
    return value


_MANY = 1000  # values that are looked at together
# What JSON text holds when something in it is odd: an escape, DEL. Plain searches, for their speed. A negative number
# needs none: the types of what comes in great numbers allow none, so that it does not read back.
_ODD = (b"\\", b"\x7f")


def checked_all(values: Iterable[object], type_: type[S], what: str) -> tuple[S, ...]:
    """`checked` for many values at once: one by one only where something about their text is odd."""
    every = list(values)
    found: list[S] = []
    for start in range(0, len(every), _MANY):
        some = every[start : start + _MANY]
        if _are_plain(some, type_):
            found += some  # type: ignore[arg-type]
        else:
            found += [checked(value, type_, what) for value in some]
    return tuple(found)


def _are_plain(values: list[object], type_: type[Struct]) -> bool:
    """Whether their text reads back as the same values and holds nothing odd. Not finite numbers read back as none."""
    if not all(isinstance(value, type_) for value in values):
        return False
    try:
        text = msgspec.json.encode(values)
        odd = any(sign in text for sign in _ODD) or not (
            text.isascii() or _CONTROL.search(text.decode()) is None
        )
        return not odd and msgspec.json.decode(text, type=list[type_]) == values  # type: ignore[valid-type]
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return False


def check_values(value: object, what: str, *, signed: bool = False) -> None:
    """No control characters, no infinite and (unless `signed`) no negative numbers anywhere in `value`."""
    problem = _problem(value, signed, _DEPTH)
    if problem is not None:
        path, text = problem
        raise Invalid(f"{what} returned {text}" + (f" in {path.lstrip('.')}" if path else ""))


def _problem(value: object, signed: bool, depth: int) -> tuple[str, str] | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return ("", "a control character") if _CONTROL.search(value) else None
    if isinstance(value, int | float):
        return _number_problem(value, signed)
    if depth == 0:
        return "", "data that is nested too deeply"
    for key, item in _children(value):
        if found := _problem(item, signed, depth - 1):
            return f"{key}{found[0]}", found[1]
    return None


def _number_problem(value: float, signed: bool) -> tuple[str, str] | None:
    if not math.isfinite(value):
        return "", f"{value}"
    return ("", f"the negative number {value}") if value < 0 and not signed else None


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield f".{name}", getattr(value, name)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield f".{key}", key
            yield f".{key}", item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            yield f".{index}", item


def check_arguments(arguments: object, what: str) -> dict[str, Any]:
    """A copy of engine arguments: plain words, numbers and switches by name."""
    if not isinstance(arguments, dict):
        raise Invalid(f"{what} returned {_kind(arguments)} instead of a dict")
    for name, value in arguments.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool):
            raise Invalid(
                f"{what} returned {_short(name)} = {_kind(value)}: only str, int, float and bool can be passed"
            )
        if name.strip("-").replace("_", "-").lower() == "trust-remote-code":
            raise Invalid(
                f"{what} returned {_short(name)}: only the user can let a model run code of its own"
            )
    check_values(arguments, what, signed=True)
    return dict(arguments)


# -- fits -------------------------------------------------------------------------------------------------------


def check_fit(fit: object, model: Model, build: Build, machine: Machine, wish: Wish, *, backend: str) -> Fit:
    """`fit` when it speaks of this model, build and backend and claims nothing that the machine cannot hold."""
    what = f"{backend}.fit"
    found = checked(fit, Fit, what)
    for name, is_, should in (
        ("model_id", found.model_id, model.id),
        ("build", found.build, build.ref),
        ("backend", found.backend, backend),
    ):
        if is_ != should:
            raise Invalid(f"{what} returned a Fit whose {name} is {_short(is_)}, not {_short(should)}")
    for band in (found.speed.decode, found.speed.prefill):
        if band is not None and not band.low <= band.value <= band.high:
            raise Invalid(
                f"{what} returned a speed {band.value:g} outside its own range {band.low:g} to {band.high:g}"
            )
    if found.runs:
        for device in found.devices:
            _check_device(device, machine, wish, what)
        _check_weights(build, machine, wish, what)
    return found


def _check_device(device: DeviceMemory, machine: Machine, wish: Wish, what: str) -> None:
    sizes = _capacities(machine, wish)
    if device.device not in sizes:
        raise Invalid(f"{what} places layers on {_short(device.device)}, which this machine does not have")
    size = sizes[device.device]
    if size is not None and max(device.total, device.free or 0) > size:
        raise Invalid(f"{what} counts on more memory than {device.device} has ({size:,} bytes)")


def _check_weights(build: Build, machine: Machine, wish: Wish, what: str) -> None:
    """Weights of known size cannot run where all memories together are smaller."""
    sizes = list(_capacities(machine, wish).values())
    known = [size for size in sizes if size is not None]
    if build.size is not None and len(known) == len(sizes) and build.size > sum(known):
        raise Invalid(
            f"{what} says that {build.size:,} bytes of weights fit into {sum(known):,} bytes of memory"
        )


def _capacities(machine: Machine, wish: Wish) -> dict[str, int | None]:
    """All memory of each device by its name in a fit, in bytes; None = unknown."""
    memory = machine.memory
    main = min((size for size in (memory.limit, memory.total) if size is not None), default=None)
    if main is not None and wish.allow_swap:
        main += memory.swap_free or 0
    devices = {f"{a.vendor}:{a.index}": a.memory_total for a in machine.accelerators}
    others = machine.cluster.nodes[1:] if machine.cluster else ()
    remote = {f"{n.name}/{a.vendor}:{a.index}": a.memory_total for n in others for a in n.accelerators}
    return {"cpu": main, **devices, **remote}


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

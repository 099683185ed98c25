"""Facts about a model as JSON, one record per model: PURE. docs/reference/model-facts.md lists the fields.

`shape` reads the `architecture` of a record; `described` makes a whole model of a file that a user wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model, Moe, MultiHeadLatent, Recurrent, Shape, SlidingWindow
from launchpad.errors import UsageError

Record = Mapping[str, Any]

GIB = 1 << 30
LONGEST_FACTS = 1 << 22  # bytes
LARGEST_FIGURE = 1 << 31
MOST_LAYERS = 1024
USUAL_QUANTIZATIONS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M")

_MIXERS = {
    "gated-deltanet": "gated_delta_net",
    "kimi-delta-attention": "kda",
    "lightning-attention": "lightning",
    "mamba1": "mamba",
    "mamba2": "mamba2",
    "short-conv": "short_conv",
}


def shape(facts: Record, additions: Record | None = None) -> Shape:
    """The shape that the `architecture` of a record states. Raises `msgspec.ValidationError`."""
    fields = {name: facts.get(name) for name in Shape.__struct_fields__}
    fields |= {
        "architecture": facts.get("llama_cpp") or facts.get("architecture"),
        "mla": _part(facts.get("mla"), MultiHeadLatent),
        "window": _part(facts.get("sliding_window"), SlidingWindow),
        "recurrent": _recurrent(facts.get("hybrid")),
        "moe": _part(facts.get("moe"), Moe),
        **(additions or {}),
    }
    return msgspec.convert({name: value for name, value in fields.items() if value is not None}, Shape)


def _part(facts: Record | None, kind: type[msgspec.Struct]) -> dict[str, Any] | None:
    """The facts that `kind` has fields for."""
    if facts is None:
        return None
    return {name: facts[name] for name in kind.__struct_fields__ if facts.get(name) is not None}


def _recurrent(facts: Record | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    kind = str(facts.get("kind"))
    renamed = {**facts, "kind": _MIXERS.get(kind, kind), "conv_l_cache": facts.get("conv_L_cache")}
    return _part(renamed, Recurrent)


_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
_Bytes = Annotated[int, msgspec.Meta(gt=0, lt=1 << 60)]


class _Quant(msgspec.Struct, frozen=True, kw_only=True):
    quant: str
    size_bytes: _Bytes | None = None
    size_gib_rounded: _Positive | None = None


class _Repository(msgspec.Struct, frozen=True, kw_only=True):
    quants: list[_Quant] | None = None


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a record that a fit needs; everything else in it is left alone."""

    architecture: dict[str, Any]
    id: str | None = None
    name: str | None = None
    lab: str | None = None
    params_total_b: _Positive | None = None
    params_active_b: _Positive | None = None
    params_exact: _Bytes | None = None
    max_context: Annotated[int, msgspec.Meta(gt=0, lt=LARGEST_FIGURE)] | None = None
    quantization: str | None = None
    size_bytes: _Bytes | None = None
    gguf: list[_Repository] | None = None


def described(text: bytes, ref: str) -> Model:
    """The model that a JSON text describes: a record, an array with one record, or its `architecture` alone.

    `ref` is where the text is from; its builds are those of `quantization` and `size_bytes` in it, else those that
    the record lists, else the usual quantizations at their usual sizes. Raises `UsageError`.
    """
    try:
        record = msgspec.convert(_record(text), Described)
        found = shape(record.architecture)
    except msgspec.ValidationError as error:
        raise _bad(f"A field is not of its type: {error}.") from error
    except (TypeError, AttributeError) as error:
        raise _bad("A part of it that should be an object is something else.") from error
    _check(found)
    model = Model(
        id=record.id or "described",
        name=record.name or record.id or "a described model",
        lab=record.lab or "described",
        lab_id="described",
        parameters=record.params_exact or _billions(record.params_total_b),
        parameters_active=_billions(record.params_active_b),
        shape=found,
        context=record.max_context,
    )
    return replace(model, builds=tuple(_builds(record, model, ref)))


def _record(text: bytes) -> dict[str, Any]:
    if len(text) > LONGEST_FACTS:
        raise _bad(f"It has {len(text):,} bytes.")
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _bad(f"It is not JSON: {str(error)[:120]}.") from error
    if isinstance(data, list):
        if len(data) != 1:
            raise _bad(f"It is an array of {len(data)} records, and one is wanted.")
        data = data[0]
    if not isinstance(data, dict):
        raise _bad("It is not an object.")
    # The architecture alone: what is not of it may stand beside its fields.
    return (
        data
        if "architecture" in data and isinstance(data["architecture"], dict)
        else {**data, "architecture": data}
    )


def _billions(value: float | None) -> float | None:
    return None if value is None else value * 1e9


def _check(found: Shape) -> None:
    """Refuse figures that no network has: arithmetic on them would tell nothing."""
    if not found.layers or not found.hidden_size:
        raise _bad("`layers` and `hidden_size` are needed at the least.")
    if found.layers > MOST_LAYERS:
        raise _bad(f"It claims {found.layers} layers.")
    for name, value in _figures(msgspec.to_builtins(found)):
        if not 0 <= value < LARGEST_FIGURE:
            raise _bad(f"{name} is {value}.")


def _figures(value: Any, name: str = "it") -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _figures(inner, key)
    elif isinstance(value, list | tuple):
        if len(value) > MOST_LAYERS:
            raise _bad(f"{name} has {len(value)} entries.")
        for inner in value:
            yield from _figures(inner, name)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value


def _builds(record: Described, model: Model, ref: str) -> Iterator[Build]:
    sizes: dict[str, tuple[int | None, bool]] = {}
    if record.quantization or record.size_bytes:
        sizes[record.quantization or "unknown"] = (record.size_bytes, record.size_bytes is not None)
    else:
        sizes = dict(_listed(record))
        if not sizes and model.parameters:
            sizes = dict.fromkeys(USUAL_QUANTIZATIONS, (None, False))
    if not sizes:
        raise _bad(
            "Neither `quantization` and `params_total_b` nor `size_bytes` says how large the weights are."
        )
    for quantization, (size, exact) in sizes.items():
        yield Build(
            ref=f"{ref}:{quantization}", format="gguf", quantization=quantization, size=size, size_exact=exact
        )


def _listed(record: Described) -> Iterator[tuple[str, tuple[int | None, bool]]]:
    """Each quantization once: exact sizes before rounded ones, the repositories in their order."""
    offers = [file for entry in record.gguf or () for file in entry.quants or ()]
    seen: set[str] = set()
    for file in sorted(offers, key=lambda file: file.size_bytes is None):
        name = file.quant.upper()
        if name not in seen:
            seen.add(name)
            rounded = round(file.size_gib_rounded * GIB) if file.size_gib_rounded else None
            yield name, (file.size_bytes or rounded, file.size_bytes is not None)


def _bad(why: str) -> UsageError:
    return UsageError(
        "The description of the model cannot be used.",
        why=why,
        hint="Write a record with `architecture` (layers, hidden_size, kv_heads, …), `quantization` and `size_bytes`.",
    )

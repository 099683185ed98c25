"""Records of facts -> `launchpad.catalog.model.Model`, field by field. Unknown stays unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import catalog_ffn
import msgspec

from launchpad.catalog import facts
from launchpad.catalog.model import Capabilities, License, Model

Record = Mapping[str, Any]

_LICENSE_KINDS = {
    "osi-open": "osi",
    "permissive-not-osi": "permissive",
    "commercial-with-conditions": "conditions",
    "restricted-noncommercial": "noncommercial",
    "own-licence-unclassified": "own",
}
_EXACT_WITHIN = 0.02  # a stored count further than this from the published total counts packed bytes


def model(record: Record, shape_additions: Mapping[str, Any]) -> Model:
    """The catalog entry of one record, without builds, aliases and quality."""
    entry = _plain_model(record, shape_additions)
    if entry.shape.ffn is not None:
        return entry
    length = catalog_ffn.solve(entry, record["params_exact"])
    return msgspec.structs.replace(entry, shape=msgspec.structs.replace(entry.shape, ffn=length))


def _plain_model(record: Record, shape_additions: Mapping[str, Any]) -> Model:
    return Model(
        id=record["id"],
        name=record["name"],
        lab=record["lab"],
        lab_id=record["lab_id"],
        country=record["country"],
        family=record["family"],
        released=record["release_date"],
        license=_license(record["licence"]),
        parameters=_parameters(record),
        parameters_active=_active(record),
        shape=facts.shape(record["architecture"], shape_additions),
        context=record["max_context"],
        modalities=tuple(record["modalities_in"]),
        capabilities=_capabilities(record["capabilities"]),
        hf_repo=record["hf_repo"],
    )


def _license(terms: Record) -> License:
    return License(
        id=terms["key"],
        name=terms["name"],
        spdx=terms["spdx"],
        kind=None if terms["class"] is None else _LICENSE_KINDS[terms["class"]],  # type: ignore[arg-type]  # checked by the schema
        commercial=terms["commercial_use"],
        verified=bool(terms["verified"]),
    )


def _parameters(record: Record) -> float:
    total = float(record["params_total_b"]) * 1e9
    exact = record["params_exact"]
    return float(exact) if exact and abs(exact / total - 1) < _EXACT_WITHIN else total


def _active(record: Record) -> float | None:
    active = record["params_active_b"]
    if active is None:
        return None
    if active == record["params_total_b"]:
        return _parameters(record)
    return float(active) * 1e9


def _capabilities(stated: Record) -> Capabilities:
    return Capabilities(
        tools=stated["tools"],
        thinking=stated["thinking"],
        vision=stated["vision"],
        audio=stated["audio"],
        code=stated["code_specialised"],
        multilingual=stated["multilingual"],
    )


_QUANT_SUFFIX = re.compile(
    r"(^|[-:_])(q\d|fp16|bf16|f16|f32|int4|int8|mxfp|nvfp|mlx|iq\d|[a-z0-9-]*-qat$)", re.IGNORECASE
)


def aliases(record: Record) -> tuple[str, ...]:
    """Other names that people type: Ollama's base tags and the name of the original repository."""
    names = [record["hf_repo"].partition("/")[2]]
    for tag in record["ollama"] or ():
        name, _, label = tag["tag"].partition(":")
        if label and not _QUANT_SUFFIX.search(label):
            names.append(tag["tag"])
            if label == "latest":
                names.append(name)
    return tuple(dict.fromkeys(name.lower() for name in names if name.lower() != record["id"]))


def unique_aliases(models: list[Model]) -> list[Model]:
    """Drop each alias that two models share or that is another model's id: it would name neither."""
    ids = {entry.id for entry in models}
    owners: dict[str, int] = {}
    for entry in models:
        for name in entry.aliases:
            owners[name] = owners.get(name, 0) + 1
    return [
        msgspec.structs.replace(
            entry, aliases=tuple(name for name in entry.aliases if owners[name] == 1 and name not in ids)
        )
        for entry in models
    ]

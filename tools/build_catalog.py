"""Build the packaged catalog from a file of facts: `python tools/build_catalog.py FACTS OUTPUT_DIR`.

FACTS is a JSON array with one object per model variant. OUTPUT_DIR receives

* `models.json`     what launchpad reads at every start: one line per model
* `evidence.jsonl`  what it reads on demand: scores with source and date, license evidence, remarks
* `labs.json`       the labs, also those without open weights

The same input gives the same bytes. Facts that do not fit the schema stop the build with the record's id.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import catalog_builds
import catalog_records
import msgspec
import quality_fit
import quality_rate
import quality_scores

from launchpad.catalog.load import Lab
from launchpad.catalog.model import Build, Defaults, Model, Quality
from launchpad.catalog.packed import SCHEMA, PackedBuilds, PackedModel

Record = Mapping[str, Any]

ADDITIONS = Path(__file__).with_name("catalog_additions.toml")
START_LIMIT = 600_000  # bytes of models.json: it is read at every start

_EVIDENCE = (
    "id",
    "scores",
    "release_date_source",
    "params_evidence",
    "params_exact_source",
    "derived_fields",
    "notes",
)


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("facts", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    records = sorted(json.loads(arguments.facts.read_text("utf-8")), key=lambda record: record["id"])
    files = build(records, tomllib.loads(ADDITIONS.read_text("utf-8")))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (arguments.output / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
    return 0


def build(records: list[Record], additions: Mapping[str, Any]) -> dict[str, bytes]:
    """File name -> content."""
    models = _models(records, additions)
    packed = [
        PackedModel(model=entry, builds=_with_additions(record, additions))
        for entry, record in zip(models, records, strict=True)
    ]
    content = _models_file(_date(records), packed)
    if len(content) > START_LIMIT:
        sys.exit(f"models.json has {len(content):,} bytes; at most {START_LIMIT:,} are read at every start")
    return {
        "models.json": content,
        "evidence.jsonl": b"".join(_line(_evidence(record)) + b"\n" for record in records),
        "labs.json": msgspec.json.format(msgspec.json.encode(_labs(records, additions)), indent=1) + b"\n",
    }


def _models(records: list[Record], additions: Mapping[str, Any]) -> list[Model]:
    ids = {record["id"] for record in records}
    if len(ids) < len(records):
        sys.exit("two records have the same id")
    shapes = additions.get("shape", {})
    defaults = additions.get("defaults", {})
    named = {entry["model"] for entry in additions.get("builds", ())} | set(shapes) | set(defaults)
    if unknown := named - ids:
        print(
            f"catalog_additions.toml names models without facts: {', '.join(sorted(unknown))}",
            file=sys.stderr,
        )
    quality = rate(records)
    models = []
    for record in records:
        try:
            entry = catalog_records.model(record, shapes.get(record["id"], {}))
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            sys.exit(f"{record['id']}: {type(error).__name__}: {error}")
        models.append(
            msgspec.structs.replace(
                entry,
                aliases=catalog_records.aliases(record),
                quality=quality.get(record["id"]),
                defaults=msgspec.convert(defaults.get(record["id"]), Defaults | None),
            )
        )
    return catalog_records.unique_aliases(models)


def rate(records: Iterable[Record]) -> dict[str, Quality]:
    """Quality of every model with enough evidence; see docs/explanation/quality.md."""
    fitted = quality_fit.fit(quality_fit.usable(quality_scores.observations(records)))
    thinking = {record["id"]: record["capabilities"]["thinking"] for record in records}
    return {
        model: _quality(rating, thinking[model]) for model, rating in quality_rate.ratings(fitted).items()
    }


def _quality(rating: quality_rate.Rating, thinking: str | None) -> Quality:
    fast = rating.value if thinking == "none" else rating.value_fast
    return Quality(
        value=round(rating.value, 1),
        spread=round(rating.spread, 1),
        value_fast=None if fast is None else round(fast, 1),
        measurements=rating.scores,
        sources=rating.parties,
        **{name: round(value, 1) for name, value in rating.purposes.items()},
    )


def _with_additions(record: Record, additions: Mapping[str, Any]) -> PackedBuilds:
    own = [
        {key: value for key, value in entry.items() if key != "model"}
        for entry in additions.get("builds", ())
        if entry["model"] == record["id"]
    ]
    return msgspec.structs.replace(
        catalog_builds.builds(record), more=tuple(msgspec.convert(entry, Build) for entry in own)
    )


def _date(records: Iterable[Record]) -> str:
    """The newest full date in the facts: of a score, a list of files or a library listing."""
    lists = ("scores", "gguf", "ollama")
    dates = (entry["date"] for record in records for name in lists for entry in record[name] or ())
    return max(str(date) for date in dates if date and len(date) == 10)


def _models_file(date: str, packed: Iterable[PackedModel]) -> bytes:
    lines = b",\n".join(msgspec.json.encode(entry) for entry in packed)
    return b'{"schema":%d,"date":"%s","models":[\n%s\n]}\n' % (SCHEMA, date.encode(), lines)


def _evidence(record: Record) -> dict[str, Any]:
    kept = {name: record[name] for name in _EVIDENCE if record[name] is not None}
    if scores := kept.get("scores"):
        kept["scores"] = [{k: v for k, v in score.items() if v is not None} for score in scores]
    kept["thinking"] = record["capabilities"]["thinking"]
    kept["license_evidence"] = record["licence"]["evidence"]
    kept["architecture_source"] = record["architecture"]["source"]
    kept["architecture_notes"] = record["architecture"]["notes"]
    return {name: value for name, value in kept.items() if value is not None}


# A running number in somebody's index means nothing to a reader: say what it stands for.
_NUMBERED = re.compile(r"indexed files? \d+(?:(?:, | and )\d{6,})*", re.IGNORECASE)


def _line(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _NUMBERED.sub("a public file, second hand", text).encode()


def _labs(records: Iterable[Record], additions: Mapping[str, Any]) -> list[Lab]:
    labs = {
        record["lab_id"]: Lab(id=record["lab_id"], name=record["lab"], country=record["country"])
        for record in records
    }
    for entry in additions.get("labs", ()):
        known = labs.get(entry["id"])
        if known is None and "name" not in entry:
            continue  # a remark on a lab of which these facts know nothing
        labs[entry["id"]] = (
            msgspec.convert(entry, Lab)
            if known is None
            else msgspec.structs.replace(known, remark=entry["remark"])
        )
    return [labs[name] for name in sorted(labs)]


if __name__ == "__main__":
    sys.exit(main())

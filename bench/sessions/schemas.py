"""Fifty JSON Schemas as people write them: what an answer's form may be, from a flag to a nested order."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "maxLength": 40}
WHOLE: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
COLOR: Schema = {"enum": ["red", "green", "blue"]}


def record(required: bool = True, closed: bool = True, **fields: Schema) -> Schema:
    """An object with these fields."""
    return of_fields(fields, required=required, closed=closed)


def of_fields(fields: Schema, *, required: bool = True, closed: bool = True) -> Schema:
    """The same, for names that are no words of Python."""
    schema: Schema = {"type": "object", "properties": fields}
    if required:
        schema["required"] = list(fields)
    if closed:
        schema["additionalProperties"] = False
    return schema


def several(item: Schema, least: int = 1, most: int = 3) -> Schema:
    """A list of them."""
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


PERSON = record(name=TEXT, age=WHOLE)
PLACE = record(city=TEXT, country=TEXT)
LINE = record(item=TEXT, count=WHOLE, price=NUMBER)

SCHEMAS: dict[str, Schema] = {
    "text": record(answer=TEXT),
    "whole number": record(n=WHOLE),
    "number": record(x=NUMBER),
    "flag": record(ok=FLAG),
    "enum": record(color=COLOR),
    "enum of numbers": record(n={"enum": [1, 2, 3]}),
    "mixed enum": record(v={"enum": ["a", 1, None, True]}),
    "const": record(kind={"const": "invoice"}, n=WHOLE),
    "null": record(nothing={"type": "null"}),
    "nullable": record(name={"type": ["string", "null"], "maxLength": 40}),
    "several types": record(v={"type": ["integer", "boolean"]}),
    "any of": record(v={"anyOf": [WHOLE, COLOR]}),
    "one of": record(v={"oneOf": [{"type": "boolean"}, COLOR]}),
    "two fields": PERSON,
    "five fields": record(a=TEXT, b=WHOLE, c=NUMBER, d=FLAG, e=COLOR),
    "ten flags": of_fields({f"f{n}": FLAG for n in range(10)}),
    "optional fields": record(required=False, name=TEXT, age=WHOLE),
    "one is required": {**record(required=False, name=TEXT, age=WHOLE), "required": ["name"]},
    "open object": record(closed=False, name=TEXT),
    "any object": {"type": "object", "maxProperties": 3},
    "map of numbers": {"type": "object", "additionalProperties": WHOLE, "maxProperties": 3},
    "list of texts": several(TEXT),
    "list of numbers": several(NUMBER),
    "list of flags": several(FLAG, 2, 2),
    "list of enums": several(COLOR, 3, 3),
    "list of records": several(PERSON, 1, 2),
    "list of lists": several(several(WHOLE, 2, 2), 2, 2),
    "empty or not": several(TEXT, 0, 2),
    "tuple": {"type": "array", "prefixItems": [TEXT, WHOLE], "minItems": 2, "maxItems": 2, "items": False},
    "list in a record": record(tags=several(TEXT)),
    "record in a record": record(person=PERSON, place=PLACE),
    "three deep": record(a=record(b=record(c=FLAG))),
    "list of orders": record(lines=several(LINE, 1, 2)),
    "order": record(customer=PERSON, lines=several(LINE, 1, 2), paid=FLAG),
    "reference": {"$defs": {"p": PERSON}, **record(a={"$ref": "#/$defs/p"}, b={"$ref": "#/$defs/p"})},
    "recursive": {
        "$defs": {"node": record(required=False, value=WHOLE, next={"$ref": "#/$defs/node"})},
        "$ref": "#/$defs/node",
    },
    "all of": {"allOf": [{"type": "object", "properties": {"a": TEXT}, "required": ["a"]}]},
    "short text": record(code={"type": "string", "minLength": 3, "maxLength": 3}),
    "pattern": record(id={"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"}),
    "date": record(day={"type": "string", "format": "date"}),
    "small range": record(stars={"type": "integer", "minimum": 1, "maximum": 5}),
    "negative range": record(t={"type": "integer", "minimum": -20, "maximum": -1}),
    "above": record(n={"type": "integer", "exclusiveMinimum": 9, "maximum": 99}),
    "share": record(p={"type": "number", "minimum": 0, "maximum": 1}),
    "sentiment": record(label={"enum": ["positive", "negative", "neutral"]}, why=TEXT),
    "extraction": record(people=several(TEXT, 0, 3), places=several(TEXT, 0, 3)),
    "verdict": record(score={"type": "integer", "minimum": 1, "maximum": 10}, reason=TEXT),
    "translations": record(en=TEXT, fr=TEXT, de=TEXT),
    "keys with spaces": of_fields({"first name": TEXT, "größe": WHOLE}),
    "list at the top": several(PLACE, 1, 2),
}

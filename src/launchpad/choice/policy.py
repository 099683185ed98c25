"""What a company allows on its machines: PURE. The file is described in docs/reference/policy.md.

    [allow]                        # where a list is given, nothing else is allowed
    licenses = ["osi"]
    [deny]                         # and of that, never these
    countries = ["XX"]
    models = ["*-uncensored*"]

What is not known is not allowed: a model without a known license does not pass `allow.licenses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.model import Build, Model
from launchpad.catalog.select import allows
from launchpad.errors import ConfigError, RefusedError

_KINDS = ("licenses", "countries", "labs", "models", "sources", "formats")


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file. None: the list is not given; an empty list under `allow` allows nothing."""

    licenses: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    labs: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None


class Policy(Struct, frozen=True, kw_only=True):
    """The rules, the name of their file, and the line of each ("deny.labs")."""

    file: str
    allow: Rules = Rules()
    deny: Rules = Rules()
    lines: Mapping[str, int] = {}

    def where(self, rule: str) -> str:
        """The rule as people find it: `deny.labs (/etc/…/policy.toml, line 3)`."""
        return f"{rule} ({self.file}, line {self.lines.get(rule, 1)})"


class Breach(Struct, frozen=True, kw_only=True):
    """Which rule forbids something, and what it found."""

    rule: str
    found: str


def read_policy(table: Mapping[str, Any], file: str, line_of: Callable[[str], int]) -> Policy:
    """The policy that a parsed TOML file states. `line_of` finds a key's line. Raises `ConfigError`.

    A misspelt key is an error: a rule that is not understood must not pass for one that is kept.
    """
    for section, rules in table.items():
        if section not in ("allow", "deny"):
            _bad(file, line_of(section), f"'{section}' is no part of a policy", "[allow] and [deny]")
        if not isinstance(rules, dict):
            _bad(file, line_of(section), f"'{section}' is not a table", f"[{section}]")
        for name in rules:
            if name not in _KINDS:
                key = f"{section}.{name}"
                _bad(file, line_of(key), f"'{key}' is no rule", ", ".join(_KINDS))
    try:
        allow, deny = (msgspec.convert(table.get(part, {}), Rules) for part in ("allow", "deny"))
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{file} is no policy that can be kept.",
            why=str(error),
            hint='Write each rule as a list of names: licenses = ["osi"]',
        ) from error
    keys = [f"{section}.{name}" for section, rules in table.items() for name in rules]
    return Policy(file=file, allow=allow, deny=deny, lines={key: line_of(key) for key in keys})


def _bad(file: str, line: int, what: str, known: str) -> NoReturn:
    raise ConfigError(
        f"{file}, line {line}: {what}.",
        why="A policy must be understood to be kept.",
        hint=f"Known: {known}.",
    )


def breach_of_model(policy: Policy, model: Model) -> Breach | None:
    """The first rule that forbids the model as such; None when none does."""
    terms = model.license
    license_name = terms.name or terms.id or "not known"
    country = model.country or "not known"
    checks: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
        ("licenses", f"its license is {license_name}", lambda wanted: allows(terms, wanted)),
        (
            "countries",
            f"its lab's country is {country}",
            lambda wanted: wanted.upper() == (model.country or "").upper(),
        ),
        ("labs", f"it is made by {model.lab}", lambda wanted: _is_lab(model, wanted)),
        ("models", f"it is {model.id}", lambda wanted: _is_model(model, wanted)),
    )
    return next(
        (found for kind, text, holds in checks if (found := _breach(policy, kind, text, holds))), None
    )


def breach_of_source(policy: Policy, scheme: str) -> Breach | None:
    """The rule that forbids a source, by its URI scheme."""
    return _breach(
        policy,
        "sources",
        f"it comes from {scheme}://",
        lambda wanted: wanted.lower().removesuffix("://") == scheme.lower(),
    )


def breach_of_build(policy: Policy, build: Build) -> Breach | None:
    """The first rule that forbids the build: where it comes from, or its format."""
    return breach_of_source(policy, build.scheme) or _breach(
        policy, "formats", f"its format is {build.format}", lambda wanted: wanted.lower() == build.format
    )


def _breach(policy: Policy, kind: str, text: str, holds: Callable[[str], bool]) -> Breach | None:
    denied: tuple[str, ...] = getattr(policy.deny, kind) or ()
    if any(holds(wanted) for wanted in denied):
        return Breach(rule=f"deny.{kind}", found=text)
    allowed: tuple[str, ...] | None = getattr(policy.allow, kind)
    if allowed is not None and not any(holds(wanted) for wanted in allowed):
        return Breach(rule=f"allow.{kind}", found=text)
    return None


def _is_lab(model: Model, wanted: str) -> bool:
    return wanted.lower() in (model.lab_id.lower(), model.lab.lower())


def _is_model(model: Model, pattern: str) -> bool:
    names = (model.id, model.hf_repo or model.id, *model.aliases)
    return any(fnmatchcase(name.lower(), pattern.lower()) for name in names)


def permitted(policy: Policy, models: Sequence[Model]) -> tuple[list[Model], dict[str, str]]:
    """The models that may be used, with the builds that may; and for each other one the rule that forbids it."""
    kept: list[Model] = []
    dropped: dict[str, str] = {}
    for model in models:
        builds = tuple(build for build in model.builds if breach_of_build(policy, build) is None)
        breach = breach_of_model(policy, model)
        if breach is None and model.builds and not builds:
            breach = breach_of_build(policy, model.builds[0])
        if breach is not None:
            dropped[model.id] = f"policy: {breach.found}, {policy.where(breach.rule)}"
        else:
            kept.append(model if len(builds) == len(model.builds) else replace(model, builds=builds))
    return kept, dropped


def enforce(policy: Policy, models: Sequence[Model]) -> list[Model]:
    """The models that somebody named, with the builds that may be used. Raises `RefusedError` for a forbidden one."""
    kept, dropped = permitted(policy, models)
    for model in models:
        if model.id in dropped:
            breach = breach_of_model(policy, model) or breach_of_build(policy, model.builds[0])
            raise refusal(policy, model.name, breach or Breach(rule="allow", found="it is not allowed"))
    return kept


def refusal(policy: Policy, name: str, breach: Breach) -> RefusedError:
    """The error for something that was asked for by name."""
    return RefusedError(
        f"The policy forbids {name}: {breach.found}.",
        why=f"The rule is {policy.where(breach.rule)}.",
        hint="Take another model (`launchpad recommend` keeps the policy), or ask whoever owns that file.",
    )

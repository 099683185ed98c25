"""Asking the model sources what the catalog's places hold now. Polite: few at a time, the longest unasked first, and
no more after one that could not answer. What was learned is kept as it comes, so the next time goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from launchpad.catalog.kept import Listed, Listings, place_of, refreshed_builds
from launchpad.catalog.model import Build, Model
from launchpad.errors import LaunchpadError, SourceUnreachable

if TYPE_CHECKING:
    from launchpad.plugins.spec import Listing

AT_ONCE = 4
FRESH = timedelta(hours=20)
"""A place is asked again after so long."""

Ask = Callable[[str, str | None], "Listing | None"]


class Refreshed(Struct, frozen=True, kw_only=True):
    """How a refresh went. Counts of places; `stopped` says why it ended before all were asked."""

    asked: int
    unchanged: int
    left: int
    failed: dict[str, str]
    changes: tuple[str, ...]
    stopped: str | None = None


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def refresh(
    models: Sequence[Model],
    kept: Listings,
    ask: Ask,
    *,
    most: int,
    save: Callable[[Listings], object],
    now: Clock = utc_now,
) -> Refreshed:
    """Ask for at most `most` places of `models`; `save` is called with what is known after every few."""
    due = list(_due(models, kept.places, now()))
    places, failed, unchanged, asked = dict(kept.places), {}, 0, 0
    stopped: str | None = None
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="refresh") as pool:
        for few in _few(due[:most]):
            answers = list(pool.map(lambda place: _answer(ask, place, places.get(place), now()), few))
            for place, (listed, error) in zip(few, answers, strict=True):
                if isinstance(error, SourceUnreachable):
                    stopped = f"{error.what} {error.why or ''}".strip()
                    continue
                asked += 1
                before = places.get(place)
                if listed.failed:
                    failed[place] = listed.failed
                elif before and before.builds == listed.builds:
                    unchanged += 1
                places[place] = listed
            save(Listings(places=places))
            if stopped:
                break
    return Refreshed(
        asked=asked,
        unchanged=unchanged,
        left=len(due) - asked,
        failed=failed,
        changes=tuple(_changes(models, kept.places, places)),
        stopped=stopped,
    )


def _few(places: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(places), AT_ONCE):
        yield tuple(places[start : start + AT_ONCE])


def _due(models: Sequence[Model], places: Mapping[str, Listed], now: datetime) -> Iterator[str]:
    """Places to ask, those never asked first, by the quality of their models; then the longest unasked."""
    ranked = sorted(models, key=lambda model: (-(model.quality.value if model.quality else 0.0), model.id))
    every = dict.fromkeys(place for model in ranked for build in model.builds if (place := place_of(build)))
    order = {place: number for number, place in enumerate(every)}
    fresh = (now - FRESH).isoformat()
    due = [place for place in every if place not in places or places[place].fetched < fresh]
    yield from sorted(due, key=lambda p: (places[p].fetched if p in places else "", order[p]))


def _answer(
    ask: Ask, place: str, before: Listed | None, now: datetime
) -> tuple[Listed, LaunchpadError | None]:
    """What is known of the place after asking; where there is no answer, what was known before."""
    known = before or Listed(fetched="")
    day = now.isoformat()
    try:
        listing = ask(place, known.tag)
    except LaunchpadError as error:
        return replace(known, fetched=day, failed=f"{error.what} {error.why or ''}".strip()), error
    if listing is None:
        return replace(known, fetched=day, failed=None), None
    foreign = [build.ref for build in listing.builds if place_of(build) != place]
    if foreign:
        return replace(known, fetched=day, failed=f"It lists {foreign[0][:80]}, which is elsewhere."), None
    return Listed(fetched=day, tag=listing.tag, builds=listing.builds), None


def _changes(
    models: Sequence[Model], before: Mapping[str, Listed], after: Mapping[str, Listed]
) -> Iterator[str]:
    """What differs for the builds that the catalog lists, in lines for people."""
    for model in models:
        old = {_name(build): build for build in refreshed_builds(model, before)}
        for build in refreshed_builds(model, after):
            known = old.get(_name(build))
            if known is None:
                yield f"{model.id}: new build {build.ref}"
            elif known.size_exact and build.size_exact and known.size != build.size:
                yield f"{model.id} {build.quantization}: {known.size} bytes, now {build.size}"
            elif _hashes(known) and _hashes(build) and _hashes(known) != _hashes(build):
                yield f"{model.id} {build.quantization}: other content under the same name"


def _name(build: Build) -> tuple[str | None, str, str]:
    return place_of(build), build.format, build.quantization.upper()


def _hashes(build: Build) -> tuple[str, ...]:
    return tuple(file.sha256 for file in build.files if file.sha256)

"""Whether a model still has the chat template that it had: what differs is told, and then known.

A template can be poisoned without a byte of the weights being touched. launchpad judges none: it says that one changed.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.chat_templates.read import DEFAULT, hashes, texts_of
from launchpad.chat_templates.record import Seen, load, place_of, remember
from launchpad.errors import BadModelFile
from launchpad.events import Notice

if TYPE_CHECKING:
    from launchpad.catalog.model import Build
    from launchpad.chat_templates.record import Record
    from launchpad.events import Report


def watch(path: str, build: Build, name: str, engine: str, used: str | None, report: Report) -> None:
    """Tell how the templates of the model at `path` differ from the catalog's, from the recorded ones, and from what `engine` uses.

    `used` is the sha256 of the engine's own, None where it does not tell. The catalog's word holds at every start; the
    others are told once, and recorded.
    """
    try:
        now = hashes(texts_of(Path(path)))
    except (OSError, BadModelFile):
        return  # the start itself tells what is wrong with it
    record = load(place_of(build.ref))
    known = record.find(now)
    show = f"It decides what the model is told: `launchpad inspect {build.ref} --template` shows it."
    if build.template is not None and now.get(DEFAULT) != build.template:
        pinned = f"The catalog pins {_short(build.template)} for the chat template of {name}"
        report(Notice(message=f"{pinned}, and its file has {_short(now.get(DEFAULT))}. {show}"))
    elif known is None and record.seen and build.template is None:
        report(Notice(message=f"{_changed(record, now, name)} {show}"))
    seen = known or Seen(templates=now, ref=build.ref, day=date.today().isoformat())
    if used is not None and used != seen.engines.get(engine, now.get(DEFAULT)) and DEFAULT in now:
        report(
            Notice(message=f"{engine} does not use the chat template in the file of {name} as it is. {show}")
        )
        seen = replace(seen, engines={**seen.engines, engine: used})
    if seen is not known or not record.seen or record.seen[-1].templates != now:
        remember(record, seen)


def _changed(record: Record, now: dict[str, str], name: str) -> str:
    before = record.seen[-1]
    names = sorted(key for key in {*before.templates, *now} if before.templates.get(key) != now.get(key))
    changes = ", ".join(
        f"{'' if key == DEFAULT else f'{key} '}{_short(before.templates.get(key))} to {_short(now.get(key))}"
        for key in names
    )
    return f"The chat template of {name} is not the one of {before.ref}, recorded on {before.day}: {changes}."


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]

"""From a plan to an engine that answers: the one that is loaded already, or a new one, which may stay."""

from __future__ import annotations

import sys
from math import isinf
from typing import TYPE_CHECKING

from launchpad.cli.render import placed, tokens
from launchpad.errors import UnknownModel

if TYPE_CHECKING:
    from launchpad.cli.app import App
    from launchpad.engines.kept import KeptServer
    from launchpad.engines.server import RunningServer
    from launchpad.events import Report
    from launchpad.plan import Plan
    from launchpad.wish import Wish


def make_plan(
    app: App, wish: Wish, *, starts: bool, makes_room: bool | None = None, lost: bool = False
) -> Plan:
    """Look at this machine and decide; a first word of a question that was taken for a model is told.

    What `starts` next `makes_room`, too, unless told otherwise: idle kept engines are unloaded as far as need be. It follows on
    one that its cluster has `lost`.
    """
    from launchpad.launcher.room import planned

    room = starts if makes_room is None else makes_room
    try:
        with app.output.status("looking at this machine"):
            return planned(app.host, app.config, wish, notes(app), starts=starts, makes_room=room, lost=lost)
    except UnknownModel as error:
        raise _or_a_question(error, wish.model) from error


def _or_a_question(error: UnknownModel, model: str | None) -> UnknownModel:
    """The same error; where the "model" looks like the first word of a question, with how to ask one."""
    if model is None or not model.isalpha():
        return error
    quotes = f'To ask something, put it in quotes: launchpad run "{model} …"'
    return UnknownModel(error.what, why=error.why, hint=f"{error.hint} {quotes}" if error.hint else quotes)


def launch(app: App, plan: Plan, *, yes: bool) -> tuple[Plan, RunningServer]:
    """Announce and confirm the download, then carry the plan out with progress on stderr."""
    from launchpad.cli.consent import consent
    from launchpad.cli.notices import with_engine_lines
    from launchpad.launcher.run import RealEffects, execute
    from launchpad.launcher.sound import sound

    with app.output.progress() as progress:
        plan = sound(plan, with_engine_lines(app, progress))
    app.timeline.mark("look and decide")
    consent(app, plan, yes=yes, interactive=sys.stdin.isatty() and sys.stderr.isatty())
    app.timeline.skip()
    with app.output.progress() as progress:
        before = "check the file" if plan.pull is None else "pull and verify"
        report = app.timeline.watching(with_engine_lines(app, progress), before)
        return execute(plan, RealEffects(app.host, app.config), report)


def keep_seconds(app: App, asked: float | None, default: str = "0") -> float:
    """How long an engine stays after its last use: as asked, else the setting `engines.keep`, else the default."""
    from launchpad.durations import parse_duration

    if asked is not None:
        return asked
    return parse_duration(app.config.engines.keep) or parse_duration(default)


def loaded(app: App, wish: Wish) -> tuple[Plan, KeptServer] | None:
    """An engine that is loaded already and does what is wished. With a policy, the long way decides first."""
    from launchpad.config.policy_file import load_policy
    from launchpad.engines.kept import usable

    if next(usable(), None) is None or load_policy(app.config) is not None:
        return None
    from launchpad.launcher.reuse import for_wish

    found = for_wish(wish, notes(app, "red"))
    if found is not None:
        _note_kept(app, found[1])
    return found


def keep_running(app: App, plan: Plan, keep: float, *, yes: bool) -> KeptServer:
    """Start the plan's engine, unless it is loaded already, and let it stay."""
    from launchpad.engines.kept import KeptServer
    from launchpad.errors import EngineError

    _, server = begin(app, plan, yes=yes, keep=keep)
    if isinstance(server, KeptServer):
        return server
    server.stop()
    raise EngineError(
        f"The engine of {plan.start.backend} cannot be kept by launchpad.",
        why="It is not a process that launchpad owns.",
        hint="Its own service decides how long it keeps a model.",
    )


def begin(app: App, plan: Plan, *, yes: bool, keep: float) -> tuple[Plan, RunningServer]:
    """What the plan needs: a loaded engine that does, or a new one, which stays for `keep` seconds after its last use.

    With it the plan that it was really started from.
    """
    from launchpad.launcher.reuse import for_plan, stored_plan

    if (found := for_plan(plan, notes(app, "red"))) is not None:
        _note_kept(app, found)
        return stored_plan(found.record.token) or plan, found
    done, server = launch(app, plan, yes=yes)
    if not keep:
        return done, server
    import msgspec

    from launchpad.engines import kept

    try:
        stays = kept.keep(server.server, msgspec.json.encode(done), None if isinf(keep) else keep)
    except BaseException:
        server.stop()
        raise
    return done, stays or server


def notes(app: App, *styles: str) -> Report:
    """Says what is noticed, one line each."""
    from launchpad.events import Event, Notice

    def report(event: Event) -> None:
        if isinstance(event, Notice):
            app.output.note(event.message, *styles)

    return report


def _note_kept(app: App, server: KeptServer) -> None:
    """One line on what is used: a loaded engine was not started now, so it has not said what it did."""
    record, did = server.record, server.server.report
    parts = [
        f"using {record.model} ({record.token[:8]}), loaded",
        placed(did),
        f"context {tokens(did.context)}",
        did.engine,
    ]
    app.output.note(" · ".join(parts))

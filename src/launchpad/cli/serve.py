"""`launchpad serve`: models at one steady, keyed address."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from launchpad.cli.app import App
from launchpad.cli.options import (
    engine_option,
    json_option,
    make_wish,
    start_options,
    wish_options,
)
from launchpad.cli.shared import Command

if TYPE_CHECKING:
    from launchpad.plan import Plan
    from launchpad.serve.app import Gateway
    from launchpad.serve.models import Offer
    from launchpad.serve.state import ServedModel


@click.command(cls=Command)
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. One beyond this machine needs --key-file.",
)
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: any. [default: 10987]")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the key from here. [default: its own]",
)
@click.option("--new-key", is_flag=True, help="Make a new key; programs with the old one are shut out.")
@click.option("--open", "web_ui", is_flag=True, help="Open the engine's own web page in the browser.")
@click.option(
    "--replicas",
    type=click.IntRange(1, 64),
    default=1,
    metavar="N",
    help="Engines of each model beside each other; requests go to the least busy.",
)
@click.option("--lazy", is_flag=True, help="Load no model before it is asked for.")
@wish_options
@engine_option
@start_options
@json_option
@click.pass_obj
def serve(
    app: App,
    /,
    models: tuple[str, ...],
    host: str,
    port: int | None,
    key_file: Path | None,
    new_key: bool,
    web_ui: bool,
    replicas: int,
    lazy: bool,
    wishes: dict[str, Any],
    offline: bool,
    yes: bool,
) -> int:
    """Serve MODELs at one OpenAI- and Anthropic-compatible address, until Ctrl-C.

    The first is loaded at once, the others when they are asked for by name; the one that was not used for longest
    makes room when memory is short. Without MODEL the best one for this machine is served. Every request needs the
    key; `launchpad env` and `launchpad connect` hand it to programs.

    \b
    launchpad serve
    launchpad serve qwen3-8b auto:code --context 32768
    eval "$(launchpad env)"
    """
    from launchpad.cli.notices import with_engine_lines
    from launchpad.launcher.room import idle
    from launchpad.serve import address, key, server
    from launchpad.serve.forward import Limits
    from launchpad.serve.loader import PlanLoader

    if app.hosts is not None:
        from launchpad.cli.cluster import write_commands

        wish = make_wish(app, wishes, model=models[0] if models else None, offline=offline)
        return write_commands(app, wish, app.hosts, port=port or None, replicas=replicas)
    settings = app.config.serve
    port = settings.port if port is None else port
    address.check_public(host, own_key=key_file is not None)
    secret = key.read(key_file) if key_file else _own_key(app, renew=new_key)
    with address.bind(host, port) as listener:
        port = listener.getsockname()[1]
        with app.output.progress() as progress:
            report = with_engine_lines(app, progress)
            offered = _offers(app, models, wishes, replicas, offline=offline, yes=yes, report=report)
            if web_ui:
                offered = (_with_page(app, offered[0]), *offered[1:])
            ready = _Ready(app, host, port, key_file or key.default_file(), offered)
            try:
                server.serve(
                    offered,
                    PlanLoader(app.host, app.config, report, fresh=None if idle() else offered[0]),
                    server.Options(
                        key=secret,
                        hosts=(*address.reachable(host), *settings.hosts),
                        origins=settings.origins,
                        limits=Limits(
                            max_body=settings.max_body,
                            deadline=settings.request_seconds,
                            stall=settings.stall_seconds,
                        ),
                        idle_seconds=settings.idle_seconds,
                        lazy=lazy,
                        web_ui=web_ui,
                    ),
                    listener,
                    on_ready=ready,
                    tell=lambda line: app.output.note(line),
                    report=app.host.emit,
                )
            finally:
                ready.forget()
    return 0


def _own_key(app: App, *, renew: bool) -> str:
    """The gateway's own key; shown when it is made, whatever becomes of this start, unless a log would keep it."""
    from launchpad.serve import key

    secret, is_new = key.own_key(renew=renew)
    if is_new and sys.stderr.isatty():
        app.output.note(f"key: {secret}  (shown once; kept in {key.default_file()})", "bold")
    return secret


def _offers(
    app: App,
    models: tuple[str, ...],
    wishes: dict[str, Any],
    replicas: int,
    *,
    offline: bool,
    yes: bool,
    report: Any,
) -> tuple[Offer, ...]:
    """A plan for each model, and its files: nothing is fetched later, when a request asks."""
    from launchpad.cli.consent import consent
    from launchpad.cli.launching import make_plan
    from launchpad.cli.notices import tell
    from launchpad.launcher.run import RealEffects, fetch
    from launchpad.launcher.sound import sound
    from launchpad.serve.models import offers

    plans: list[tuple[str | None, Plan]] = []
    for name in models or (None,):
        wish = make_wish(app, wishes, model=name, offline=offline)
        plan = sound(make_plan(app, wish, starts=True, makes_room=False), report)
        tell(app.output, plan)
        consent(app, plan, yes=yes, interactive=sys.stdin.isatty() and sys.stderr.isatty())
        plans.append((name, plan))
    effects = RealEffects(app.host, app.config)
    return offers([(name, fetch(plan, effects, report)) for name, plan in plans], int(time.time()), replicas)


def _with_page(app: App, offer: Offer) -> Offer:
    """The same offer, its engine with a page. Raises `UsageError` for engines that have none."""
    from msgspec.structs import replace

    from launchpad.errors import UsageError

    start = offer.plan.start
    if not app.host.backend(start.backend).capabilities.web_ui:
        raise UsageError(f"{start.backend} has no web page of its own.", hint="Leave --open out.")
    return replace(offer, plan=replace(offer.plan, start=replace(start, web_ui=True)))


def _open_page(app: App, url: str) -> None:
    """Open the browser through a file that only the user can read: other users see the arguments of processes."""
    import os
    import webbrowser

    from launchpad.paths import state_dir

    path = state_dir() / "serve" / "open.html"
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">\n'.encode())
    finally:
        os.close(fd)
    if not webbrowser.open(path.as_uri()):
        app.output.note(f"no browser could be opened; this address works once, within two minutes: {url}")


class _Ready:
    """Tells the user, and other commands, where the gateway is; and takes that back at the end."""

    def __init__(
        self,
        app: App,
        host: str,
        port: int,
        key_file: Path,
        offered: tuple[Offer, ...],
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._key_file = key_file
        self._offered = offered
        self._record: Path | None = None

    def __call__(self, gateway: Gateway) -> None:
        from launchpad.hosts import is_loopback
        from launchpad.serve import address, readiness, state
        from launchpad.serve.models import per_conversation

        local = "127.0.0.1" if self._host in ("0.0.0.0", "localhost") else self._host  # noqa: S104 -- compared
        local = "::1" if local == "::" else local
        url = f"http://{address.shown(local)}:{self._port}"
        contexts = {name: per_conversation(seat.settings) for name, seat in gateway.pool.seats.items()}
        served = tuple(_served(offer, contexts[offer.name]) for offer in self._offered)
        self._record = state.write(url, self._port, self._key_file, served)
        out = self._app.output
        for offer in self._offered:
            names = ", ".join(alias for alias in offer.aliases if alias != offer.name)
            out.note(
                f"serving {offer.name} · {_times(offer)}context {contexts[offer.name]:,}"
                + (f" · also {names}" if names else "")
            )
        if not is_loopback(self._host):
            names = " ".join(f"http://{name}:{self._port}/v1" for name in address.reachable(self._host))
            out.warn(f"other machines can reach this server at {names}; it speaks plain HTTP")
        out.note(f"ready: {url}/v1 · key in {self._key_file} · launchpad env · Ctrl-C stops", "bold")

        if out.json_mode:
            self._print(url, served)
        readiness.tell()
        if gateway.ui is not None:
            _open_page(self._app, url + gateway.ui.ticket())

    def _print(self, url: str, served: tuple[ServedModel, ...]) -> None:
        """One document on stdout, at once: whoever started this waits for it."""
        import os

        from launchpad.cli.documents import GatewayDocument, GatewayModel

        models = tuple(
            GatewayModel(name=model.name, context=model.context, replicas=offer.replicas)
            for model, offer in zip(served, self._offered, strict=True)
        )
        key_file = str(self._key_file.absolute())
        document = GatewayDocument(
            url=url, base_url=f"{url}/v1", key_file=key_file, pid=os.getpid(), models=models
        )
        self._app.output.data(document)
        sys.stdout.flush()

    def forget(self) -> None:
        """The gateway is gone."""
        if self._record is not None:
            self._record.unlink(missing_ok=True)
            self._record.with_name("open.html").unlink(missing_ok=True)


def _times(offer: Offer) -> str:
    return f"{offer.replicas} replicas · " if offer.replicas > 1 else ""


def _served(offer: Offer, context: int) -> ServedModel:
    from launchpad.serve.state import ServedModel

    pick = offer.plan.choice.pick
    can = pick.model.capabilities if pick else None
    return ServedModel(
        name=offer.name,
        context=context,
        vision=offer.plan.start.projector_path is not None,
        tools=bool(can and can.tools),
        thinking=bool(can and (can.thinking or "none") != "none"),
    )

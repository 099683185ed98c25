"""`launchpad engines`: which engines are here, which could be, and how to get them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from launchpad.cli.app import App
from launchpad.cli.options import json_option
from launchpad.cli.question import ask_consent
from launchpad.cli.render import gb
from launchpad.cli.shared import Group
from launchpad.errors import UsageError

if TYPE_CHECKING:
    from launchpad.events import Report
    from launchpad.plugins.guarded import GuardedBackend
    from launchpad.plugins.spec import BackendStatus, Installation

ACCELERATORS = ("cpu", "cuda", "rocm", "vulkan", "metal")


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def engines(ctx: click.Context) -> None:
    """List the engines that are here, or install one.

    \b
    launchpad engines
    launchpad engines install vllm
    """
    if ctx.invoked_subcommand is None:
        app = ctx.find_object(App)
        assert app is not None
        _list(app)


def _list(app: App) -> None:
    from launchpad.survey import detect_machine

    with app.output.status("looking at this machine"):
        machine = detect_machine(app.host, measure_bandwidth=False)
        found = [(backend, backend.status(machine)) for backend in app.host.backends()]
    if app.output.json_mode:
        from launchpad.cli.engine_documents import EngineProgram, EnginePrograms

        app.output.data(
            EnginePrograms(
                engines=tuple(
                    EngineProgram(
                        name=backend.name,
                        formats=backend.capabilities.formats,
                        installable=backend.installs,
                        status=status,
                    )
                    for backend, status in found
                )
            )
        )
        return
    app.output.table(
        ["engine", "state", "version", "reads", "place"],
        [_row(backend, status) for backend, status in found],
        spare=("place",),
    )
    _list_programs(app, [status for _, status in found])
    for backend, status in found:
        if status.why:
            do = f" To change that: {status.hint}" if status.hint else ""
            app.output.note(f"{backend.name}: {status.why}{do}")


def _list_programs(app: App, found: list[BackendStatus]) -> None:
    """Where a backend has several programs to choose from, all of them."""
    programs = [program for status in found if len(status.programs) > 1 for program in status.programs]
    if programs:
        app.output.line("")
        rows = [
            [
                "used" if one.used else "refused" if one.why else "here",
                one.version or "-",
                ", ".join(one.devices) or "-",
                one.owner or one.why or "-",
                one.place,
            ]
            for one in programs
        ]
        app.output.table(["", "program", "devices", "from", "place"], rows, spare=("place",))


def _row(backend: GuardedBackend, status: BackendStatus) -> list[str]:
    reads = ", ".join(backend.capabilities.formats)
    return [backend.name, status.state, status.version or "-", reads, status.place or "-"]


@engines.command()
@click.argument("engine")
@click.option(
    "--accelerator", type=click.Choice(ACCELERATORS), help="The build. [default: what this machine has]"
)
@click.option("--version", metavar="VERSION", help="This version. [default: what launchpad was tested with]")
@click.option(
    "--find-links", multiple=True, metavar="PLACE", help="A folder or page of wheels to look in first."
)
@click.option(
    "--archive",
    metavar="PLACE#sha256=HEX",
    help="Unpack this release archive (address or path) instead of a wheel.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done and stop.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def install(
    app: App,
    engine: str,
    accelerator: str | None,
    version: str | None,
    find_links: tuple[str, ...],
    archive: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Install an engine into an environment of its own. What is there stays; another version lies beside it.

    \b
    launchpad engines install vllm
    launchpad engines install llama.cpp --accelerator vulkan
    launchpad engines install vllm --accelerator cpu --find-links ./wheels
    launchpad engines install llama.cpp --archive ./llama-b11669-bin-ubuntu-vulkan-x64.tar.gz#sha256=4f1c…
    """
    from msgspec import convert

    from launchpad.plugins.spec import InstallOptions
    from launchpad.survey import detect_machine

    backend = app.host.backend(_name(engine))
    machine = detect_machine(app.host, measure_bandwidth=False)
    words = {"accelerator": accelerator, "version": version, "find_links": find_links, "archive": archive}
    options = convert(words, InstallOptions)
    found = backend.installation(machine, options)
    if archive is not None and found.archive is None:
        raise UsageError(f"{engine} is not installed from archives.", hint="Leave --archive out.")
    if not found.done and not dry_run:
        _announce(app, found)
        if not yes and sys.stdin.isatty() and sys.stderr.isatty():
            ask_consent("Install it?", default=True)
        with app.output.status(f"installing {found.engine}"):
            backend.install(found, _told(app))
    _show(app, found, dry_run=dry_run)


def _announce(app: App, found: Installation) -> None:
    fetched = f"about {gb(found.download)} to fetch" if found.download is not None else "size unknown"
    size = f"{fetched}, {gb(found.disk)} on the disk" if found.disk else fetched
    app.output.note(f"{found.engine} {found.version} for {found.accelerator}: {size}, in {found.folder}")


def _told(app: App) -> Report:
    """One note for each stage of the installation."""
    from launchpad.events import EngineLoading, Event

    seen: set[str] = set()

    def report(event: Event) -> None:
        if isinstance(event, EngineLoading) and event.detail:
            stage = event.detail.partition(":")[0]
            if stage not in seen:
                seen.add(stage)
                app.output.note(f"{stage} …")

    return report


def _show(app: App, found: Installation, *, dry_run: bool) -> None:
    if app.output.json_mode:
        from launchpad.cli.engine_documents import EngineInstalled

        app.output.data(EngineInstalled(installation=found, installed=not dry_run or found.done))
        return
    if found.done:
        app.output.line(f"{found.engine} {found.version} ({found.accelerator}) is there: {found.folder}")
    elif dry_run:
        _announce(app, found)
        app.output.line(" ".join(found.command))
    else:
        app.output.line(
            f"installed and checked {found.engine} {found.version} ({found.accelerator}): {found.folder}"
        )


def _name(engine: str) -> str:
    """`llama.cpp` is what people call it."""
    return "llamacpp" if engine.lower() == "llama.cpp" else engine


@engines.command()
@click.argument("engine")
@json_option
@click.pass_obj
def rollback(app: App, engine: str) -> None:
    """Take away the last installation of an engine, so that what was there before it is used again.

    \b
    launchpad engines rollback llama.cpp
    """
    backend = app.host.backend(_name(engine))
    removed = backend.rollback()
    if app.output.json_mode:
        from launchpad.cli.engine_documents import EngineRolledBack

        app.output.data(EngineRolledBack(engine=backend.name, removed=removed))
        return
    app.output.line(f"took away {removed}")

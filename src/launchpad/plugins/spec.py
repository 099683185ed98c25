"""The plugin contract, version 1: hooks and protocols.

A plugin is a module (or object) that implements some of the `launchpad_*` hooks below, marked with `hookimpl` and
registered under the entry-point group `launchpad.v1`. Hooks return objects and do no work: nothing is probed, read
or contacted until launchpad asks that object. The version of the contract is in the group's name.

Import everything that a plugin needs from `launchpad.plugins`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import pluggy
from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.fit.layout import Layout
from launchpad.fit.result import Fit
from launchpad.hardware.machine import Api, Machine, ProbeResult
from launchpad.plan import EngineArguments, StartStep
from launchpad.wish import Wish

if TYPE_CHECKING:
    from launchpad.choice.choose import Candidate, Choice
    from launchpad.engines.server import EngineReport, RunningServer
    from launchpad.events import Event, Report

GROUP = "launchpad.v1"

DEPRECATED: dict[str, str] = {}
"""Hooks that are about to go, and what takes the place of each: a plugin that has one is told."""

hookspec = pluggy.HookspecMarker("launchpad")
hookimpl = pluggy.HookimplMarker("launchpad")


# -- what plugins hand over -------------------------------------------------------------------------------------


@runtime_checkable
class HardwareProbe(Protocol):
    """Finds facts about the machine. Fast (well under a second) and silent; absent hardware is an empty result."""

    @property
    def name(self) -> str:
        """Short, lower-case, unique."""
        ...

    def probe(self) -> ProbeResult:
        """Look now. Never raises for absent hardware; states the evidence of each fact."""
        ...


@runtime_checkable
class Catalog(Protocol):
    """A list of models."""

    @property
    def name(self) -> str:
        """Short, lower-case, unique."""
        ...

    @property
    def date(self) -> str | None:
        """The day (YYYY-MM-DD) that the data speaks of."""
        ...

    def models(self) -> Sequence[Model]:
        """All models. Called at most once per process."""
        ...


class Reachability(Struct, frozen=True, kw_only=True):
    """Whether a source can be had from here, why (or why not), and what to do about it (one line each).

    `why` may be left out by one that was asked and answered.
    """

    ok: bool
    why: str | None = None
    hint: str | None = None


class RemoteFile(Struct, frozen=True, kw_only=True):
    """One file to fetch. `urls` are tried in order. `sha256` and `size` come from metadata, never from the answer
    that carries the bytes.

    When the file is a member of an archive (`member`), `size` and `sha256` are the member's and `archive_size` and
    `archive_sha256` those of what `urls` deliver. `git_sha1` is git's id of a small file that has no sha256.
    """

    path: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    member: str | None = None
    archive_size: int | None = None
    archive_sha256: str | None = None


class Resolved(Struct, frozen=True, kw_only=True):
    """A build with everything that a verified pull needs.

    `ref` is canonical and pinned; `folder` is the store's folder name in the Hugging Face layout
    (`models--org--name`), `revision` names the snapshot and `branch` the moving name that led to it, if one did.
    `token_host` (`host` or `host:port`) is the only host that may see `token`.

    What needs no pull has no `files`, and an absolute path as `entry`.
    """

    ref: str
    folder: str
    revision: str
    files: tuple[RemoteFile, ...]
    entry: str  # path of the file to give to the engine
    build: Build
    branch: str | None = None
    token: str | None = None
    token_host: str | None = None

    def __repr__(self) -> str:
        return f"Resolved({self.ref!r})"  # the token must not show up in a traceback or a log


@runtime_checkable
class ModelSource(Protocol):
    """A place that weights come from. Owns URI schemes; resolves references to files; never moves bytes itself."""

    @property
    def name(self) -> str:
        """Short, lower-case, unique."""
        ...

    @property
    def schemes(self) -> Collection[str]:
        """URI schemes that this source owns, without `://`."""
        ...

    def reachable(self, timeout: float) -> Reachability:
        """Ask the source for a sign of life, within `timeout` seconds. Never raises."""
        ...

    def resolve(self, build: Build) -> Resolved:
        """Pin the build: revision, files, sizes, hashes. Raises `PullError`."""
        ...

    def local(self) -> Iterable[LocalModel]:
        """What this source's own store already holds on this machine. No network."""
        ...


@runtime_checkable
class BuildLister(Protocol):
    """A `ModelSource` that can also say which builds there are at a place. Optional."""

    def builds(self, ref: str) -> Iterable[Build]:
        """The builds at `ref` (`scheme://place`, maybe `@revision`), with sizes and files. Raises `PullError`."""
        ...


class Listing(Struct, frozen=True, kw_only=True):
    """All builds at a place, pinned to one `revision`. `tag` is the server's own name (ETag) of this state."""

    revision: str
    builds: tuple[Build, ...]
    tag: str | None = None


@runtime_checkable
class Listings(Protocol):
    """A `ModelSource` that can say cheaply whether a place has changed: what `catalog update` asks. Optional."""

    def listing(self, ref: str, unless: str | None) -> Listing | None:
        """What is at `ref` (`scheme://place`); None when it still is as the tag `unless` names. Raises `PullError`."""
        ...


class BackendCapabilities(Struct, frozen=True, kw_only=True):
    """What a backend can do."""

    formats: tuple[str, ...]
    apis: tuple[Api, ...] = ()  # accelerators it can use in some build; the CPU is always implied
    tools: bool = False
    vision: bool = False
    json_schema: bool = False
    parallel: bool = False
    own_store: bool = False
    web_ui: bool = False  # its engine has a web page of its own
    keyed: bool = True  # its servers ask for a key
    multi_node: bool = False


class EngineDevice(Struct, frozen=True, kw_only=True):
    """A device as the engine itself lists it: the referee over what the probes say. Bytes."""

    name: str
    api: Api | None  # None: the CPU
    description: str | None = None
    memory_total: int | None = None
    memory_free: int | None = None


class ProgramHere(Struct, frozen=True, kw_only=True):
    """One of several programs that a backend could use. `why`: why it cannot be."""

    place: str
    version: str | None = None
    owner: str | None = None
    devices: tuple[str, ...] = ()
    used: bool = False
    why: str | None = None


class BackendStatus(Struct, frozen=True, kw_only=True):
    """Whether a backend can be used here.

    "ready"; "installable" (`hint` is the exact command); "unusable" (`why`, `hint`). `devices` is the engine's own
    list. `place` is the program, environment or address that would be used, `programs` are all that are here.
    """

    state: Literal["ready", "installable", "unusable"]
    version: str | None = None
    why: str | None = None
    hint: str | None = None
    devices: tuple[EngineDevice, ...] | None = None
    place: str | None = None
    programs: tuple[ProgramHere, ...] = ()


class InstallOptions(Struct, frozen=True, kw_only=True):
    """What the user wants of an engine's installation. None: the backend decides, by this machine."""

    accelerator: Literal["cpu", "cuda", "rocm", "vulkan", "metal"] | None = None
    version: str | None = None
    find_links: tuple[str, ...] = ()  # folders or pages of wheels, before the package index
    archive: str | None = None  # instead of wheels: address or path of a release archive, ending in #sha256=…


class Installation(Struct, frozen=True, kw_only=True):
    """What would be installed, and where. `download` and `disk` are bytes, about; None is unknown.

    `done` says that it is there already; `command` is the main one that will be run, for the user to see. `archive` is the
    one that was asked for, from which it is unpacked instead.
    """

    engine: str
    version: str
    accelerator: str
    folder: str
    download: int | None = None
    disk: int | None = None
    command: tuple[str, ...] = ()
    done: bool = False
    archive: str | None = None


@runtime_checkable
class Backend(Protocol):
    """An engine that runs models. Subclass `BackendBase` to inherit the defaults."""

    @property
    def name(self) -> str:
        """Short, lower-case, unique."""
        ...

    @property
    def capabilities(self) -> BackendCapabilities:
        """Static facts; no look at the machine."""
        ...

    def status(self, machine: Machine) -> BackendStatus:
        """Can it run here? Never raises."""
        ...

    def builds(self, model: Model) -> Iterable[Build]:
        """The builds of `model` that this backend could run."""
        ...

    def fit(
        self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Layout | None = None
    ) -> Fit | None:
        """How this build would run on `machine`. Pure; None when this backend cannot say. Default: `launchpad.fit`.

        `layout` is what the file's own header says, given when the file is on this machine: exact.
        """
        ...

    def arguments(self, fit: Fit) -> EngineArguments:
        """Exactly what the engine would be told for this fit. Pure."""
        ...

    def local(self) -> Iterable[LocalModel]:
        """What the backend's own store already holds. No network."""
        ...

    def launch(self, start: StartStep, report: Report) -> RunningServer:
        """Start and return when ready; raises `LaunchError` with the cause and the log's tail."""
        ...


@runtime_checkable
class DryRuns(Protocol):
    """What a `Backend` may have besides: its engine says what it would allocate without doing so."""

    def dry_run(self, start: StartStep) -> EngineReport | None:
        """Buffers per device for `start`, exact for this build and these devices; None when the engine cannot say.

        `start.model_path` is a file whose header is true and whose weights may be missing. In a process of its own,
        within a few seconds.
        """
        ...


@runtime_checkable
class Installs(Protocol):
    """What a `Backend` may have besides: it installs its engine, beside what is there, for this user alone."""

    def installation(self, machine: Machine, options: InstallOptions) -> Installation:
        """What would be done here; changes nothing. Raises `EngineError` where there is no build for this machine."""
        ...

    def install(self, installation: Installation, report: Report) -> str:
        """Do it and prove that the engine is usable; returns its version. A failure leaves what was there before.

        Raises `EngineError`.
        """
        ...


@runtime_checkable
class RollsBack(Protocol):
    """What a `Backend` that installs its engine may have besides."""

    def rollback(self) -> str:
        """Take away the last installation, so that what was there before is used; returns its name. Raises `EngineError`."""
        ...


@runtime_checkable
class Pulls(Protocol):
    """What a `Backend` with a store of its own may have besides: it fetches builds into that store itself."""

    def pulls(self, build: Build) -> bool:
        """Whether it can fetch this build. Pure."""
        ...

    def pull(self, build: Build, report: Report) -> LocalModel:
        """Fetch, telling progress. Its `path` is "" where the engine needs none. Raises `PullError`."""
        ...


class CommandSpec(Struct, frozen=True, kw_only=True):
    """A command for the CLI, named without importing it: `target` is "module:attribute" of a click command."""

    name: str
    target: str
    help: str


# -- hooks ------------------------------------------------------------------------------------------------------


class Hooks:
    """The hook specifications. Each is implemented by a module-level function of the same name."""

    @hookspec
    def launchpad_probes(self) -> Sequence[HardwareProbe]:  # type: ignore[empty-body]
        """Return hardware probes."""

    @hookspec
    def launchpad_catalogs(self) -> Sequence[Catalog]:  # type: ignore[empty-body]
        """Return catalogs of models."""

    @hookspec
    def launchpad_sources(self) -> Sequence[ModelSource]:  # type: ignore[empty-body]
        """Return model sources; each owns its URI schemes."""

    @hookspec
    def launchpad_backends(self) -> Sequence[Backend]:  # type: ignore[empty-body]
        """Return backends."""

    @hookspec
    def launchpad_commands(self) -> Sequence[CommandSpec]:  # type: ignore[empty-body]
        """Return commands for the CLI."""

    @hookspec(firstresult=True)
    def launchpad_choose(self, candidates: Sequence[Candidate], wish: Wish) -> Choice | None:
        """Choose among the candidates, or return None to leave it to the next plugin (at last: the built-in rule)."""

    @hookspec
    def launchpad_event(self, event: Event) -> None:
        """Observe what happens. Return nothing, change nothing."""

"""The JSON documents of the command line, one type each. `launchpad/schemas/` holds their JSON Schemas.

Every document on stdout is `{"schema_version": 1, "kind": <key of KINDS>, …fields}`. A field may be added within a
version; one that goes or changes its meaning makes a new version.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from launchpad.catalog.model import Build, LocalModel, Model
from launchpad.choice.choose import Choice
from launchpad.cli.engine_documents import EngineInstalled, EnginePrograms, EngineRolledBack
from launchpad.cli.inspection_document import Inspection
from launchpad.cli.plugin_documents import (
    FrozenPlugins,
    PluginChecked,
    PluginList,
    PluginsChanged,
    PluginWritten,
)
from launchpad.cli.script_documents import BatchReport, LintReport, ScriptRuns
from launchpad.cli.talk_documents import Answer, SessionExport, SessionList, SessionsRemoved
from launchpad.connect.agents import Basis
from launchpad.deploy.model import Manifests
from launchpad.doctor.model import Diagnosis
from launchpad.engines.listing import EngineView
from launchpad.engines.server import EngineReport
from launchpad.explain.result import Explanation
from launchpad.fit.crowd import Crowd
from launchpad.fit.result import Band, Confirmation, Fit, Settings
from launchpad.hardware.machine import Machine
from launchpad.landscape.model import Landscape
from launchpad.plan import EngineArguments, Plan
from launchpad.pull.garbage import Garbage
from launchpad.pull.usage import DiskUsage
from launchpad.services.model import Generated
from launchpad.wish import Wish

SCHEMA_VERSION = 1


class ErrorRecord(Struct, frozen=True, kw_only=True):
    """An error: stable `code`, what happened, why, what to do, and the exit code."""

    code: str
    message: str
    why: str | None
    hint: str | None
    retryable: bool
    exit_code: int


class ErrorDocument(Struct, frozen=True, kw_only=True):
    """What any command prints instead of its answer when it fails."""

    error: ErrorRecord


class Recommendation(Struct, frozen=True, kw_only=True):
    """`recommend --json`. `dropped` maps model ids that a filter ruled out to the reason."""

    catalog_date: str | None
    machine: Machine
    wish: Wish
    choice: Choice
    dropped: dict[str, str]


class Capacity(Struct, frozen=True, kw_only=True):
    """`plan --users N --json`: what so many people need of this plan."""

    model: str
    build: str
    backend: str
    machine: str
    arguments: EngineArguments
    crowd: Crowd


class ModelList(Struct, frozen=True, kw_only=True):
    """`models --json`."""

    models: tuple[Model, ...]
    dropped: dict[str, str]


class BuildFit(Struct, frozen=True, kw_only=True):
    """One build and how it fits."""

    build: Build
    fit: Fit


class FitList(Struct, frozen=True, kw_only=True):
    """`fit --json`."""

    machine: Machine
    fits: tuple[BuildFit, ...]


class LocalModelList(Struct, frozen=True, kw_only=True):
    """`list --json`."""

    models: tuple[LocalModel, ...]


class Pulled(Struct, frozen=True, kw_only=True):
    """`pull --json`. `fetched` is False when it was here already; with `--on` it is on these `nodes`, and has no path here."""

    model: str
    ref: str
    path: str | None
    fetched: bool
    nodes: tuple[str, ...] = ()


class VerifiedFile(Struct, frozen=True, kw_only=True):
    """A file that was hashed. `ok` is None when nobody had said what it should hash to; then it is remembered."""

    model: str
    owner: str
    path: str
    ok: bool | None
    why: str | None


class Verified(Struct, frozen=True, kw_only=True):
    """`verify --json`. The exit code is 1 when a file is damaged."""

    files: tuple[VerifiedFile, ...]
    damaged: int


class GarbageList(Struct, frozen=True, kw_only=True):
    """`gc --json`. What went, or with `dry_run` would go, and what stays because it is others' or in use. Bytes."""

    dry_run: bool
    freed: int
    removed: tuple[Garbage, ...]
    kept: tuple[Garbage, ...]


class BundleExported(Struct, frozen=True, kw_only=True):
    """`bundle export --json`. `sha256` is that of the record, which names every byte; `size` that of the bundle."""

    model: str
    file: str
    size: int
    sha256: str


class BundleImported(Struct, frozen=True, kw_only=True):
    """`bundle import --json`. `pinned`: a catalog here knows these hashes. `added`: its record was new here."""

    model: str
    path: str
    sha256: str
    pinned: bool
    added: str | None


class Removed(Struct, frozen=True, kw_only=True):
    """`rm --json`. `freed` in bytes."""

    ref: str
    freed: int


class ConfigValue(Struct, frozen=True, kw_only=True):
    """A setting, its value, and the file, variable or default that it comes from."""

    key: str
    value: Any
    origin: str


class ConfigDocument(Struct, frozen=True, kw_only=True):
    """`config --json`."""

    values: tuple[ConfigValue, ...]


class CatalogRecord(Struct, frozen=True, kw_only=True):
    """A catalog: the day that it speaks of (or was refreshed), how many models it has, and where they come from."""

    name: str
    date: str | None
    models: int
    origin: str


class CatalogList(Struct, frozen=True, kw_only=True):
    """`catalog --json`, in the order of trust: the first that knows a model has the say about it."""

    catalogs: tuple[CatalogRecord, ...]


class CatalogUpdated(Struct, frozen=True, kw_only=True):
    """`catalog update --json`. Counts of places; `stopped` says why not all were asked."""

    asked: int
    unchanged: int
    left: int
    failed: dict[str, str]
    changes: tuple[str, ...]
    stopped: str | None


class CatalogTaken(Struct, frozen=True, kw_only=True):
    """`catalog update --from … --json`. `changes` of terms, makers and hashes that were accepted."""

    date: str
    models: int
    added: int
    changes: tuple[str, ...]


class CatalogAdded(Struct, frozen=True, kw_only=True):
    """`catalog add --json`."""

    id: str
    path: str


class CatalogRemoved(Struct, frozen=True, kw_only=True):
    """`catalog remove --json`."""

    path: str


class EngineList(Struct, frozen=True, kw_only=True):
    """`ps --json`, and the one engine of `start --json` and `restart --json`."""

    engines: tuple[EngineView, ...]


class EnginesStopped(Struct, frozen=True, kw_only=True):
    """`stop --json`: the engines as they were before."""

    engines: tuple[EngineView, ...]


class BenchmarkPoint(Struct, frozen=True, kw_only=True):
    """Speeds in tokens/s with `depth` tokens in the context: every run, their median, and what was predicted."""

    depth: int
    prefill: tuple[float, ...]
    prefill_median: float | None
    prefill_predicted: Band | None
    decode: tuple[float, ...]
    decode_median: float | None
    decode_predicted: Band | None


class Benchmark(Struct, frozen=True, kw_only=True):
    """`bench --json`. `predicted_memory` in bytes, beside the engine's `process_memory`.

    `busy` counts cores that other programs used, where that slowed the measurement: then nothing is learned from it.
    """

    model: str
    build: str
    backend: str
    engine: EngineReport
    machine: Machine
    settings: Settings
    predicted_memory: int
    memory: Confirmation | None
    points: tuple[BenchmarkPoint, ...]
    busy: float = 0.0


class Environment(Struct, frozen=True, kw_only=True):
    """`env --json`: the root of the gateway and the variables for its clients, the key among them."""

    url: str
    variables: dict[str, str]


class GatewayModel(Struct, frozen=True, kw_only=True):
    """A model that the gateway serves; `context` is what one conversation has, in tokens."""

    name: str
    context: int
    replicas: int = 1


class GatewayDocument(Struct, frozen=True, kw_only=True):
    """`serve --json`, once it is ready. The key is in `key_file`."""

    url: str
    base_url: str
    key_file: str
    pid: int
    models: tuple[GatewayModel, ...]


class AgentRecord(Struct, frozen=True, kw_only=True):
    """An agent that can be connected. Contexts in tokens; `source` and `date` say where they come from.

    A basis is "source" for somebody's published figure, "estimate" for launchpad's own.
    """

    name: str
    title: str
    file: str
    least_context: int
    recommended_context: int
    least_basis: Basis
    recommended_basis: Basis
    source: str
    date: str
    connected: bool


class AgentList(Struct, frozen=True, kw_only=True):
    """`connect --json`."""

    agents: tuple[AgentRecord, ...]


class FileChange(Struct, frozen=True, kw_only=True):
    """A settings file and what changes in it; the key is left out."""

    path: str
    diff: str


class Connection(Struct, frozen=True, kw_only=True):
    """`connect AGENT --json`. `written` is False with `--dry-run`; model and context are null with `--undo`."""

    agent: str
    model: str | None
    context: int | None
    files: tuple[FileChange, ...]
    written: bool
    undone: bool
    least_context: int
    least_basis: Basis


KINDS: dict[str, type[Struct]] = {
    "agents": AgentList,
    "answer": Answer,
    "batch": BatchReport,
    "benchmark": Benchmark,
    "bundle-exported": BundleExported,
    "bundle-imported": BundleImported,
    "capacity": Capacity,
    "catalog-added": CatalogAdded,
    "catalog-removed": CatalogRemoved,
    "catalog-taken": CatalogTaken,
    "catalog-updated": CatalogUpdated,
    "catalogs": CatalogList,
    "config": ConfigDocument,
    "connection": Connection,
    "disk-usage": DiskUsage,
    "environment": Environment,
    "diagnosis": Diagnosis,
    "engine-installed": EngineInstalled,
    "engine-programs": EnginePrograms,
    "engine-rolled-back": EngineRolledBack,
    "engines": EngineList,
    "engines-stopped": EnginesStopped,
    "error": ErrorDocument,
    "explanation": Explanation,
    "fits": FitList,
    "garbage": GarbageList,
    "gateway": GatewayDocument,
    "generated": Generated,
    "inspection": Inspection,
    "landscape": Landscape,
    "lint": LintReport,
    "local-models": LocalModelList,
    "machine": Machine,
    "manifests": Manifests,
    "models": ModelList,
    "plan": Plan,
    "plugin-check": PluginChecked,
    "plugin-written": PluginWritten,
    "plugins": PluginList,
    "plugins-changed": PluginsChanged,
    "plugins-frozen": FrozenPlugins,
    "pulled": Pulled,
    "recommendation": Recommendation,
    "removed": Removed,
    "verified": Verified,
    "script-runs": ScriptRuns,
    "session": SessionExport,
    "sessions": SessionList,
    "sessions-removed": SessionsRemoved,
}

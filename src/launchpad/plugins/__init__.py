"""Everything that a plugin may import, in one place.

Built-in plugins and strangers alike write `from launchpad.plugins import hookimpl, Backend, Build`. Names are
imported when they are first used, so `import launchpad.plugins` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.catalog.gguf_shape import shape_of as shape_of
    from launchpad.catalog.kept import kept_catalogs as kept_catalogs
    from launchpad.catalog.load import load_packaged as load_packaged
    from launchpad.catalog.model import Build as Build
    from launchpad.catalog.model import Capabilities as Capabilities
    from launchpad.catalog.model import Format as Format
    from launchpad.catalog.model import License as License
    from launchpad.catalog.model import LicenseClass as LicenseClass
    from launchpad.catalog.model import LocalModel as LocalModel
    from launchpad.catalog.model import Model as Model
    from launchpad.catalog.model import ModelFile as ModelFile
    from launchpad.catalog.model import Moe as Moe
    from launchpad.catalog.model import MultiHeadLatent as MultiHeadLatent
    from launchpad.catalog.model import Quality as Quality
    from launchpad.catalog.model import Recurrent as Recurrent
    from launchpad.catalog.model import Shape as Shape
    from launchpad.catalog.model import SlidingWindow as SlidingWindow
    from launchpad.catalog.own import own_catalogs as own_catalogs
    from launchpad.chat.ollama_words import OllamaProblem as OllamaProblem
    from launchpad.chat.ollama_words import explain_ollama as explain_ollama
    from launchpad.choice.choose import Availability as Availability
    from launchpad.choice.choose import Candidate as Candidate
    from launchpad.choice.choose import Choice as Choice
    from launchpad.config import own_backends as own_backends
    from launchpad.config import setting as setting
    from launchpad.config.sections import BackendConfig as BackendConfig
    from launchpad.engines.command import EngineCommand as EngineCommand
    from launchpad.engines.command import clean_environment as clean_environment
    from launchpad.engines.identity import boot_id as boot_id
    from launchpad.engines.identity import identify as identify
    from launchpad.engines.installing import run_installer as run_installer
    from launchpad.engines.installing import whole_or_nothing as whole_or_nothing
    from launchpad.engines.loopback import free_port as free_port
    from launchpad.engines.loopback import get_loopback as get_loopback
    from launchpad.engines.loopback import require_private as require_private
    from launchpad.engines.process import EngineProcess as EngineProcess
    from launchpad.engines.ray.entry import failure_in as failure_in
    from launchpad.engines.ray.job import RayEngine as RayEngine
    from launchpad.engines.ray.job import RaySight as RaySight
    from launchpad.engines.ray.job import look_at_ray as look_at_ray
    from launchpad.engines.ray.job import ray_command as ray_command
    from launchpad.engines.resident import resident_bytes as resident_bytes
    from launchpad.engines.running import EngineServer as EngineServer
    from launchpad.engines.server import EngineBuffers as EngineBuffers
    from launchpad.engines.server import EngineReport as EngineReport
    from launchpad.engines.server import RunningServer as RunningServer
    from launchpad.engines.server import Server as Server
    from launchpad.errors import AnswerError as AnswerError
    from launchpad.errors import BadModelFile as BadModelFile
    from launchpad.errors import BusyError as BusyError
    from launchpad.errors import ChoiceError as ChoiceError
    from launchpad.errors import ConfigError as ConfigError
    from launchpad.errors import DiskFull as DiskFull
    from launchpad.errors import EngineCrashed as EngineCrashed
    from launchpad.errors import EngineError as EngineError
    from launchpad.errors import EngineMissing as EngineMissing
    from launchpad.errors import LaunchError as LaunchError
    from launchpad.errors import LaunchpadError as LaunchpadError
    from launchpad.errors import NoModelFits as NoModelFits
    from launchpad.errors import PullError as PullError
    from launchpad.errors import RefusedError as RefusedError
    from launchpad.errors import SourceUnreachable as SourceUnreachable
    from launchpad.errors import UnknownModel as UnknownModel
    from launchpad.errors import UsageError as UsageError
    from launchpad.errors import VerifyError as VerifyError
    from launchpad.events import AnswerFinished as AnswerFinished
    from launchpad.events import EngineLoading as EngineLoading
    from launchpad.events import EngineReady as EngineReady
    from launchpad.events import EngineStarting as EngineStarting
    from launchpad.events import EngineStopped as EngineStopped
    from launchpad.events import Event as Event
    from launchpad.events import Notice as Notice
    from launchpad.events import PullFinished as PullFinished
    from launchpad.events import PullProgress as PullProgress
    from launchpad.events import PullStarted as PullStarted
    from launchpad.events import Report as Report
    from launchpad.events import ignore as ignore
    from launchpad.fit import fit as default_fit  # noqa: F401
    from launchpad.fit.layout import Layout as Layout
    from launchpad.fit.ollama import ollama_fit as ollama_fit
    from launchpad.fit.result import Band as Band
    from launchpad.fit.result import Basis as Basis
    from launchpad.fit.result import DeviceMemory as DeviceMemory
    from launchpad.fit.result import Fit as Fit
    from launchpad.fit.result import KvType as KvType
    from launchpad.fit.result import Placement as Placement
    from launchpad.fit.result import PlacementKind as PlacementKind
    from launchpad.fit.result import Settings as Settings
    from launchpad.fit.result import Speed as Speed
    from launchpad.fit.result import Term as Term
    from launchpad.fit.result import Verdict as Verdict
    from launchpad.fit.vllm import vllm_fit as vllm_fit
    from launchpad.fit.vllm_cpu import vllm_cpu_fit as vllm_cpu_fit
    from launchpad.gguf import GGUFHeader as GGUFHeader
    from launchpad.gguf import read_header as read_header
    from launchpad.hardware.machine import Accelerator as Accelerator
    from launchpad.hardware.machine import Api as Api
    from launchpad.hardware.machine import Cpu as Cpu
    from launchpad.hardware.machine import Fact as Fact
    from launchpad.hardware.machine import Machine as Machine
    from launchpad.hardware.machine import Memory as Memory
    from launchpad.hardware.machine import ProbeResult as ProbeResult
    from launchpad.hardware.machine import Vendor as Vendor
    from launchpad.hardware.machine import facts_about as facts_about
    from launchpad.hardware.reserve import metal_working_set as metal_working_set
    from launchpad.launcher.code_requests import revision_of as revision_of
    from launchpad.paths import cache_dir as cache_dir
    from launchpad.paths import config_dir as config_dir
    from launchpad.paths import data_dir as data_dir
    from launchpad.paths import hub_cache as hub_cache
    from launchpad.paths import state_dir as state_dir
    from launchpad.paths import store_dir as store_dir
    from launchpad.plan import EngineArguments as EngineArguments
    from launchpad.plan import PullStep as PullStep
    from launchpad.plan import StartStep as StartStep
    from launchpad.plugins.base import BackendBase as BackendBase
    from launchpad.plugins.chat_server import ChatEnd as ChatEnd
    from launchpad.plugins.chat_server import ChatEngine as ChatEngine
    from launchpad.plugins.chat_server import ChatRefused as ChatRefused
    from launchpad.plugins.chat_server import ChatRequest as ChatRequest
    from launchpad.plugins.chat_server import Emit as Emit
    from launchpad.plugins.chat_server import serve_chat as serve_chat
    from launchpad.plugins.chat_server import too_long as too_long
    from launchpad.plugins.command_backend import CommandBackend as CommandBackend
    from launchpad.plugins.guest_backend import GuestBackend as GuestBackend
    from launchpad.plugins.model_list import Served as Served
    from launchpad.plugins.model_list import is_name as is_name
    from launchpad.plugins.model_list import positive as positive
    from launchpad.plugins.python_backend import PythonBackend as PythonBackend
    from launchpad.plugins.server_backend import ServedModels as ServedModels
    from launchpad.plugins.server_backend import ServerAddress as ServerAddress
    from launchpad.plugins.server_backend import ServerBackend as ServerBackend
    from launchpad.plugins.server_backend import ServerRefused as ServerRefused
    from launchpad.plugins.server_backend import server_config as server_config
    from launchpad.plugins.spec import GROUP as GROUP
    from launchpad.plugins.spec import Backend as Backend
    from launchpad.plugins.spec import BackendCapabilities as BackendCapabilities
    from launchpad.plugins.spec import BackendStatus as BackendStatus
    from launchpad.plugins.spec import BuildLister as BuildLister
    from launchpad.plugins.spec import Catalog as Catalog
    from launchpad.plugins.spec import CommandSpec as CommandSpec
    from launchpad.plugins.spec import DryRuns as DryRuns
    from launchpad.plugins.spec import EngineDevice as EngineDevice
    from launchpad.plugins.spec import HardwareProbe as HardwareProbe
    from launchpad.plugins.spec import Installation as Installation
    from launchpad.plugins.spec import InstallOptions as InstallOptions
    from launchpad.plugins.spec import Installs as Installs
    from launchpad.plugins.spec import Listing as Listing
    from launchpad.plugins.spec import Listings as Listings
    from launchpad.plugins.spec import ModelSource as ModelSource
    from launchpad.plugins.spec import ProgramHere as ProgramHere
    from launchpad.plugins.spec import Pulls as Pulls
    from launchpad.plugins.spec import Reachability as Reachability
    from launchpad.plugins.spec import RemoteFile as RemoteFile
    from launchpad.plugins.spec import Resolved as Resolved
    from launchpad.plugins.spec import RollsBack as RollsBack
    from launchpad.plugins.spec import hookimpl as hookimpl
    from launchpad.pull.elsewhere import models_elsewhere as models_elsewhere
    from launchpad.pull.gguf_names import is_model as is_model
    from launchpad.pull.gguf_names import pick_files as pick_files
    from launchpad.pull.gguf_names import projector_for as projector_for
    from launchpad.pull.gguf_names import quantization_of as quantization_of
    from launchpad.pull.http import fetch_changed as fetch_changed
    from launchpad.pull.http import fetch_json as fetch_json
    from launchpad.pull.inventory import scan_store as scan_store
    from launchpad.pull.look import look_at as look_at
    from launchpad.pull.names import allowed_kind as allowed_kind
    from launchpad.pull.names import check_digest as check_digest
    from launchpad.pull.names import check_name as check_name
    from launchpad.pull.program_archive import program_archive as program_archive
    from launchpad.pull.program_archive import verified_archive as verified_archive
    from launchpad.pull.reach import ask_source as ask_source
    from launchpad.pull.registry import Layer as Layer
    from launchpad.pull.registry import fetch_manifest as fetch_manifest
    from launchpad.pull.repository import ListedFile as ListedFile
    from launchpad.pull.repository import builds_of as builds_of
    from launchpad.pull.repository import choose_files as choose_files
    from launchpad.pull.repository import listed_file as listed_file
    from launchpad.pull.unpack import unpack as unpack
    from launchpad.pull.urls import check_step as check_step
    from launchpad.sizes import parse_size as parse_size
    from launchpad.wish import Purpose as Purpose
    from launchpad.wish import Wish as Wish

# Public name -> where it lives: "module", or "module:attribute" when it has another name there. Each name stands
# in the block above as well, for type checkers; a test keeps the two alike.
_EXPORTS = {
    "RayEngine": "launchpad.engines.ray.job",
    "failure_in": "launchpad.engines.ray.entry",
    "RaySight": "launchpad.engines.ray.job",
    "look_at_ray": "launchpad.engines.ray.job",
    "ray_command": "launchpad.engines.ray.job",
    "Pulls": "launchpad.plugins.spec",
    "revision_of": "launchpad.launcher.code_requests",
    "vllm_cpu_fit": "launchpad.fit.vllm_cpu",
    "vllm_fit": "launchpad.fit.vllm",
    "RollsBack": "launchpad.plugins.spec",
    "ProgramHere": "launchpad.plugins.spec",
    "Installs": "launchpad.plugins.spec",
    "InstallOptions": "launchpad.plugins.spec",
    "Installation": "launchpad.plugins.spec",
    "ollama_fit": "launchpad.fit.ollama",
    "identify": "launchpad.engines.identity",
    "shape_of": "launchpad.catalog.gguf_shape",
    "explain_ollama": "launchpad.chat.ollama_words",
    "OllamaProblem": "launchpad.chat.ollama_words",
    "AnswerError": "launchpad.errors",
    "BadModelFile": "launchpad.errors",
    "BusyError": "launchpad.errors",
    "ChoiceError": "launchpad.errors",
    "ConfigError": "launchpad.errors",
    "DiskFull": "launchpad.errors",
    "EngineCrashed": "launchpad.errors",
    "EngineError": "launchpad.errors",
    "EngineMissing": "launchpad.errors",
    "LaunchError": "launchpad.errors",
    "LaunchpadError": "launchpad.errors",
    "NoModelFits": "launchpad.errors",
    "PullError": "launchpad.errors",
    "RefusedError": "launchpad.errors",
    "SourceUnreachable": "launchpad.errors",
    "UnknownModel": "launchpad.errors",
    "UsageError": "launchpad.errors",
    "VerifyError": "launchpad.errors",
    "Purpose": "launchpad.wish",
    "Wish": "launchpad.wish",
    "Availability": "launchpad.choice.choose",
    "Candidate": "launchpad.choice.choose",
    "Choice": "launchpad.choice.choose",
    "EngineArguments": "launchpad.plan",
    "PullStep": "launchpad.plan",
    "StartStep": "launchpad.plan",
    "AnswerFinished": "launchpad.events",
    "EngineLoading": "launchpad.events",
    "EngineReady": "launchpad.events",
    "EngineStarting": "launchpad.events",
    "EngineStopped": "launchpad.events",
    "Event": "launchpad.events",
    "Notice": "launchpad.events",
    "PullFinished": "launchpad.events",
    "PullProgress": "launchpad.events",
    "PullStarted": "launchpad.events",
    "Report": "launchpad.events",
    "ignore": "launchpad.events",
    "cache_dir": "launchpad.paths",
    "config_dir": "launchpad.paths",
    "data_dir": "launchpad.paths",
    "hub_cache": "launchpad.paths",
    "state_dir": "launchpad.paths",
    "store_dir": "launchpad.paths",
    "Accelerator": "launchpad.hardware.machine",
    "Api": "launchpad.hardware.machine",
    "Cpu": "launchpad.hardware.machine",
    "Fact": "launchpad.hardware.machine",
    "Machine": "launchpad.hardware.machine",
    "Memory": "launchpad.hardware.machine",
    "ProbeResult": "launchpad.hardware.machine",
    "Vendor": "launchpad.hardware.machine",
    "facts_about": "launchpad.hardware.machine",
    "metal_working_set": "launchpad.hardware.reserve",
    "fetch_changed": "launchpad.pull.http",
    "kept_catalogs": "launchpad.catalog.kept",
    "own_catalogs": "launchpad.catalog.own",
    "load_packaged": "launchpad.catalog.load",
    "Build": "launchpad.catalog.model",
    "Capabilities": "launchpad.catalog.model",
    "Format": "launchpad.catalog.model",
    "License": "launchpad.catalog.model",
    "LicenseClass": "launchpad.catalog.model",
    "LocalModel": "launchpad.catalog.model",
    "Model": "launchpad.catalog.model",
    "ModelFile": "launchpad.catalog.model",
    "Moe": "launchpad.catalog.model",
    "MultiHeadLatent": "launchpad.catalog.model",
    "Quality": "launchpad.catalog.model",
    "Recurrent": "launchpad.catalog.model",
    "Shape": "launchpad.catalog.model",
    "SlidingWindow": "launchpad.catalog.model",
    "Band": "launchpad.fit.result",
    "Basis": "launchpad.fit.result",
    "DeviceMemory": "launchpad.fit.result",
    "Fit": "launchpad.fit.result",
    "Layout": "launchpad.fit.layout",
    "KvType": "launchpad.fit.result",
    "Placement": "launchpad.fit.result",
    "PlacementKind": "launchpad.fit.result",
    "Settings": "launchpad.fit.result",
    "Speed": "launchpad.fit.result",
    "Term": "launchpad.fit.result",
    "Verdict": "launchpad.fit.result",
    "default_fit": "launchpad.fit:fit",
    "EngineBuffers": "launchpad.engines.server",
    "EngineReport": "launchpad.engines.server",
    "RunningServer": "launchpad.engines.server",
    "Server": "launchpad.engines.server",
    "EngineCommand": "launchpad.engines.command",
    "clean_environment": "launchpad.engines.command",
    "run_installer": "launchpad.engines.installing",
    "whole_or_nothing": "launchpad.engines.installing",
    "boot_id": "launchpad.engines.identity",
    "EngineProcess": "launchpad.engines.process",
    "EngineServer": "launchpad.engines.running",
    "resident_bytes": "launchpad.engines.resident",
    "require_private": "launchpad.engines.loopback",
    "free_port": "launchpad.engines.loopback",
    "get_loopback": "launchpad.engines.loopback",
    "GGUFHeader": "launchpad.gguf",
    "read_header": "launchpad.gguf",
    "BackendBase": "launchpad.plugins.base",
    "setting": "launchpad.config",
    "own_backends": "launchpad.config",
    "BackendConfig": "launchpad.config.sections",
    "ChatEnd": "launchpad.plugins.chat_server",
    "ChatEngine": "launchpad.plugins.chat_server",
    "ChatRefused": "launchpad.plugins.chat_server",
    "ChatRequest": "launchpad.plugins.chat_server",
    "Emit": "launchpad.plugins.chat_server",
    "serve_chat": "launchpad.plugins.chat_server",
    "too_long": "launchpad.plugins.chat_server",
    "PythonBackend": "launchpad.plugins.python_backend",
    "CommandBackend": "launchpad.plugins.command_backend",
    "ServerBackend": "launchpad.plugins.server_backend",
    "GuestBackend": "launchpad.plugins.guest_backend",
    "Served": "launchpad.plugins.model_list",
    "is_name": "launchpad.plugins.model_list",
    "positive": "launchpad.plugins.model_list",
    "parse_size": "launchpad.sizes",
    "ServerRefused": "launchpad.plugins.server_backend",
    "server_config": "launchpad.plugins.server_backend",
    "ServedModels": "launchpad.plugins.server_backend",
    "ServerAddress": "launchpad.plugins.server_backend",
    "GROUP": "launchpad.plugins.spec",
    "Backend": "launchpad.plugins.spec",
    "BackendCapabilities": "launchpad.plugins.spec",
    "BackendStatus": "launchpad.plugins.spec",
    "BuildLister": "launchpad.plugins.spec",
    "Catalog": "launchpad.plugins.spec",
    "CommandSpec": "launchpad.plugins.spec",
    "DryRuns": "launchpad.plugins.spec",
    "EngineDevice": "launchpad.plugins.spec",
    "HardwareProbe": "launchpad.plugins.spec",
    "Listing": "launchpad.plugins.spec",
    "Listings": "launchpad.plugins.spec",
    "ModelSource": "launchpad.plugins.spec",
    "Reachability": "launchpad.plugins.spec",
    "RemoteFile": "launchpad.plugins.spec",
    "Resolved": "launchpad.plugins.spec",
    "hookimpl": "launchpad.plugins.spec",
    "allowed_kind": "launchpad.pull.names",
    "ask_source": "launchpad.pull.reach",
    "check_name": "launchpad.pull.names",
    "check_step": "launchpad.pull.urls",
    "fetch_json": "launchpad.pull.http",
    "is_model": "launchpad.pull.gguf_names",
    "pick_files": "launchpad.pull.gguf_names",
    "quantization_of": "launchpad.pull.gguf_names",
    "scan_store": "launchpad.pull.inventory",
    "check_digest": "launchpad.pull.names",
    "fetch_manifest": "launchpad.pull.registry",
    "Layer": "launchpad.pull.registry",
    "choose_files": "launchpad.pull.repository",
    "builds_of": "launchpad.pull.repository",
    "ListedFile": "launchpad.pull.repository",
    "listed_file": "launchpad.pull.repository",
    "look_at": "launchpad.pull.look",
    "program_archive": "launchpad.pull.program_archive",
    "verified_archive": "launchpad.pull.program_archive",
    "unpack": "launchpad.pull.unpack",
    "models_elsewhere": "launchpad.pull.elsewhere",
    "projector_for": "launchpad.pull.gguf_names",
}

__all__ = sorted(_EXPORTS)

if not TYPE_CHECKING:  # so that type checkers report a name that does not exist

    def __getattr__(name: str) -> object:
        if name not in _EXPORTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _EXPORTS[name].partition(":")
        value = getattr(import_module(module), attribute or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})

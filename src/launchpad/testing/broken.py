"""One deliberately broken plugin per rule of the conformance kit. The kit's own tests prove that it rejects each."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import click
from msgspec import Struct
from msgspec.structs import replace

from launchpad.plugins import (
    BackendCapabilities,
    BackendStatus,
    Build,
    CommandSpec,
    EngineArguments,
    Fact,
    Fit,
    HardwareProbe,
    LocalModel,
    Machine,
    Memory,
    Model,
    ProbeResult,
    Reachability,
    RemoteFile,
    Report,
    Resolved,
    StartStep,
    Wish,
    hookimpl,
)
from launchpad.testing import specimens
from launchpad.testing.backend_contract import BackendContract
from launchpad.testing.contract import CatalogContract, CommandContract, PluginContract, ProbeContract
from launchpad.testing.source_contract import SourceContract

_number = count(1)


class Broken(Struct, frozen=True, kw_only=True):
    """A contract with a subject that breaks exactly this rule."""

    contract: type[Any]
    rule: str
    parts: dict[str, Callable[[], object]]

    def subject(self) -> Any:
        """An instance of the contract for this subject."""
        return subject(self.contract, **self.parts)


def subject(contract: type[Any], **parts: Callable[[], object]) -> Any:
    """An instance of the contract whose methods (`probe`, `source`, `build` …) give these parts."""
    return type(contract.__name__, (contract,), {name: staticmethod(part) for name, part in parts.items()})()


# -- plugins ----------------------------------------------------------------------------------------------------


def _misspelt() -> object:
    @hookimpl
    def launchpad_probe() -> Sequence[HardwareProbe]:
        return []

    return SimpleNamespace(launchpad_probe=launchpad_probe)


def _talkative() -> object:
    @hookimpl
    def launchpad_probes() -> Sequence[HardwareProbe]:
        sys.stdout.write("Hello from the plugin!\n")
        return []

    return SimpleNamespace(launchpad_probes=launchpad_probes)


def _different_each_time() -> object:
    @hookimpl
    def launchpad_probes() -> Sequence[HardwareProbe]:
        probe = specimens.Probe()
        probe.name = f"probe{next(_number)}"
        return [probe]

    return SimpleNamespace(launchpad_probes=launchpad_probes)


# -- probes -----------------------------------------------------------------------------------------------------


class _NamelessProbe(specimens.Probe):
    name = ""


class _ImpossibleProbe(specimens.Probe):
    def probe(self) -> ProbeResult:
        return ProbeResult(memory=Memory(total=-1))


class _ProbeWithoutEvidence(specimens.Probe):
    def fact(self) -> Fact:
        return Fact(subject="memory.total", value="1 GiB", evidence="")


class _PrintingProbe(specimens.Probe):
    def probe(self) -> ProbeResult:
        os.write(1, b"looking at the hardware ...\n")
        return super().probe()


class _ForgetfulProbe(specimens.Probe):
    def probe(self) -> ProbeResult:
        from launchpad.plugins import Accelerator

        return ProbeResult(accelerators=(Accelerator(index=next(_number), vendor="other", name="GPU"),))


class _ProbeThatNeedsHome(specimens.Probe):
    def probe(self) -> ProbeResult:
        return super().probe() if os.environ["HOME"] else ProbeResult()


# -- catalogs ---------------------------------------------------------------------------------------------------


class _CatalogWithoutModels(specimens.Catalog):
    models = None  # type: ignore[assignment]


class _UndatedCatalog(specimens.Catalog):
    date = "last week"


class _CatalogOf(specimens.Catalog):
    def __init__(self, *models: Model) -> None:
        self._models = models

    def models(self) -> Sequence[Model]:
        return self._models


class _ChangingCatalog(specimens.Catalog):
    def models(self) -> Sequence[Model]:
        return (replace(specimens.MODEL, id=f"specimen/{next(_number)}"),)


# -- commands ---------------------------------------------------------------------------------------------------


def _spec(**changes: str) -> CommandSpec:
    return CommandSpec(
        **{"name": "nothing", "target": f"{specimens.__name__}:command", "help": "Do nothing.", **changes}
    )


class _Inexplicable(click.Command):
    def get_help(self, ctx: click.Context) -> NoReturn:
        raise RuntimeError("There is no help.")


inexplicable = _Inexplicable("inexplicable")


# -- sources ----------------------------------------------------------------------------------------------------


class _SourceWithoutResolve(specimens.Source):
    resolve = None  # type: ignore[assignment]


class _SourceWithoutScheme(specimens.Source):
    schemes = ()


class _SilentlyUnreachable(specimens.Source):
    def reachable(self, timeout: float) -> Reachability:
        return Reachability(ok=False)


class _SourceThatCountsTwice(specimens.Source):
    def local(self) -> Iterable[LocalModel]:
        return 2 * [LocalModel(ref="specimen://model", path="/m", size=1, format="gguf", owner="specimen")]


class _UnpinnedSource(specimens.Source):
    def resolve(self, build: Build) -> Resolved:
        return replace(super().resolve(build), revision=str(next(_number)))


class _SourceOf(specimens.Source):
    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def file(self) -> RemoteFile:
        return replace(super().file(), **self._changes)


class _SourceWithAHomelessToken(specimens.Source):
    def resolve(self, build: Build) -> Resolved:
        return replace(super().resolve(build), token="secret")  # noqa: S106 -- a simulated one


class _SourceOfEverything(specimens.Source):
    def resolve(self, build: Build) -> Resolved:
        return super().resolve(specimens.BUILD)


# -- backends ---------------------------------------------------------------------------------------------------


class _BackendWithoutFormats(specimens.Backend):
    capabilities = BackendCapabilities(formats=())


class _UnhelpfulBackend(specimens.Backend):
    def status(self, machine: Machine) -> BackendStatus:
        return BackendStatus(state="unusable")


class _BackendOfEverything(specimens.Backend):
    def builds(self, model: Model) -> Iterable[Build]:
        return model.builds


class _BoastfulBackend(specimens.Backend):
    def fit(self, *arguments: Any, **options: Any) -> Fit | None:
        fit = super().fit(*arguments, **options)
        return None if fit is None else replace(fit, verdict="fits", why=None)


class _MoodyBackend(specimens.Backend):
    def fit(self, model: Model, build: Build, machine: Machine, wish: Wish, layout: Any = None) -> Fit | None:
        fit = super().fit(model, build, machine, wish, layout)
        return None if fit is None else replace(fit, notes=(f"mood {next(_number)}",))


class _BackendOfLists(specimens.Backend):
    def arguments(self, fit: Fit) -> EngineArguments:
        return {"flags": ["--fast"]}  # type: ignore[dict-item]


class _CuriousBackend(specimens.Backend):
    def local(self) -> Iterable[LocalModel]:
        with suppress(OSError):
            socket.create_connection(("192.0.2.1", 443), timeout=1)
        return ()


class _Mute(specimens.Handle):
    answer = ""


class _Open(specimens.Handle):
    def lets_in(self, authorization: str | None) -> bool:
        return True


class _Deaf(specimens.Handle):
    def stop(self) -> None:
        """Never."""


def _launching(handle: type[specimens.Handle]) -> Callable[[], specimens.Backend]:
    class Backend(specimens.Backend):
        def launch(self, start: StartStep, report: Report) -> specimens.Handle:
            return handle(start)

    return Backend


# -- the table --------------------------------------------------------------------------------------------------


def _plugin(rule: str, part: Callable[[], object]) -> Broken:
    return Broken(contract=PluginContract, rule=f"test_{rule}", parts={"plugin": part})


def _probe(rule: str, part: Callable[[], object]) -> Broken:
    return Broken(contract=ProbeContract, rule=f"test_{rule}", parts={"probe": part})


def _catalog(rule: str, part: Callable[[], object]) -> Broken:
    return Broken(contract=CatalogContract, rule=f"test_{rule}", parts={"catalog": part})


def _command(rule: str, **changes: str) -> Broken:
    return Broken(contract=CommandContract, rule=f"test_{rule}", parts={"spec": lambda: _spec(**changes)})


def _source(rule: str, part: Callable[[], object]) -> Broken:
    return Broken(
        contract=SourceContract, rule=f"test_{rule}", parts={"source": part, "build": lambda: specimens.BUILD}
    )


def _backend(rule: str, part: Callable[[], object]) -> Broken:
    # This module stands in for a model: a file that exists, and that the specimens do not read.
    return Broken(
        contract=BackendContract,
        rule=f"test_{rule}",
        parts={"backend": part, "model_file": lambda: Path(__file__)},
    )


BROKEN: tuple[Broken, ...] = (
    _plugin("the_host_loads_it_and_takes_everything_it_offers", _misspelt),
    _plugin("its_hooks_are_quick_silent_and_use_no_network", _talkative),
    _plugin("its_hooks_can_be_asked_again", _different_each_time),
    _probe("it_is_a_probe", _NamelessProbe),
    _probe("what_it_finds_is_possible", _ImpossibleProbe),
    _probe("every_fact_has_its_evidence", _ProbeWithoutEvidence),
    _probe("it_is_quick_silent_and_uses_no_network", _PrintingProbe),
    _probe("it_finds_the_same_hardware_again", _ForgetfulProbe),
    _probe("it_does_without_tools_and_variables", _ProbeThatNeedsHome),
    _catalog("it_is_a_catalog", _CatalogWithoutModels),
    _catalog("its_date_is_a_day", _UndatedCatalog),
    _catalog("its_models_are_possible", lambda: _CatalogOf(replace(specimens.MODEL, context=-1))),
    _catalog("no_two_models_share_an_id", lambda: _CatalogOf(specimens.MODEL, specimens.MODEL)),
    _catalog(
        "builds_say_where_they_come_from",
        lambda: _CatalogOf(replace(specimens.MODEL, builds=(replace(specimens.BUILD, ref="model.gguf"),))),
    ),
    _catalog("it_says_the_same_again_silently_and_without_network", _ChangingCatalog),
    _command("it_is_a_specification", name="Do Nothing"),
    _command("its_help_is_one_sentence", help="Nothing\nat all"),
    _command("its_target_is_a_click_command", target="json:dumps"),
    _command("it_explains_itself", target=f"{__name__}:inexplicable"),
    _source("it_is_a_source", _SourceWithoutResolve),
    _source("it_owns_schemes", _SourceWithoutScheme),
    _source("it_says_in_time_whether_it_can_be_reached", _SilentlyUnreachable),
    _source("what_it_holds_is_possible_and_needs_no_network", _SourceThatCountsTwice),
    _source("a_build_is_pinned", _UnpinnedSource),
    _source("every_file_can_be_verified", lambda: _SourceOf(sha256=None)),
    _source("every_file_stays_in_its_folder", lambda: _SourceOf(path="../../.bashrc")),
    _source("every_address_is_safe", lambda: _SourceOf(urls=("http://example.org/model.gguf",))),
    _source("a_token_has_one_host", _SourceWithAHomelessToken),
    _source("what_is_not_its_own_is_refused_with_an_error_for_people", _SourceOfEverything),
    _backend("it_is_a_backend", _BackendWithoutFormats),
    _backend("its_status_is_helpful_on_every_machine", _UnhelpfulBackend),
    _backend("it_names_only_builds_that_it_reads", _BackendOfEverything),
    _backend("its_fits_are_possible", _BoastfulBackend),
    _backend("its_fits_are_pure", _MoodyBackend),
    _backend("its_arguments_are_plain_and_pure", _BackendOfLists),
    _backend("what_it_holds_is_possible_and_needs_no_network", _CuriousBackend),
    _backend("its_engine_answers_in_the_openai_format", _launching(_Mute)),
    _backend("its_engine_is_private_and_keyed", _launching(_Open)),
    _backend("its_engine_ends_when_told_and_only_then", _launching(_Deaf)),
    _backend("a_file_that_is_no_model_is_refused_with_an_error_for_people", _launching(specimens.Handle)),
)

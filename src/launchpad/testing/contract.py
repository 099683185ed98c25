"""Rules for plugins, probes, catalogs and commands. Subclass, say what is under test, and pytest runs every rule."""

from __future__ import annotations

import re
from collections import Counter
from time import monotonic
from typing import Any
from unittest import mock

from launchpad.catalog.model import Model
from launchpad.hardware.machine import ProbeResult
from launchpad.plugins.host import Host
from launchpad.plugins.spec import Catalog, CommandSpec, HardwareProbe
from launchpad.plugins.validate import Invalid, check_name, check_protocol, check_target, checked, listed
from launchpad.testing.surroundings import offline, silent, within

_MAX_HOOK_SECONDS = 1.0
_MAX_PROBE_SECONDS = 5.0


class PluginContract:
    """What holds for every plugin, whatever it adds."""

    def plugin(self) -> object:
        """The module (or object) that the entry point names."""
        raise NotImplementedError

    def test_the_host_loads_it_and_takes_everything_it_offers(self) -> None:
        host = Host.of(plugin=self.plugin())
        host.load_all()
        assert host.failures == (), "\n".join(failure.line for failure in host.failures)

    def test_its_hooks_are_quick_silent_and_use_no_network(self) -> None:
        took = []
        for _ in range(3):  # the quickest counts: a busy machine is not the plugin's fault
            host = Host.of(plugin=self.plugin())
            began = monotonic()
            with offline(), silent():
                host.load_all()
            took.append(monotonic() - began)
            (info,) = host.plugins
            assert info.output == "", f"it printed {info.output!r}"
        assert min(took) <= _MAX_HOOK_SECONDS, (
            f"it took {min(took):.2f} s; {_MAX_HOOK_SECONDS:g} s are allowed"
        )

    def test_its_hooks_can_be_asked_again(self) -> None:
        plugin = self.plugin()
        first, second = (_offered_names(Host.of(plugin=plugin)) for _ in range(2))
        assert first == second, f"first {first}, then {second}"


def _offered_names(host: Host) -> list[str]:
    return [
        *(probe.name for probe in host.probes()),
        *(catalog.name for catalog in host.catalogs()),
        *(source.name for source in host.sources()),
        *(backend.name for backend in host.backends()),
        *(command.name for command in host.commands()),
    ]


class ProbeContract:
    """A probe looks, states its evidence, and leaves no trace."""

    def probe(self) -> HardwareProbe:
        """A new probe."""
        raise NotImplementedError

    def test_it_is_a_probe(self) -> None:
        conforms(self.probe(), HardwareProbe)

    def test_what_it_finds_is_possible(self) -> None:
        valid(self.probe().probe(), ProbeResult)

    def test_every_fact_has_its_evidence(self) -> None:
        for fact in self.probe().probe().facts:
            assert fact.subject.strip(), f"{fact} speaks of nothing"
            assert fact.evidence.strip(), f"{fact.subject} has no evidence"

    def test_it_is_quick_silent_and_uses_no_network(self) -> None:
        probe = self.probe()
        with offline(), silent(), within(_MAX_PROBE_SECONDS):
            probe.probe()

    def test_it_finds_the_same_hardware_again(self) -> None:
        first, second = self.probe().probe(), self.probe().probe()
        names = [[(a.index, a.vendor, a.name) for a in result.accelerators] for result in (first, second)]
        assert names[0] == names[1], f"first {names[0]}, then {names[1]}"

    def test_it_does_without_tools_and_variables(self) -> None:
        with mock.patch.dict("os.environ", {"PATH": ""}, clear=True):
            try:
                valid(self.probe().probe(), ProbeResult)
            except Exception as error:
                raise AssertionError(f"without PATH and HOME: {error!r}") from error


class CatalogContract:
    """A catalog is a list of distinct models that says how old it is."""

    def catalog(self) -> Catalog:
        """A new catalog."""
        raise NotImplementedError

    def test_it_is_a_catalog(self) -> None:
        conforms(self.catalog(), Catalog)

    def test_its_date_is_a_day(self) -> None:
        date = self.catalog().date
        assert date is None or re.fullmatch(r"\d{4}-\d{2}-\d{2}", date), (
            f"{date!r} is not of the form YYYY-MM-DD"
        )

    def test_its_models_are_possible(self) -> None:
        for model in self.catalog().models():
            valid(model, Model)

    def test_no_two_models_share_an_id(self) -> None:
        counts = Counter(model.id for model in self.catalog().models())
        assert max(counts.values(), default=0) <= 1, f"twice: {[key for key, n in counts.items() if n > 1]}"

    def test_builds_say_where_they_come_from(self) -> None:
        for model in self.catalog().models():
            for build in model.builds:
                assert re.fullmatch(r"[a-z][a-z0-9+.-]*://\S.*", build.ref), (
                    f"{model.id}: {build.ref!r} has no scheme"
                )

    def test_it_says_the_same_again_silently_and_without_network(self) -> None:
        catalog = self.catalog()
        with offline(), silent():
            first, second = tuple(catalog.models()), tuple(catalog.models())
        assert first == second, "its models change"


class CommandContract:
    """A command is named without importing it, and explains itself."""

    def spec(self) -> CommandSpec:
        """The specification that the hook hands over."""
        raise NotImplementedError

    def test_it_is_a_specification(self) -> None:
        spec = self.spec()
        valid(spec, CommandSpec)
        try:
            check_name(spec.name)
            check_target(spec.target)
        except Invalid as problem:
            raise AssertionError(str(problem)) from None

    def test_its_help_is_one_sentence(self) -> None:
        text = self.spec().help
        assert text == text.strip() and "\n" not in text and text.endswith("."), (
            f"{text!r} is not one sentence"
        )

    def test_its_target_is_a_click_command(self) -> None:
        import click

        assert isinstance(self._target(), click.Command), f"{self.spec().target} is no click command"

    def test_it_explains_itself(self) -> None:
        from click.testing import CliRunner

        result = CliRunner().invoke(self._target(), ["--help"])
        assert result.exit_code == 0, f"--help ends with {result.exit_code}: {result.exception!r}"
        assert "Usage:" in result.output, f"--help shows no usage: {result.output!r}"

    def _target(self) -> Any:
        from importlib import import_module

        module, _, attribute = self.spec().target.partition(":")
        return getattr(import_module(module), attribute)


def conforms(thing: object, protocol: type) -> None:
    """Assert that it has all members, and a plain name."""
    try:
        check_protocol(thing, protocol)
        check_name(thing.name)  # type: ignore[attr-defined]
    except Invalid as problem:
        raise AssertionError(str(problem)) from None


def valid(value: object, type_: type[Any]) -> None:
    """Assert that it is of the type, with possible values at any depth."""
    try:
        checked(value, type_, "it")
    except Invalid as problem:
        raise AssertionError(str(problem)) from None


def valid_items(items: object, type_: type[Any], most: int) -> list[Any]:
    """Assert that `items` are at most `most` possible values of the type."""
    try:
        found = listed(items, "it", most)
    except Invalid as problem:
        raise AssertionError(str(problem)) from None
    for item in found:
        valid(item, type_)
    return found

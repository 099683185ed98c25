"""Which engine runs what several could run: PURE. The reasons: docs/explanation/choice.md.

An engine that launchpad starts for one model comes first: it does exactly what was planned, asks for a key and needs no
second copy of the weights. A server with a store of its own (Ollama) runs what only it has or can, what lies in its
store already, and everything where the first engine's build leaves the machine's GPU idle. `--backend` decides otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from launchpad.catalog.model import Build, Model


class Engine(Struct, frozen=True, kw_only=True):
    """A usable engine, as far as the choice between engines goes."""

    name: str
    formats: tuple[str, ...]
    own_store: bool = False
    idle_gpu: bool = False  # the machine has a GPU that the installed build cannot use


def stands_back(engine: Engine, others: Sequence[Engine], model: Model, *, held: bool) -> bool:
    """Whether `engine` leaves a build of `model` to another; `held`: its own store, and no other, has the build."""
    if not engine.own_store or held:
        return False
    return any(_prefers(other, model) for other in others)


def _prefers(other: Engine, model: Model) -> bool:
    reads = any(build.format in other.formats for build in model.builds)
    return reads and not other.own_store and not other.idle_gpu


def reason(picked: str, engines: Sequence[Engine], build: Build, *, held: bool) -> str | None:
    """Why this engine and no other, in one sentence; None where only one could run the build."""
    able = {engine.name: engine for engine in engines if build.format in engine.formats}
    engine = able.get(picked)
    rivals = [other for other in engines if other.name != picked and _could(other, build)]
    if engine is None or not rivals:
        return None
    others = " and ".join(other.name for other in rivals)
    decides = f"--backend {rivals[0].name} decides otherwise"
    if not engine.own_store:
        return (
            f"{picked} rather than {others}: it is started for this model alone, as planned and with a key, and needs no "
            f"second copy of the weights; {decides}"
        )
    if held:
        return f"{picked} rather than {others}: its store has the weights already; {decides}"
    if any(other.idle_gpu for other in rivals):
        return (
            f"{picked} rather than {others}: the installed {others} cannot use this machine's GPU; {decides}"
        )
    return f"{picked} rather than {others}; {decides}"


def _could(other: Engine, build: Build) -> bool:
    """Ollama's builds are GGUF inside."""
    return build.format in other.formats or (build.format == "ollama" and "gguf" in other.formats)

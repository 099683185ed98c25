"""Which llama.cpp runs, when several are here: PURE. The reasons: docs/how-to/llama-cpp.md.

The one that uses a GPU before those that leave it idle, by the fastest API; then what launchpad was asked to install, the last
first; then the one that comes with launchpad, which is tested with it; then the user's own, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins.llamacpp.program import API_ORDER, FLOOR, UNKNOWN, Program

EMBEDDED = "launchpad's own environment"
MANAGED = "launchpad engines"
NAMED = "the setting llamacpp.program"


def refusal(program: Program) -> str | None:
    """Why this program is not used; None when nothing speaks against it."""
    if program.build == UNKNOWN and program.owner != NAMED:
        return "it does not tell its build, so that nobody knows whether it is safe; llamacpp.program can name it all the same"
    if UNKNOWN < program.build < FLOOR:
        return (
            f"b{program.build} is older than b{FLOOR}: a model file can overflow its memory (CVE-2026-27940)"
        )
    return None


def best(programs: Sequence[Program]) -> Program | None:
    """The one to use; None when there is none."""
    usable = [program for program in programs if refusal(program) is None]
    return min(usable, key=_rank, default=None)


def _rank(program: Program) -> tuple[int, int, int]:
    apis = program.apis
    speed = API_ORDER.index(apis[0]) if apis else len(API_ORDER)
    near = {NAMED: 0, MANAGED: 1, EMBEDDED: 2}.get(program.owner, 3)
    return speed, near, 0 if program.owner == MANAGED else -program.build  # of those installed, the last


def reason(used: Program, programs: Sequence[Program]) -> str | None:
    """Why this one, in one sentence; None where the one that comes with launchpad is used, or there is no other."""
    if used.owner == NAMED:
        return f"{used.name} is used: --engine or {NAMED} names {used.place}."
    if used.owner == EMBEDDED:
        return None
    embedded = next((program for program in programs if program.owner == EMBEDDED), None)
    sees = ", ".join(device.description or device.name for device in used.devices if device.api)
    what = f"{used.name} of {used.place} is used"
    if embedded is None:
        return f"{what}: xllamacpp is not here."
    if sees and not embedded.apis:
        return f"{what}: it computes on {sees}, which the embedded build leaves idle; --engine embedded decides otherwise."
    alike = not used.apis or used.apis[:1] == embedded.apis[:1]
    why = "it was installed last" if alike else f"it reaches {sees} by {used.apis[0]}"
    return f"{what}: {why}; --engine embedded decides otherwise."

"""launchpad: one command from a bare machine to a conversation with the best open-weight model it can run.

    import launchpad

    choice = launchpad.recommend(launchpad.Wish(purpose="code"))
    with launchpad.launch("qwen3-8b") as chat:
        print(chat.ask("Why is the sky blue?"))

Everything here is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "Answer": "launchpad.talk",
    "AsyncChat": "launchpad.talk_async",
    "Chat": "launchpad.talk",
    "Choice": "launchpad.choice.choose",
    "Machine": "launchpad.hardware.machine",
    "Model": "launchpad.catalog.model",
    "Plan": "launchpad.plan",
    "Script": "launchpad.script.api",
    "Wish": "launchpad.wish",
    "detect": "launchpad.api",
    "hookimpl": "launchpad.plugins",
    "launch": "launchpad.api",
    "recommend": "launchpad.api",
}

if TYPE_CHECKING:
    from launchpad import errors as errors
    from launchpad.api import detect as detect
    from launchpad.api import launch as launch
    from launchpad.api import recommend as recommend
    from launchpad.catalog.model import Model as Model
    from launchpad.choice.choose import Choice as Choice
    from launchpad.hardware.machine import Machine as Machine
    from launchpad.plan import Plan as Plan
    from launchpad.plugins import hookimpl as hookimpl
    from launchpad.script.api import Script as Script
    from launchpad.talk import Answer as Answer
    from launchpad.talk import Chat as Chat
    from launchpad.talk_async import AsyncChat as AsyncChat
    from launchpad.wish import Wish as Wish


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "errors":
        return import_module("launchpad.errors")
    if name not in _EXPORTS:
        raise AttributeError(f"module 'launchpad' has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*_EXPORTS, "__version__", "errors"])

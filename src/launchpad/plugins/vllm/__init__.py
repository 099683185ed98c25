"""vLLM: the engine for whoever outgrows a desktop. It lives in an environment of its own and is never imported here."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.plugins import Backend, hookimpl


@hookimpl
def launchpad_backends() -> Sequence[Backend]:
    """One backend; no vLLM is looked for here."""
    from launchpad.plugins.vllm.backend import Vllm

    return [Vllm()]

"""The files that the user wants beside a model: read, counted, and refused where they are none or have no room. Edge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from launchpad.errors import NoModelFits, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from launchpad.fit.layout import Layout
    from launchpad.fit.result import Fit
    from launchpad.gguf.header import TensorInfo
    from launchpad.plan import Plan

MIB = 1 << 20


def with_beside(plan: Plan) -> Plan:
    """The plan that counts the draft model and the adapters. Raises `UsageError`, `BadModelFile`, `NoModelFits`."""
    start = plan.start
    if start.draft_path is None and not start.loras:
        return plan
    if start.backend != "llamacpp":
        raise UsageError(
            f"{start.backend} takes no --draft and no --lora.",
            hint="Add --backend llamacpp, and name a GGUF model.",
        )
    fit = start.fit
    if start.draft_path is not None:
        from launchpad.fit.beside import with_draft
        from launchpad.lookup.model_file import read_layout

        fit = with_draft(fit, read_layout(_file(start.draft_path, "--draft")), plan.machine)
    if start.loras:
        from launchpad.fit.beside import lora_scratch, with_loras

        layout = _layout(plan)
        adapters = [_adapter(path) for path in start.loras]
        rows = max(_widest_product(adapter, layout) for adapter in adapters)
        scratch = lora_scratch(layout, start.settings, rows) if layout else 0
        fit = with_loras(fit, sum(tensor.size for adapter in adapters for tensor in adapter), scratch)
    _require_room(fit)
    return replace(plan, start=replace(start, fit=fit))


def _file(path: str, option: str) -> Path:
    found = Path(path).expanduser()
    if not found.is_file():
        raise UsageError(
            f"{option} names {path}, which is no file.", hint="Name a GGUF file on this machine."
        )
    return found


def _layout(plan: Plan) -> Layout | None:
    """The model's network, from its file where that is here; None when it is not known."""
    from launchpad.fit.from_shape import UnknownFigure, layout_from_model
    from launchpad.lookup.model_file import read_layout

    path, pick = plan.start.model_path, plan.choice.pick
    if path is not None and Path(path).is_file():
        return read_layout(Path(path))
    found = layout_from_model(pick.model, pick.build) if pick else None
    return None if isinstance(found, UnknownFigure) else found


def _widest_product(adapter: Sequence[TensorInfo], layout: Layout | None) -> int:
    """Floats per token of the widest product that it adds to; that of experts is there once for each in use."""
    used = layout.experts.used if layout and layout.experts else 1
    return max(
        (
            tensor.dims[1] * (used if len(tensor.dims) > 2 else 1)
            for tensor in adapter
            if tensor.name.startswith("blk.") and tensor.name.endswith(".lora_b") and len(tensor.dims) > 1
        ),
        default=0,
    )


def _adapter(path: str) -> Sequence[TensorInfo]:
    """The tensors of one. Raises `BadModelFile`."""
    from launchpad.errors import BadModelFile
    from launchpad.gguf import read_header

    header = read_header(_file(path, "--lora"))
    if header.metadata.get("general.type") != "adapter":
        raise BadModelFile(f"{Path(path).name} is no adapter.", why="Its header does not say that it is one.")
    return header.tensors


def _require_room(fit: Fit) -> None:
    for device in fit.devices:
        if device.spare is not None and device.spare < 0:
            raise NoModelFits(
                "The model fits, and what was asked for beside it does not.",
                why=f"It takes {-device.spare / MIB:,.0f} MiB more than can be used on {device.device}.",
                hint="A smaller --context, a smaller model, or no --draft and --lora.",
            )

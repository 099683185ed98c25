"""What llama.cpp is told, under the names of its own command line. Every value is explicit; nothing is left to it."""

from __future__ import annotations

from launchpad.plugins import EngineArguments, Fit, Settings

MIB = 2**20
CACHE_RAM = 512 * MIB  # the prompt cache may take so much of the spare memory, and at most an eighth of it
ROOMY = 4096 * MIB  # spare bytes from which on context checkpoints are no danger


def arguments(fit: Fit) -> EngineArguments:
    """The engine's arguments for this fit."""
    settings = fit.settings
    spare = _spare_host(fit)
    told: EngineArguments = {
        "ctx-size": settings.context,
        "parallel": settings.parallel,
        "kv-unified": settings.kv_unified,
        "batch-size": settings.batch,
        "ubatch-size": settings.ubatch,
        "cache-type-k": settings.kv_type_k,
        "cache-type-v": settings.kv_type_v,
        "flash-attn": "on" if settings.flash_attention else "off",
        "swa-full": settings.swa_full,
        "mmap": settings.mmap,
        "repack": settings.repack,
        "n-gpu-layers": settings.gpu_layers,
        "fit": "off",  # all is planned; llama.cpp would change what the plan promised
        "cache-ram": min(CACHE_RAM, spare // 8) // MIB,
        "ctx-checkpoints": 8 if spare >= ROOMY else 2,
    }
    return told | _optional(settings)


def _optional(settings: Settings) -> EngineArguments:
    told: EngineArguments = {}
    if settings.threads is not None:
        told["threads"] = settings.threads
    if settings.cpu_moe_layers:
        told["n-cpu-moe"] = settings.cpu_moe_layers
    used = [index for index, share in enumerate(settings.tensor_split) if share]
    if len(used) == 1:  # with a share of nothing for the others, buffers are kept as if they took part
        told["split-mode"], told["main-gpu"] = "none", used[0]
    elif used:
        told["tensor-split"] = ",".join(f"{share:g}" for share in settings.tensor_split)
    return told


def _spare_host(fit: Fit) -> int:
    """Bytes of main memory that the plan leaves over; 0 when that is not known."""
    spare = [device.spare for device in fit.devices if device.device == "cpu"]
    return max(0, spare[0] or 0) if spare else 0

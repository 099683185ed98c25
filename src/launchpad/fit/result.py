"""What a fit says: every term of the memory sum per device, where the layers go, how fast, and why."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
Verdict = Literal["fits", "tight", "no", "unknown"]
PlacementKind = Literal["cpu", "gpu", "partial", "unknown"]
Basis = Literal["exact", "formula", "calibrated", "measured", "reserve"]


class Settings(Struct, frozen=True, kw_only=True):
    """What the engine will be told. Tokens and counts; the engine gets every value explicitly.

    `memory_share` is the part of each GPU's whole memory that an engine takes which fills what it is given (vLLM).
    """

    context: int
    parallel: int = 1
    kv_unified: bool = False
    kv_type_k: KvType = "f16"
    kv_type_v: KvType = "f16"
    batch: int = 2048
    ubatch: int = 512
    flash_attention: bool = True
    swa_full: bool = False
    mmap: bool = True
    repack: bool = True
    threads: int | None = None
    gpu_layers: int = 0
    cpu_moe_layers: int = 0
    tensor_split: tuple[float, ...] = ()
    memory_share: float | None = None


class Term(Struct, frozen=True, kw_only=True):
    """One term of the memory sum, in bytes, and what the figure rests on."""

    name: str  # weights, kv_cache, … : `launchpad.cli.render.TERMS` has all
    bytes: int
    basis: Basis


class DeviceMemory(Struct, frozen=True, kw_only=True):
    """The memory sum of one device. `free` is what it has now, `reserve` what stays for the system."""

    device: str  # "cpu", or the accelerator's "<vendor>:<index>"; on another node of a cluster "<node>/<vendor>:<index>"
    terms: tuple[Term, ...]
    free: int | None
    reserve: int = 0

    @property
    def total(self) -> int:
        """Sum of all terms in bytes."""
        return sum(term.bytes for term in self.terms)

    @property
    def spare(self) -> int | None:
        """Bytes left after the sum and the reserve; negative when it does not fit, None when free is unknown."""
        return None if self.free is None else self.free - self.reserve - self.total

    def term(self, name: str) -> int:
        """Bytes of the named term, 0 when it does not occur."""
        return sum(term.bytes for term in self.terms if term.name == name)


class MemoryCheck(Struct, frozen=True, kw_only=True):
    """Bytes of one device, as predicted and as the engine says, without what belongs to no buffer (overhead).

    `difference` is the engine's figure over ours, less one.
    """

    device: str
    predicted: dict[str, int]  # weights, context, compute
    engine: dict[str, int]
    difference: float


class Confirmation(Struct, frozen=True, kw_only=True):
    """The engine's own word on a fit. `agrees` is False when a device differs by more than 3 %."""

    engine: str
    devices: tuple[MemoryCheck, ...]
    agrees: bool


class Band(Struct, frozen=True, kw_only=True):
    """A figure with its honest range. Units are those of the field that holds it."""

    low: float
    value: float
    high: float
    basis: Basis = "formula"


class Learned(Struct, frozen=True, kw_only=True):
    """Factors that earlier launches on the machine put on the formulas' speeds."""

    decode: float = 1.0
    prefill: float = 1.0


class Speed(Struct, frozen=True, kw_only=True):
    """Tokens per second for one conversation, and seconds until things happen.

    `decode` holds with `depth` tokens in the context; each further one adds `seconds_per_depth` to a token's time.
    """

    decode: Band | None = None  # tokens/s
    prefill: Band | None = None  # tokens/s
    first_token: float | None = None  # s, for a prompt of 512 tokens, model loaded
    load: float | None = None  # s
    download: float | None = None  # s
    depth: int = 0
    seconds_per_depth: float = 0.0
    learned: Learned | None = None


class Placement(Struct, frozen=True, kw_only=True):
    """Where the layers go. `layers` counts the output layer as one, as `-ngl` does.

    `tensor_parallel` GPUs share each layer; `pipeline_parallel` groups of them share the layers out, one after the other;
    `data_parallel` copies of all that share the conversations out. `expert_parallel`: experts are shared out whole.
    """

    kind: PlacementKind
    gpu_layers: int = 0
    layers: int | None = None
    devices: tuple[str, ...] = ()
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    expert_parallel: bool = False


class Fit(Struct, frozen=True, kw_only=True):
    """One model build on one machine with one backend.

    `verdict`: "fits"; "tight" (fits, but leaves less than the usual margin); "no"; "unknown" when a needed figure
    is not known. `why` is one sentence for people, always set unless the verdict is "fits". `room` is what is left of main
    memory for other programs, beyond the system's reserve (None: not known); a GPU with unified memory takes of it as well. `elsewhere`
    says that it would run on another machine, for which nothing here can speak. `way_out` says what to do where neither memory
    nor a smaller build helps.
    """

    model_id: str
    build: str  # Build.ref
    backend: str
    settings: Settings
    placement: Placement
    devices: tuple[DeviceMemory, ...]
    verdict: Verdict
    speed: Speed = Speed()
    why: str | None = None
    notes: tuple[str, ...] = ()
    room: int | None = None
    elsewhere: bool = False
    way_out: str | None = None

    @property
    def total(self) -> int:
        """Bytes over all devices."""
        return sum(device.total for device in self.devices)

    @property
    def runs(self) -> bool:
        """True when the machine can hold it."""
        return self.verdict in ("fits", "tight")

"""The tensor table of a model file, summed the way an engine places it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

# Types of which the CPU backend keeps a second copy in another order.
REPACKED_TYPES = frozenset({"Q4_0", "Q4_K", "IQ4_NL"})
REPACKED_ROWS = 8  # it interleaves so many rows

_BLOCK = re.compile(r"blk\.(\d{1,4})\.(.+)")
_EMBEDDING = "token_embd.weight"
_PER_LAYER_EMBEDDING = "per_layer_token_embd.weight"


class Tensor(Protocol):
    """What is needed of one tensor."""

    @property
    def name(self) -> str:
        """Its name in the file."""

    @property
    def dims(self) -> tuple[int, ...]:
        """Dimensions, the fastest varying first."""

    @property
    def type(self) -> str:
        """ggml's name of its type."""

    @property
    def size(self) -> int:
        """Bytes."""


class WeightSums(Struct, frozen=True, kw_only=True):
    """Bytes of a file's tensors; tuples hold one entry per block.

    `output` counts the output matrix, if there is one, and everything outside blocks and embeddings. Parameters of
    the token embedding count only when it is also the output matrix.
    """

    token_embd: int
    output: int
    tied: bool
    blocks: tuple[int, ...]
    experts: tuple[int, ...]
    per_layer_embd: int = 0
    largest_up: tuple[int, ...] = ()
    largest_down: tuple[int, ...] = ()
    largest_expert_up: tuple[int, ...] = ()
    largest_expert_down: tuple[int, ...] = ()
    repack: int = 0
    vocab: int | None = None
    parameters: int | None = None
    expert_parameters: int = 0
    gated: bool | None = None
    quantization: str | None = None
    rope_factors: bool = False


def sum_weights(tensors: Sequence[Tensor], blocks: int) -> WeightSums:
    """The sums over a tensor table; tensors of blocks that the model does not have count as output."""
    sums = _Sums(blocks)
    for tensor in tensors:
        sums.add(tensor)
    return sums.result({tensor.name for tensor in tensors})


class _Sums:
    """Running sums over tensors."""

    def __init__(self, blocks: int) -> None:
        self.blocks = [0] * blocks
        self.experts = [0] * blocks
        self.largest = {name: [0] * blocks for name in ("up", "down", "expert_up", "expert_down")}
        self.token_embd = self.per_layer_embd = self.output = self.repack = 0
        self.parameters = self.expert_parameters = self.embedding_parameters = 0
        self.vocab: int | None = None
        self.bytes_by_type: Counter[str] = Counter()
        self.gated: bool | None = None
        self.ffn_rows: dict[tuple[int, str], int] = {}

    def add(self, tensor: Tensor) -> None:
        elements = 1
        for dim in tensor.dims:
            elements *= dim
        self.parameters += elements
        if tensor.name == _EMBEDDING:
            self.token_embd += tensor.size
            self.embedding_parameters += elements
            self.vocab = tensor.dims[-1]
            return
        if tensor.name == _PER_LAYER_EMBEDDING:
            self.per_layer_embd += tensor.size
            self.parameters -= elements
            return
        match = _BLOCK.fullmatch(tensor.name)
        if match is None or int(match[1]) >= len(self.blocks):
            self.output += tensor.size
            return
        self._add_to_block(int(match[1]), match[2], tensor, elements)

    def _add_to_block(self, block: int, part: str, tensor: Tensor, elements: int) -> None:
        self.blocks[block] += tensor.size
        self.bytes_by_type[tensor.type] += tensor.size
        if tensor.type in REPACKED_TYPES and len(tensor.dims) > 1 and tensor.dims[1] % REPACKED_ROWS == 0:
            self.repack += tensor.size
        if "_exps" in part:
            self.experts[block] += tensor.size
            self.expert_parameters += elements
        self._note_gate(block, part, tensor)
        self._note_largest(block, part, tensor)

    def _note_gate(self, block: int, part: str, tensor: Tensor) -> None:
        """A gate is a matrix of its own, or the other half of the rows of `ffn_up`."""
        if not part.endswith(".weight") or len(tensor.dims) < 2 or "inp" in part:
            return
        name = part.removesuffix(".weight")
        if name.startswith("ffn_gate"):
            self.gated = True
        elif name.startswith(("ffn_up", "ffn_down")):
            rows = tensor.dims[1] if name.startswith("ffn_up") else tensor.dims[0]
            kind = name.removeprefix("ffn_up").removeprefix("ffn_down")
            other = self.ffn_rows.setdefault((block, kind), rows)
            self.gated = bool(self.gated) or rows != other

    def _note_largest(self, block: int, part: str, tensor: Tensor) -> None:
        if not part.endswith(".weight") or not part.startswith(("ffn_up", "ffn_gate", "ffn_down")):
            return
        if "shexp" in part or "gate_inp" in part:
            return
        name = ("expert_" if "_exps" in part else "") + ("down" if part.startswith("ffn_down") else "up")
        self.largest[name][block] = max(self.largest[name][block], tensor.size)

    def result(self, names: set[str]) -> WeightSums:
        tied = "output.weight" not in names
        looked_up = 0 if tied else self.embedding_parameters
        common = self.bytes_by_type.most_common(1)
        return WeightSums(
            token_embd=self.token_embd,
            output=self.output,
            tied=tied,
            blocks=tuple(self.blocks),
            experts=tuple(self.experts),
            per_layer_embd=self.per_layer_embd,
            largest_up=tuple(self.largest["up"]),
            largest_down=tuple(self.largest["down"]),
            largest_expert_up=tuple(self.largest["expert_up"]),
            largest_expert_down=tuple(self.largest["expert_down"]),
            repack=self.repack,
            vocab=self.vocab,
            parameters=self.parameters - looked_up,
            expert_parameters=self.expert_parameters,
            gated=self.gated,
            quantization=common[0][0] if common else None,
            rope_factors=any(name.startswith(("rope_freqs", "rope_factors")) for name in names),
        )

"""A machine from its description, for `--on`: "2x RTX 3090 + 64GB", "M4 Max 64GB", "cpu 16GB", or a file.

Nothing of the computer at hand enters: what the description leaves out is unknown, or assumed by one of the rules
of `launchpad.hardware.assumed` and marked so in the facts.

    description = part { "+" part }          "," and "with" also separate
    part        = [N "x"] device [size]      a GPU or a chip of the table; the size picks the variant
                | ["cpu"] size               main memory ("64GB", "64GB RAM", "8GB laptop", "cpu 8GB 4 cores", "Raspberry Pi 5 16GB")
                | N "cores" | N "GB/s"       the processor's cores, its memory's peak bandwidth
    cluster     = N "nodes of" description ["over" rate]      several such machines as one (launchpad.hardware.cluster)

GB means GiB, as memory is sold.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from launchpad.errors import UsageError
from launchpad.hardware.assumed import Given, complete
from launchpad.hardware.cluster import clustered, described
from launchpad.hardware.machine import Machine
from launchpad.hardware.resolve import Pick, pick
from launchpad.hardware.sizes import memory_bytes
from launchpad.sizes import parse_rate

T = TypeVar("T")

MOST_DEVICES = 64
_MOST_MEMORY = 2**50
_LONGEST = 300
_EXAMPLES = 'For example: "RTX 4090", "2x RTX 3090 + 64GB", "M4 Max 64GB", "cpu 16GB".'

_SIZE = r"\d{1,7}(?:\.\d{1,2})? ?(?:gi?b?|ti?b)"  # "1080 Ti" is no size
_I = re.IGNORECASE
_SEPARATOR = re.compile(r" *(?:[,;&+]| with | and ) *", _I)
_COUNT = re.compile(r"(\d{1,2}) ?[x×*] ?(?=\D|\d{3,4}\b)", _I)
_COUNT_AFTER = re.compile(r" [x×*] ?(\d{1,2})$", _I)
_RAM = re.compile(rf"\b({_SIZE}) ?(?:of )?(?:system |main |host )?(?:ram|memory|ddr\d?)\b", _I)
_RATE = re.compile(r"\b(\d{1,5}(?:\.\d{1,2})? ?[gt]b/s)", _I)
_CORES = re.compile(r"\b(\d{1,4})[- ]?(?:cpu[- ])?(?:cores?|threads?|vcpus?|cpus)\b(?! gpu)", _I)
_PLAIN_SIZE = re.compile(rf"(?<![\w.])({_SIZE})\b", _I)
_CHIP = re.compile(r"\bm\d{1,2}\b", _I)  # Apple's; a number of cores beside it is its GPU's
_MAC = re.compile(r"\b(?:macbook (?:pro|air)|macbook|mac (?:mini|studio|pro)|imac)\b", _I)
# Boards without a GPU that llama.cpp could use: (cores, peak memory bandwidth in bytes/s), all ARM with NEON.
_BOARDS = {"raspberry pi 4": (4, 12.8e9), "raspberry pi 5": (4, 17.1e9)}
_BOARD = re.compile(rf"\b({'|'.join(_BOARDS)})\b", _I)
_FILLER = frozenset(
    [
        "cpu",
        "only",
        "no",
        "gpu",
        "ram",
        "memory",
        "a",
        "an",
        "pc",
        "computer",
        "machine",
        "box",
        "laptop",
        "notebook",
        "desktop",
        "server",
        "vm",
    ]
)


class _Part(Struct, frozen=True, kw_only=True):
    """One part of a description, taken apart. `device` is what is left: the device's name, if any."""

    count: int
    device: str
    size: int | None
    memory: int | None
    cores: int | None
    bandwidth: float | None
    arm: bool = False


def simulate(description: str | Path) -> Machine:
    """The machine that `description` describes, or that a `.toml` file does. Raises `UsageError`."""
    text = str(description).strip()
    if isinstance(description, Path) or text.lower().endswith(".toml"):
        from launchpad.hardware.machine_file import read_machine

        return read_machine(Path(description).expanduser())
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise UsageError("The machine is not described.", why="--on needs a short text.", hint=_EXAMPLES)
    if several := described(text):
        count, each, interconnect = several
        return clustered(text, [_simulate(each)] * count, interconnect=interconnect)
    return _simulate(text)


def _simulate(text: str) -> Machine:
    return _combine(text, [_take_apart(part, text) for part in _split(text)])


def _split(text: str) -> list[str]:
    normal = re.sub(r"(?i)\bmax\+(?= \d{3}\b|$)", "Max", re.sub(r"\s+", " ", text))  # "Ryzen AI Max+ 395"
    return [part for part in _SEPARATOR.split(normal) if part]


def _take_apart(part: str, whole: str) -> _Part:
    rest, board = _pulled(_BOARD, _MAC.sub(" ", part).strip())
    known = _BOARDS.get((board or "").lower(), (None, None))
    rest, count = _pulled(_COUNT, rest, at_start=True)
    if count is None:
        rest, count = _pulled(_COUNT_AFTER, rest)
    rest, bandwidth = _pulled(_RATE, rest)
    rest, memory = _pulled(_RAM, rest)
    cores = None
    if not _CHIP.search(rest):
        rest, cores = _pulled(_CORES, rest)
    rest, size = _own_size(rest, part)
    words = rest.split()
    device = " ".join(words) if {word.lower() for word in words} - _FILLER else ""
    found = _Part(
        count=_number(count, whole),
        device=device,
        size=_size(size, whole),
        memory=_size(memory, whole),
        cores=known[0] if cores is None else _number(cores, whole),
        bandwidth=known[1] if bandwidth is None else parse_rate(bandwidth),
        arm=board is not None,
    )
    if found.bandwidth == 0:
        raise _too_odd(whole)
    return found


def _own_size(text: str, part: str) -> tuple[str, str | None]:
    """`text` without its size, and the size, which may stand there twice ("GTX 1060 3GB 3GB")."""
    rest, size = _pulled(_PLAIN_SIZE, text)
    while _PLAIN_SIZE.search(rest):
        rest, other = _pulled(_PLAIN_SIZE, rest)
        if memory_bytes(other or "") != memory_bytes(size or ""):
            raise UsageError(
                f"'{part}' names two sizes.",
                why="It is unclear which one is the GPU's.",
                hint='Put "+" before the main memory, as in "RTX 3060 12GB + 32GB".',
            )
    return rest, size


def _pulled(pattern: re.Pattern[str], text: str, *, at_start: bool = False) -> tuple[str, str | None]:
    """`text` without the first match of `pattern`, and what its group held."""
    match = pattern.match(text) if at_start else pattern.search(text)
    if match is None:
        return text, None
    return f"{text[: match.start()]} {text[match.end() :]}".strip(), match[1]


def _number(written: str | None, whole: str) -> int:
    value = int(written or "1")
    if not 1 <= value <= 1024:
        raise _too_odd(whole)
    return value


def _size(written: str | None, whole: str) -> int | None:
    size = None if written is None else memory_bytes(written)
    if size is not None and not 0 < size <= _MOST_MEMORY:
        raise _too_odd(whole)
    return size


def _too_odd(whole: str) -> UsageError:
    return UsageError(
        f"'{whole}' is no machine.", why="A number in it is zero or far too large.", hint=_EXAMPLES
    )


def _combine(text: str, parts: list[_Part]) -> Machine:
    memory = _single(
        [s for p in parts for s in (p.memory, None if p.device else p.size) if s], "main memory", text
    )
    cores = _single([p.cores for p in parts if p.cores], "number of cores", text)
    bandwidth = _single([p.bandwidth for p in parts if p.bandwidth], "memory bandwidth", text)
    picks = [_pick(part, memory, text) for part in parts if part.device]
    if not picks and memory is None:
        raise UsageError(f"'{text}' names neither a GPU nor an amount of memory.", why=None, hint=_EXAMPLES)
    return complete(
        Given(
            name=text,
            picks=tuple(each for count, found in picks for each in [found] * count),
            memory=memory,
            cores=cores,
            cpu_bandwidth=bandwidth,
            arm=any(part.arm for part in parts),
        )
    )


def _single(values: list[T], what: str, text: str) -> T | None:
    if len(values) > 1:
        raise UsageError(f"'{text}' gives the {what} twice.", why="One machine has one.", hint=_EXAMPLES)
    return values[0] if values else None


def _pick(part: _Part, memory: int | None, text: str) -> tuple[int, Pick]:
    found = pick(part.device, part.size, memory)
    if part.count > MOST_DEVICES:
        raise _too_odd(text)
    return part.count, found

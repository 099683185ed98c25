"""From what a person calls a GPU to one row of the table of devices, or an error that teaches."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec import Struct

from launchpad.errors import UsageError
from launchpad.hardware.devices import SIZE, Device, Tokens, alike, keys, nearest, table, tokens, vocabulary
from launchpad.hardware.sizes import shown

_CPU_HINT = 'A machine without a GPU is written "cpu 32GB".'


class Pick(Struct, frozen=True, kw_only=True):
    """A device with the memory it is meant with, in bytes; `note` says what was taken for granted."""

    device: Device
    size: int
    note: str | None = None


def pick(name: str, size: int | None, memory: int | None = None) -> Pick:
    """The device that `name` means, with `size` bytes of its own memory if given. Raises `UsageError`.

    `memory` is the machine's, for chips that have no memory of their own.
    """
    candidates = _candidates(name)
    wanted = memory if size is None and is_chip(name) else size
    fitting, note = _usual_form(_of_size(name, candidates, wanted))
    chosen_size = _only_size(name, fitting) if wanted is None else wanted
    slowest = min(fitting, key=lambda d: (d.bandwidth or 0, d.fp32_flops or 0))
    if len(fitting) > 1:
        if not alike(fitting):
            raise _ambiguous(name, fitting)
        note = f"the slower of {_listed(d.name for d in fitting)}"
    return Pick(device=slowest, size=chosen_size, note=note)


def is_chip(name: str) -> bool:
    """Whether `name` means chips that share the machine's memory. Raises `UsageError` when it means nothing."""
    return all(device.unified for device in _candidates(name))


def _candidates(name: str) -> list[Device]:
    """Devices of this name: exactly this one (of any size), else those whose name says the least besides."""
    written = _squeezed(name)
    exact = [d for d in table() if written in map(_squeezed, (d.name, *d.aliases))]
    if exact:
        return [d for d in table() if keys(d)[0] in {keys(e)[0] for e in exact}]
    words, unknown = _segmented(tokens(name))
    telling = len(words) > 1 or any(c.isdigit() for word in words for c in word)
    found = nearest(table(), words) if telling and not unknown else []
    if not found:
        raise _unknown(name)
    return found


def _of_size(name: str, candidates: list[Device], size: int | None) -> list[Device]:
    """Those that are sold with `size`; without a size, those whose plain name needs none ("RTX 3060" has 12 GB)."""
    if size is None:
        return [d for d in candidates if not SIZE.search(d.name.lower())] or candidates
    fitting = [d for d in candidates if not d.sizes or size in d.sizes]
    if not fitting:
        sold = sorted({s for d in candidates for s in d.sizes})
        raise UsageError(
            f"There is no {name} with {shown(size)}.",
            why=f"It is sold with {_listed(map(shown, sold), 'or')}.",
            hint=None
            if candidates[0].unified
            else f'Main memory is written after a "+": "{name} + {shown(size)}".',
        )
    return fitting


def _usual_form(devices: list[Device]) -> tuple[list[Device], str | None]:
    """Of data-center cards that exist as board and as PCIe card, the board (SXM) unless the name tells."""
    boards = [d for d in devices if any("sxm" in key for key in keys(d))]
    if not boards or len(boards) == len(devices):
        return devices, None
    others = [d.name for d in devices if d not in boards]
    return boards, f"the SXM board; write {_listed(others, 'or')} for that card"


def _only_size(name: str, devices: list[Device]) -> int:
    sizes = sorted({size for d in devices for size in d.sizes})
    if not sizes:
        raise UsageError(
            f"{devices[0].name} has no memory of its own.",
            why="It shares the machine's, whose size is not given.",
            hint=f'Give the machine\'s memory: "{name} 32GB".',
        )
    if len(sizes) > 1 and len({_family(d) for d in devices}) > 1:
        raise _ambiguous(name, devices)
    if len(sizes) > 1:
        ways = [f'"{name} {shown(size)}"' for size in sizes]
        raise UsageError(
            f"{name} is sold with {_listed(map(shown, sizes), 'or')}.",
            why="The size decides which models fit.",
            hint=f"Write {_listed(ways, 'or')}.",
        )
    return sizes[0]


def _family(device: Device) -> Tokens:
    """What is left of the name without the form and the number of GPU cores: one product to its buyers."""
    return frozenset(w for w in keys(device)[0] if w not in ("sxm", "pcie") and not w.endswith("core"))


def _ambiguous(name: str, devices: list[Device]) -> UsageError:
    names = [f'"{d.name}"' for d in devices]
    return UsageError(
        f"'{name}' may be one of {len(names)} devices.",
        why="They differ in memory or speed.",
        hint=f"Write {_listed(names, 'or')}.",
    )


def _unknown(name: str) -> UsageError:
    labels = {alias.lower(): alias for d in table() for alias in (d.name, *d.aliases)}
    labels |= {_squeezed(label): label for label in list(labels.values())}
    close = [labels[key] for key in difflib.get_close_matches(name.lower(), labels, n=6, cutoff=0.6)]
    close += _sharing_words(name)
    suggestions = list(dict.fromkeys(close))[:3]
    return UsageError(
        f"'{name}' is not in the table of GPUs and chips.",
        why=f"Did you mean {_listed(suggestions, 'or')}?" if suggestions else None,
        hint=f"{_CPU_HINT} Any machine can be described in a .toml file.",
    )


def _sharing_words(name: str) -> list[str]:
    """Devices that share a telling word with `name`: one with a digit in it."""
    words = {word for word in _segmented(tokens(name))[0] if any(c.isdigit() for c in word)}
    return [d.name for d in table() if any(words & key for key in keys(d))] if words else []


# -- words ------------------------------------------------------------------------------------------------------


def _segmented(words: Tokens) -> tuple[Tokens, bool]:
    """`words` with those written together taken apart ("rtx4090" -> rtx, 4090), and whether one is unknown."""
    known: set[str] = set()
    unknown = False
    for word in words:
        pieces = _pieces(word)
        known.update(pieces or ())
        unknown = unknown or pieces is None
    return frozenset(known), unknown


def _pieces(word: str) -> tuple[str, ...] | None:
    """The fewest words of the vocabulary that make up `word`, or None."""
    names = vocabulary() | _PREFIXES
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        ways = [
            (*before, word[start:end])
            for start in range(end)
            if (before := best[start]) is not None and word[start:end] in names
        ]
        best[end] = min(ways, key=len, default=None)
    pieces = best[len(word)]
    return None if pieces is None else tuple(piece for piece in pieces if piece not in _PREFIXES)


# Makers' words that `tokens` leaves out where they stand alone.
_PREFIXES = frozenset({"nvidia", "geforce", "radeon", "amd", "intel", "apple", "tesla"})


def _squeezed(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _listed(names: Iterable[str], joint: str = "and") -> str:
    items = list(names)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {joint} {items[-1]}" if items else ""

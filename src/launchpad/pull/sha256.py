"""SHA-256 whose state can be kept: what was hashed before a restart need not be read again.

`hashlib` cannot export a running hash. OpenSSL's libcrypto can: its `SHA256_CTX` is public, and has had the same layout
since 1.0 and in LibreSSL, BoringSSL and AWS-LC. The library that Python itself is linked with is used; the same code
runs under `hashlib`, so the speed is the same. Where there is none, or it does not pass the test below, `available`
is False, hashes come from `hashlib`, and a resumed pull reads again what it has.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Self

BLOCK = 64
STATE = 32  # bytes: the eight words; how many bytes were hashed is kept by the caller
_TEST = bytes(range(256)) * 3


class _Context(ctypes.Structure):
    _fields_ = (
        ("words", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("data", ctypes.c_uint32 * 16),
        ("pending", ctypes.c_uint),
        ("length", ctypes.c_uint),
        ("room", ctypes.c_uint32 * 32),  # should a library need more than all known ones do
    )


class Sha256:
    """A running SHA-256 like hashlib's, with `state`. Only for when `available()`."""

    def __init__(self, state: bytes | None = None, done: int = 0) -> None:
        """Begin afresh, or go on after `done` bytes (a multiple of 64) that led to `state`."""
        library = _library()
        assert library is not None
        self._library = library
        self._context = _Context()
        library.SHA256_Init(ctypes.byref(self._context))
        if state is not None:
            assert len(state) == STATE and done % BLOCK == 0
            for index in range(8):
                self._context.words[index] = int.from_bytes(state[4 * index : 4 * index + 4], "big")
            self._context.bits_low = (done << 3) & 0xFFFFFFFF
            self._context.bits_high = (done << 3) >> 32

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes. Other threads run meanwhile."""
        whole = bytes(data)  # no copy when it is bytes already
        self._library.SHA256_Update(ctypes.byref(self._context), whole, len(whole))

    def hexdigest(self) -> str:
        """The digest so far; more may follow."""
        copy, digest = _copied(self._context), ctypes.create_string_buffer(32)
        self._library.SHA256_Final(digest, ctypes.byref(copy))
        return digest.raw.hex()

    def copy(self) -> Self:
        """A second running hash with the same bytes behind it."""
        other = type(self)()
        other._context = _copied(self._context)
        return other

    def state(self) -> bytes:
        """The state to go on from later. Only after a multiple of 64 bytes."""
        assert self._context.pending == 0
        return b"".join(word.to_bytes(4, "big") for word in self._context.words)


def available() -> bool:
    """Say whether a hash can be kept here."""
    return _library() is not None


@cache
def _library() -> ctypes.CDLL | None:
    for name in _names():
        with suppress(OSError, AttributeError):
            library = _declared(ctypes.CDLL(name))
            if _works(library):
                return library
    return None


def _names() -> Iterator[str]:
    with suppress(ImportError, AttributeError):
        import _hashlib

        yield _hashlib.__file__  # its symbols and those of the libcrypto that it is linked with
    yield from ("libcrypto.so.3", "libcrypto-3.dll", "libcrypto-3-x64.dll", "libcrypto.so.1.1")


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    context = ctypes.POINTER(_Context)
    library.SHA256_Init.argtypes = (context,)
    library.SHA256_Update.argtypes = (context, ctypes.c_char_p, ctypes.c_size_t)
    library.SHA256_Final.argtypes = (ctypes.c_char_p, context)
    return library


def _works(library: ctypes.CDLL) -> bool:
    """Whether the layout is what we think: hash, look into the state, go on from it, compare with hashlib."""
    first, second, digest = _Context(), _Context(), ctypes.create_string_buffer(32)
    library.SHA256_Init(ctypes.byref(first))
    library.SHA256_Update(ctypes.byref(first), _TEST, 4 * BLOCK)
    library.SHA256_Init(ctypes.byref(second))
    if (first.pending, first.bits_low, first.bits_high) != (0, 8 * 4 * BLOCK, 0):
        return False
    second.words[:] = first.words[:]
    second.bits_low = first.bits_low
    rest = _TEST[4 * BLOCK :] + b"x"
    library.SHA256_Update(ctypes.byref(second), rest, len(rest))
    library.SHA256_Final(digest, ctypes.byref(second))
    return digest.raw == hashlib.sha256(_TEST + b"x").digest()


def _copied(context: _Context) -> _Context:
    return _Context.from_buffer_copy(context)

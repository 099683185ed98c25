from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.pull import sha256
from launchpad.pull.sha256 import BLOCK, Sha256

CONTENT = random.Random(3).randbytes(300_000)


def test_a_hash_can_be_kept_on_this_system() -> None:
    """CPython of this suite's systems is linked with a libcrypto; elsewhere `hashlib` takes over (next file)."""
    assert sha256.available()


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_it_is_sha256_in_any_steps(steps: list[int]) -> None:
    running, at = Sha256(), 0
    for step in steps:
        running.update(CONTENT[at : at + step])
        at += step
    assert running.hexdigest() == hashlib.sha256(CONTENT[:at]).hexdigest()


@given(st.integers(0, 4000))
def test_a_kept_state_goes_on(blocks: int) -> None:
    done = blocks * BLOCK
    first = Sha256()
    first.update(CONTENT[:done])
    second = Sha256(first.state(), done)
    second.update(CONTENT[done:])
    assert second.hexdigest() == hashlib.sha256(CONTENT).hexdigest()


def test_a_state_far_into_a_large_file() -> None:
    """The count of bits has two words: 2^32 bits are only 512 MB."""
    done = 5 << 30
    mine = Sha256(bytes(range(32)), done)
    assert (mine._context.bits_low, mine._context.bits_high) == ((done * 8) & 0xFFFFFFFF, (done * 8) >> 32)


def test_a_digest_does_not_end_the_hash() -> None:
    running = Sha256()
    running.update(b"a")
    running.hexdigest()
    running.update(b"b")
    assert running.hexdigest() == hashlib.sha256(b"ab").hexdigest()


def test_copies_are_apart() -> None:
    first = Sha256()
    first.update(b"a")
    second = first.copy()
    second.update(b"b")
    assert first.hexdigest() == hashlib.sha256(b"a").hexdigest()
    assert second.hexdigest() == hashlib.sha256(b"ab").hexdigest()


def test_a_library_that_hashes_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    library = sha256._library()
    assert library is not None and sha256._works(library)
    monkeypatch.setattr(sha256, "_TEST", bytes(len(sha256._TEST)), raising=True)
    monkeypatch.setattr(hashlib, "sha256", hashlib.sha224)
    assert not sha256._works(library)

"""The one judge of names, digests and kinds of files that come from a server.

Names are checked by the rules of POSIX and of Windows on every system: a model pulled on one machine is copied to
another, and path traversal comes back in every new code path that has rules of its own.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Self

from msgspec import Struct

from launchpad.errors import RefusedError

LONGEST_COMPONENT = 255  # bytes, the limit of nearly every file system
LONGEST_NAME = 1024
DEEPEST = 16

_WINDOWS_FORBIDDEN = frozenset('<>:"|?*\\')
_WINDOWS_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)
# Cc and Cf: control, bidi, zero-width and tag characters; Cs: bytes that were not UTF-8; Zl, Zp: other line ends.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHA256 = re.compile(r"(?:sha256[:-])?([0-9a-f]{64})", re.ASCII)
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)

_ALLOWED_SUFFIXES = (".gguf", ".safetensors", ".json", ".jinja", ".tiktoken")
_ALLOWED_NAMES = frozenset(
    {"merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model"}
)


class Digest(Struct, frozen=True):
    """A sha256: always exactly 32 bytes, so that its hex form is always safe in a path."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise RefusedError("A sha256 must have 32 bytes.", why=f"This one has {len(self.raw)}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 64 lower-case hex digits, optionally after `sha256:`. Raises `RefusedError` for anything else."""
        match = _SHA256.fullmatch(text)
        if not match:
            raise _refused(text, "it is not a sha256: 64 lower-case hex digits", kind="digest")
        return cls(bytes.fromhex(match[1]))

    def hex(self) -> str:
        """The 64 lower-case hex digits."""
        return self.raw.hex()


def check_digest(text: str) -> str:
    """The 64 hex digits of a sha256; raise `RefusedError` for anything else, `sha256:` before it aside."""
    return Digest.parse(text).hex()


def check_git_sha1(text: str) -> str:
    """Return `text` when it is a git object id (40 lower-case hex digits); raise `RefusedError` otherwise."""
    if not _GIT_SHA1.fullmatch(text):
        raise _refused(text, "it is not a git object id: 40 lower-case hex digits", kind="digest")
    return text


def check_name(name: str) -> str:
    """Return the relative `/`-separated path `name` when it is safe on every system; raise `RefusedError` otherwise."""
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise _refused(name, f"it is longer than {LONGEST_NAME} bytes")
    parts = name.split("/")
    if len(parts) > DEEPEST:
        raise _refused(name, f"it is more than {DEEPEST} folders deep")
    for part in parts:
        if fault := _fault(part):
            raise _refused(name, fault)
    return name


def check_component(name: str) -> str:
    """Return `name` when it is a safe name of one file or folder; raise `RefusedError` otherwise."""
    if "/" in name:
        raise _refused(name, "it contains a slash")
    return check_name(name)


def check_kind(name: str) -> str:
    """Return `name` when files of its kind hold data and no code; raise `RefusedError` otherwise."""
    base = name.rpartition("/")[2].lower()
    if base in _ALLOWED_NAMES or base.endswith(_ALLOWED_SUFFIXES):
        return name
    raise _refused(
        name, "files of this kind can hold code; launchpad fetches weights, tokenizers and settings only"
    )


def allowed_kind(name: str) -> bool:
    """Say whether files of this kind hold data and no code."""
    try:
        check_kind(name)
    except RefusedError:
        return False
    return True


def _fault(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "it has an empty, '.' or '..' part"
    if any(unicodedata.category(char) in _INVISIBLE for char in part):
        return "it has control, invisible or undecodable characters"
    if _WINDOWS_FORBIDDEN.intersection(part):
        return "it has a character that is special on Windows"
    if part[0] in " ~" or part[-1] in " .":
        return "it begins with a space or '~', or ends with a space or a dot"
    if _WINDOWS_DEVICES.fullmatch(part.partition(".")[0].rstrip(" ")):
        return "it is the name of a device on Windows"
    if len(part.encode()) > LONGEST_COMPONENT:
        return f"a part of it is longer than {LONGEST_COMPONENT} bytes"
    return None


def quote(text: str | bytes, limit: int = 80) -> str:
    """Text from a stranger as printable ASCII in quotes, cut to `limit` characters: safe on a terminal."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    cut = shown[:limit]
    return ascii(cut) + ("..." if len(shown) > limit else "")


def _refused(name: str, fault: str, kind: str = "file name") -> RefusedError:
    return RefusedError(
        f"The {kind} {quote(name)} is refused.",
        why=f"It comes from a server, and {fault}.",
        hint="Choose another repository, and report this one to its host.",
    )

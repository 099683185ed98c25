"""Signatures by a real ssh-keygen: the right one passes, and nothing else does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from launchpad.catalog.signature import NAMESPACE, fingerprint, public_key, verify
from launchpad.errors import UsageError, VerifyError

KEYGEN = shutil.which("ssh-keygen") or "ssh-keygen"
needs_openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
DATA = b'{"schema": 1, "models": []}'


def key_pair(folder: Path, kind: str = "ed25519") -> Path:
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [KEYGEN, "-q", "-t", kind, "-N", "", "-C", "somebody@example.org", "-f", str(folder / "key")],
        check=True,
    )
    return folder / "key"


def signed(key: Path, data: bytes = DATA, namespace: str = NAMESPACE) -> bytes:
    command = [KEYGEN, "-Y", "sign", "-q", "-n", namespace, "-f", str(key)]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@needs_openssh
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_by_the_stated_key_passes(tmp_path: Path, kind: str) -> None:
    key = key_pair(tmp_path / "a", kind)
    stated = public_key(f"{key}.pub")
    verify(DATA, signed(key), stated, "c")
    shown = subprocess.run(
        [KEYGEN, "-l", "-f", f"{key}.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert fingerprint(stated) in shown


@needs_openssh
def test_everything_else_is_refused(tmp_path: Path) -> None:
    key, other = key_pair(tmp_path / "a"), key_pair(tmp_path / "b")
    stated, good = public_key(f"{key}.pub"), signed(key)
    middle = len(good) // 2
    bad: list[tuple[bytes, bytes]] = [
        (DATA + b" ", good),
        (DATA[:-1], good),
        (DATA, signed(other)),
        (DATA, signed(key, namespace="git")),
        (DATA, signed(key, data=b"something else")),
        (DATA, b""),
        (DATA, b"no signature"),
        (DATA, good[:middle]),
        (DATA, good[:middle] + (b"A" if good[middle : middle + 1] != b"A" else b"B") + good[middle + 1 :]),
        (DATA, b"x" * (1 << 20)),
    ]
    for data, signature in bad:
        with pytest.raises(VerifyError, match="is not signed by SHA256:"):
            verify(data, signature, stated, "c")
    verify(DATA, good, stated, "c")


@needs_openssh
def test_a_key_is_a_line_or_a_file_and_its_comment_is_left_out(tmp_path: Path) -> None:
    key = key_pair(tmp_path / "a")
    line = Path(f"{key}.pub").read_text(encoding="utf-8")
    assert "somebody" in line
    assert public_key(line) == public_key(f"{key}.pub")
    assert "somebody" not in public_key(line)
    with pytest.raises(UsageError):
        public_key(str(key))  # the private one
    for text in (
        "",
        "no-such-file",
        "ssh-ed25519",
        f"cert-authority {line}",
        f'namespaces="git" {line}',
        line + line,
    ):
        with pytest.raises(UsageError):
            public_key(text)


def test_without_openssh_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        verify(DATA, b"x", "ssh-ed25519 AAAA", "c")
    assert "--sha256" in (caught.value.hint or "")

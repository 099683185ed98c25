"""Signed catalogs: OpenSSH's signatures (SSHSIG), checked by the `ssh-keygen` that is on almost every machine.

No cryptography of our own and no library for it: who publishes a catalog signs it with a key that he has already,

    ssh-keygen -Y sign -n launchpad-catalog -f ~/.ssh/id_ed25519 catalog.json        # writes catalog.json.sig

and who takes it states the public key. The namespace keeps a signature of anything else (a git commit) from counting.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from launchpad.errors import UsageError, VerifyError

NAMESPACE = "launchpad-catalog"
_IDENTITY = "publisher"
_KEY = re.compile(
    r"(?P<kind>ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9-]+@openssh\.com)"
    r" (?P<blob>[A-Za-z0-9+/]{16,4096}={0,3})(?: [^\n\r]*)?\s*"
)
_LARGEST_KEY = 1 << 14
_LARGEST_SIGNATURE = 1 << 16
_SECONDS = 30.0


def public_key(text: str) -> str:
    """The key as one line, "ssh-ed25519 AAAA…", from such a line or from a .pub file. Raises `UsageError`.

    Nothing else of the line is kept: options of an authorized-keys file would change what the key may do.
    """
    line = text.strip()
    if not _KEY.fullmatch(line):
        path = Path(text).expanduser()
        try:
            with path.open(encoding="utf-8") as file:
                line = file.read(_LARGEST_KEY).strip()
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise _no_key(text) from error
    match = _KEY.fullmatch(line)
    if match is None or not _decoded(match["blob"]):
        raise _no_key(text)
    return f"{match['kind']} {match['blob']}"


def fingerprint(key: str) -> str:
    """The key's name, as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(_decoded(key.partition(" ")[2]) or b"").digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def verify(data: bytes, signature: bytes, key: str, origin: str) -> None:
    """Return when `signature` is that of `data` by `key`. Raises `VerifyError`, `UsageError` without ssh-keygen."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UsageError(
            "The signature cannot be checked.",
            why="There is no ssh-keygen on this machine.",
            hint="Install OpenSSH's client, or pin the catalog with --sha256 HEX.",
        )
    if len(signature) > _LARGEST_SIGNATURE:
        raise _wrong(origin, key, "What should be its signature is far too long.")
    with TemporaryDirectory(prefix="launchpad-signature-", ignore_cleanup_errors=True) as folder:
        allowed, signed = Path(folder, "allowed"), Path(folder, "signature")
        allowed.write_text(f'{_IDENTITY} namespaces="{NAMESPACE}" {key}\n', encoding="ascii")
        signed.write_bytes(signature)
        command = [
            program,
            "-Y",
            "verify",
            "-f",
            str(allowed),
            "-I",
            _IDENTITY,
            "-n",
            NAMESPACE,
            "-s",
            str(signed),
        ]
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _wrong(origin, key, f"ssh-keygen did not finish: {error}.") from error
    if done.returncode != 0:
        told = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
        raise _wrong(origin, key, f"ssh-keygen says: {told[-1][:160] if told else 'no'}")


def _decoded(blob: str) -> bytes | None:
    try:
        return base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return None


def _no_key(text: str) -> UsageError:
    return UsageError(
        f"{text[:60]!a} is no public key.",
        why="A line like 'ssh-ed25519 AAAA…', or a file with one, is wanted.",
        hint="Ask the publisher of the catalog for it, on a way that you trust.",
    )


def _wrong(origin: str, key: str, why: str) -> VerifyError:
    return VerifyError(
        f"{origin} is not signed by {fingerprint(key)}.",
        why=why,
        hint="Nothing was changed. Ask the publisher; another key is another publisher.",
    )

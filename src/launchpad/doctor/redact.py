"""A text without what a bug report must not tell: tokens, and the names of user and home folder."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Mapping

_TOKENS = re.compile(
    r"\b(?:hf_|sk-|gh[opsu]_|github_pat_|glpat-|xox[abp]-|AKIA|ms-|Bearer\s+|eyJ)[A-Za-z0-9._~+/=-]{6,}"
)
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|COOKIE", re.IGNORECASE
)
_SHORTEST = 6  # characters of a variable's value below which it is no secret worth the name


def redacted(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` with secrets as `<secret>`, the home folder as `~` and the user's name as `<user>`."""
    environ = os.environ if environ is None else environ
    for name, value in environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, "<secret>")
    text = _IN_ADDRESS.sub("<secret>@", _TOKENS.sub("<secret>", text))
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home and home not in ("/", ""):
        text = text.replace(home, "~")
    for private, stands_for in ((_user(environ), "<user>"), (platform.node(), "<host>")):
        if private and len(private) > 1:
            text = re.sub(rf"(?<![\w.-]){re.escape(private)}(?![\w-])", stands_for, text)
    return text


def _user(environ: Mapping[str, str]) -> str | None:
    name = environ.get("USER") or environ.get("LOGNAME") or environ.get("USERNAME")
    if name:
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None

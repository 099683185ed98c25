"""What a bug report must not tell."""

from __future__ import annotations

import platform

import pytest

from launchpad.doctor.redact import redacted

ENVIRON = {"HOME": "/home/ada", "USER": "ada", "HF_TOKEN": "canary-value", "EDITOR": "editor-value"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ada/models/x.gguf", "~/models/x.gguf"),
        ("owned by ada, not by adam", "owned by <user>, not by adam"),
        ("/mnt/ada/x", "/mnt/<user>/x"),
        ("sent canary-value and editor-value", "sent <secret> and editor-value"),
        ("key hf_abcdefghijklmnop", "key <secret>"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: <secret>"),
        ("http://me:password@proxy:3128/x", "http://<secret>@proxy:3128/x"),
        ("sk-abcdefghijkl and ghp_abcdefghijkl", "<secret> and <secret>"),
        ("context 8,192", "context 8,192"),
    ],
)
def test_redacted(text, left):
    assert redacted(text, ENVIRON) == left


def test_the_name_of_the_machine():
    assert redacted(f"on {platform.node()}!", ENVIRON) == "on <host>!"

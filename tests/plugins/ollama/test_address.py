"""`OLLAMA_HOST` in all its forms, as Ollama itself reads it (envconfig.Host of 0.33.0-rc2)."""

from __future__ import annotations

import socket

import pytest

from launchpad.plugins.ollama.address import address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("1.2.3.4:1234", "http://1.2.3.4:1234"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("http://example.com:1234/", "http://example.com:1234"),
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("example.com:1234/a/b/", "http://example.com:1234/a/b"),
        ("example.com:66000", "http://example.com:11434"),
        ("example.com:x", "http://example.com:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1337", "http://[::1]:1337"),
        ("::1", "http://[::1]:11434"),
        (' "1.2.3.4" ', "http://1.2.3.4:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("HTTP://Example.com", "http://Example.com:80"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_every_form(text: str, url: str) -> None:
    assert address({"OLLAMA_HOST": text}).url == url


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("", True),
        ("localhost", True),
        ("127.0.0.7:1", True),
        ("[::1]", True),
        ("0.0.0.0", True),
        (socket.gethostname(), True),
        ("192.0.2.7", False),
        ("gpu-box", False),
        ("https://ollama.example", False),
    ],
)
def test_what_is_on_this_machine(text: str, local: bool) -> None:
    assert address({"OLLAMA_HOST": text}).local is local


def test_the_cloud_is_told_apart() -> None:
    assert address({"OLLAMA_HOST": "https://ollama.com"}).cloud
    assert not address({"OLLAMA_HOST": "https://ollama.com.example"}).cloud

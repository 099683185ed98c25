from __future__ import annotations

import pytest

from launchpad.errors import RefusedError
from launchpad.pull.urls import check_step, check_url, may_see_token, public

PUBLIC = "https://1.1.1.1/model"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://x",
        "https://",
        "//example.com/x",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: evil",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://[half",
        "http://host:99999/",
    ],
)
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(RefusedError):
        check_url(url)


@pytest.mark.parametrize(
    "target",
    [
        "http://1.0.0.1/model",
        "file:///etc/passwd",
        "https://127.0.0.1:11434/api",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://localhost/x",
        "https://router.local/x",
        "https://10.0.0.1/x",
        "https://192.168.1.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://169.254.169.254/x",
        "https://0.0.0.0/x",
    ],
)
def test_a_public_host_leads_nowhere_private_and_never_to_http(target: str) -> None:
    with pytest.raises(RefusedError):
        check_step(PUBLIC, target)


def test_good_steps_pass() -> None:
    assert check_step(PUBLIC, "https://1.0.0.1/other") == "https://1.0.0.1/other"
    assert check_step("http://127.0.0.1:1/a", "http://127.0.0.1:2/b") == "http://127.0.0.1:2/b"
    assert check_step("http://1.1.1.1/a", "https://1.1.1.1/a") == "https://1.1.1.1/a"


@pytest.mark.parametrize(
    ("url", "host", "expected"),
    [
        ("https://huggingface.co/x", "huggingface.co", True),
        ("https://huggingface.co:443/x", "huggingface.co", True),
        ("https://huggingface.co:8443/x", "huggingface.co", False),
        ("http://huggingface.co/x", "huggingface.co", False),
        ("https://evil.huggingface.co/x", "huggingface.co", False),
        ("https://huggingface.co.evil/x", "huggingface.co", False),
        ("https://huggingface.co@evil/x", "huggingface.co", False),
        ("http://127.0.0.1:5000/x", "127.0.0.1:5000", True),
        ("http://127.0.0.1:5001/x", "127.0.0.1:5000", False),
        ("https://huggingface.co/x", None, False),
    ],
)
def test_the_token_is_for_its_own_host(url: str, host: str | None, expected: bool) -> None:
    assert may_see_token(url, host) is expected


def test_what_is_shown_has_no_secret() -> None:
    assert public("https://me:secret@host:8443/a/b?X-Amz-Signature=secret#x") == "https://host:8443/a/b"
    assert "secret" not in public("http://[half?secret")

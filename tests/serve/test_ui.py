"""The engine's own page: who gets in, and, in a real browser with the real engine, that it works."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest

from chat.simulated_engine import SimulatedEngine
from launchpad.serve.ui import TICKET_SECONDS, Ui
from launchpad.testing.processes import eventually
from serve.conftest import KEY, OneEngine, Running, gateway

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture
def serving(engine: SimulatedEngine) -> Iterator[Running]:
    """A gateway that offers the page; the simulated engine answers any GET with it."""
    with gateway(OneEngine(engine), web_ui=True) as running:
        yield running


def ticket(serving: Running) -> str:
    assert serving.gateway.ui is not None
    return serving.gateway.ui.ticket()


def cookie_of(serving: Running) -> str:
    got = serving.client(ticket(serving), key=None)
    assert got.status == 200
    (morsel,) = SimpleCookie(got.headers["set-cookie"]).values()
    assert morsel["httponly"]
    assert morsel["samesite"] == "Strict"
    return f"{morsel.key}={morsel.value}"


def test_a_ticket_works_once_and_hands_over_the_key(serving: Running) -> None:
    path = ticket(serving)
    got = serving.client(path, key=None)
    assert got.status == 200
    assert KEY in got.body.decode()
    assert "script-src 'nonce-" in got.headers["content-security-policy"]
    assert serving.client(path, key=None).status == 401


def test_a_ticket_of_yesterday(serving: Running) -> None:
    path = ticket(serving)
    ui = serving.gateway.ui
    assert isinstance(ui, Ui)
    ui._expires -= TICKET_SECONDS
    assert serving.client(path, key=None).status == 401


@pytest.mark.parametrize(
    "path", ["/open", "/open?ticket=", "/open?ticket=None", "/open?ticket=x&ticket=y", "/open?ticket=%00"]
)
def test_without_the_ticket_there_is_no_way_in(serving: Running, path: str) -> None:
    assert serving.client(path, key=None).status == 401
    ticket(serving)
    assert serving.client(path, key=None).status == 401


def test_the_cookie_opens_the_pages_files_and_nothing_else(serving: Running, engine: SimulatedEngine) -> None:
    cookie = [("Cookie", f"a=b; {cookie_of(serving)}")]
    for path in ("/", "/index.html", "/_app/immutable/bundle.X.js", "/favicon.ico", "/manifest.webmanifest"):
        assert serving.client(path, key=None).status == 401, path
        assert serving.client(path, key=None, headers=[("Cookie", "launchpad-1=x")]).status == 401, path
        got = serving.client(path, key=None, headers=cookie)
        assert (got.status, got.body) == (200, b"<page>"), path
        assert "connect-src 'self'" in got.headers["content-security-policy"]
    for path in (
        "/v1/models",
        "/metrics",
        "/props",
        "/sw.js",
        "/slots",
        "/tools",
        "/cors-proxy",
        "/models",
        "/_app/../props",
        "/..%2fprops",
    ):
        assert serving.client(path, key=None, headers=cookie).status == 401, path
    assert serving.client("/v1/chat/completions", {}, key=None, headers=cookie).status == 401
    assert serving.client("/", b"", method="POST", key=None, headers=cookie).status == 401
    assert serving.client("/", key=None, headers=cookie, host="evil.example").status == 403
    for path in ("/sw.js", "/slots", "/cors-proxy"):
        assert serving.client(path).status == 404, path


def test_only_the_gateways_own_page_may_ask(serving: Running) -> None:
    own = f"http://127.0.0.1:{serving.client.port}"
    assert serving.client("/v1/models", headers=[("Origin", own)]).status == 200
    assert serving.client("/v1/models", key=None, headers=[("Origin", own)]).status == 401
    for origin in (f"http://localhost:{serving.client.port}", "http://127.0.0.1:1", own + "/", "null"):
        assert serving.client("/v1/models", headers=[("Origin", origin)]).status == 403


def test_the_engines_facts_without_its_paths(serving: Running, engine: SimulatedEngine) -> None:
    engine.page = json.dumps({"total_slots": 1, "model_path": "/home/me/x.gguf", "new": "/home/me"}).encode()
    assert serving.client("/props").document == {
        "total_slots": 1,
        "model_alias": "m",
        "model_path": "m",
        "ui": True,
    }


# -- in a browser -------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(smollm2: Path, tmp_path: Path) -> Iterator[str]:
    """The address that `serve --open` hands to the browser; a script stands for the browser that the user has."""
    seen, script = tmp_path / "address", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho "$1" > {seen}.new && mv {seen}.new {seen}\n')
    script.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "launchpad", "serve", str(smollm2), "--offline", "--port", "0", "--context", "2048", "--open"],
        stderr=subprocess.PIPE, env={**os.environ, "BROWSER": str(script)},
    )  # fmt: skip
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read)
    drain.start()
    eventually(seen.exists, 60)
    yield seen.read_text().strip()
    process.send_signal(signal.SIGTERM)
    assert process.wait(150) == 143
    drain.join()
    process.stderr.close()


def answered(driver: Any) -> str:
    """What the page shows, once it shows how fast the answer was, or an error."""
    text = str(driver.execute_script("return document.body.innerText"))
    return text if re.search(r"\d t/s|Server Error", text) else ""


@pytest.mark.browser
@pytest.mark.engine
@pytest.mark.timeout(300)
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed")
def test_a_conversation_on_the_page(opened: str, tmp_path: Path) -> None:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        assert opened.startswith("file://")
        driver.get(opened)
        (box,) = eventually(lambda: driver.find_elements(By.TAG_NAME, "textarea"), 60)
        assert driver.current_url.startswith("http://127.0.0.1:")
        assert "ticket" not in driver.current_url
        box.send_keys("What is the capital of France?")
        box.send_keys(Keys.ENTER)

        shown = eventually(lambda: answered(driver), 60)
        assert "Server Error" not in shown
        blocked = [
            line["message"]
            for line in driver.get_log("browser")
            if "Content Security Policy" in line["message"]
        ]
        assert blocked == []
    finally:
        driver.quit()
        with contextlib.suppress(AttributeError, OSError):
            driver.service.process.wait(150)

"""The page in a real browser, offline: what it shows, filters, tells on hover and focus, and looks like."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landscape_facts import NASTY, small_landscape
from launchpad.landscape.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and its driver are not installed"),
]

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "landscape.html"
    path.write_text(page(small_landscape()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(file: Path) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={file.parent / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()
    with contextlib.suppress(AttributeError, OSError):
        driver.service.process.wait(150)


@pytest.fixture
def shown(browser: Any, file: Path) -> Any:
    browser.set_window_size(1200, 1000)
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    browser.get(file.as_uri())
    return browser


def visible(driver: Any) -> list[str]:
    script = """return [...document.querySelectorAll('figure.wide .p:not(.off)')]
        .map(p => +p.dataset.i).sort((a, b) => a - b)"""
    return [small_landscape().points[i].id for i in driver.execute_script(script)]


def leaders(driver: Any) -> set[str]:
    script = "return [...document.querySelectorAll('figure.wide .p.lead:not(.off)')].map(p => +p.dataset.i)"
    return {small_landscape().points[i].id for i in driver.execute_script(script)}


def choose(driver: Any, select: str, value: str) -> None:
    driver.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))",
        select,
        value,
    )


def test_it_shows_every_model_and_nothing_goes_wrong(shown: Any) -> None:
    assert visible(shown) == [point.id for point in small_landscape().points]
    assert leaders(shown) == {"tiny", "small", "middle", "big"}
    assert shown.find_element("id", "count").text == "6 of 6 models"
    assert [entry for entry in shown.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert shown.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_a_name_from_a_catalog_stays_a_name(shown: Any) -> None:
    assert shown.execute_script("return document.querySelectorAll('script').length") == 2
    names = shown.execute_script(
        "return [...document.querySelectorAll('tbody td:first-child')].map(x => x.textContent)"
    )
    assert NASTY in names


@pytest.mark.parametrize(
    ("select", "value", "left", "first"),
    [
        ("lab", "Grande", ["waste", "big"], {"waste", "big"}),
        ("country", "FR", ["tiny", "small"], {"tiny", "small"}),
        ("license", "with conditions", ["big"], {"big"}),
    ],
)
def test_filters_leave_what_they_say_and_find_its_leaders(shown: Any, select, value, left, first) -> None:
    choose(shown, select, value)
    assert visible(shown) == left
    assert leaders(shown) == first
    rows = shown.execute_script(
        "return [...document.querySelectorAll('tbody tr')].filter(r => !r.hidden).length"
    )
    assert rows == len(left)


def test_only_what_runs_here(shown: Any) -> None:
    shown.find_element("id", "fits").click()
    assert visible(shown) == ["tiny", "small", "weak", "middle"]


def test_the_color_may_stand_for_something_else(shown: Any) -> None:
    choose(shown, "color", "country")
    legend = shown.execute_script(
        "return [...document.querySelectorAll('figure.wide .legend text')].map(x => x.textContent)"
    )
    assert set(legend) == {"CN", "FR", "US", "others"}


def test_hover_shows_the_record(shown: Any) -> None:
    from selenium.webdriver import ActionChains

    dot = shown.find_element("css selector", "figure.wide .p[data-i='3']")
    ActionChains(shown).move_to_element(dot).perform()
    card = shown.find_element("id", "card")
    assert card.is_displayed()
    for words in (
        "MIDDLE",
        "Other (US)",
        "7.0 GiB",
        "53 (55 ± 2 before quantization)",
        "Apache-2.0",
        "on test machine",
    ):
        assert words in card.text


def test_the_keyboard_reaches_every_model(shown: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    shown.execute_script("document.querySelector(\"figure.wide .p[data-i='0']\").focus()")
    titles = []
    for _ in range(6):
        titles.append(shown.find_element("css selector", "#card b").text)
        ActionChains(shown).send_keys(Keys.ARROW_RIGHT).perform()
    assert [title.lower() for title in titles[:4]] == ["tiny", "small", "weak", "middle"]
    assert len(set(titles)) == 6
    ActionChains(shown).send_keys(Keys.ESCAPE).perform()
    assert not shown.find_element("id", "card").is_displayed()
    assert shown.execute_script("return document.activeElement.getAttribute('aria-label')")


@pytest.mark.parametrize(("width", "wide"), [(1200, True), (500, False)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_window_and_follows_the_color_scheme(
    shown: Any, width: int, wide: bool, scheme: str
) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    shown.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for kind, expected in (("wide", wide), ("narrow", not wide)):
            assert shown.find_element("css selector", f"figure.{kind}").is_displayed() is expected
        assert shown.execute_script("return document.documentElement.scrollWidth") <= width
        paper = shown.execute_script(
            "return getComputedStyle(document.querySelector(arguments[0])).fill",
            f"figure.{'wide' if wide else 'narrow'} .paper",
        )
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 21, 28)")
        back = shown.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert back == paper
    finally:
        shown.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_labels_do_not_cover_each_other(shown: Any) -> None:
    boxes = shown.execute_script(
        """return [...document.querySelectorAll('figure.wide .labels text')].map(t => {
            const b = t.getBoundingClientRect(); return [b.left, b.top + 2, b.right, b.bottom - 2]; })"""
    )
    assert len(boxes) >= 3
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])

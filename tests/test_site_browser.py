"""The site in Chromium, from files: it sorts, filters, fits a phone, leaves the console empty, and axe finds nothing serious."""
from __future__ import annotations

import importlib.resources
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from repro.scales import get
from repro.site import write as sites
from repro.site.run import page_name
from tests.test_site import fill, some_rates, toy

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is not installed")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--force-color-profile=srgb")
Browser = Any
__all__ = ["some_rates"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of every kind; one run wrote hostile text, another failed with it."""
    store, root = fill(tmp_path_factory.mktemp("runs")), tmp_path_factory.mktemp("out")
    sites.write([toy()], get("tiny"), store, root)
    good, bad = (next(r for r in store.records("tiny", "toy") if r.status == status) for status in ("done", "failed"))
    runs = root / "tiny" / "runs"
    return {"overview": root / "index.html", "paper": root / "tiny" / "toy" / "index.html",
            "leaderboard": root / "tiny" / "leaderboard" / "index.html", "runs": runs / "index.html",
            "run": runs / page_name(good.run_id), "failed": runs / page_name(bad.run_id), "recipes": root / "recipes.html"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.binary_location = CHROMIUM or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(DRIVER))
    made.set_page_load_timeout(60)
    made.set_script_timeout(60)
    yield made
    made.quit()


def shown(browser: Browser, column: int, table: int = 0) -> list[str]:
    """A column of a table's rows that are shown."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('table.sortable')[arguments[1]].tBodies[0].rows].filter(r => !r.hidden)"
        ".map(r => (r.cells[arguments[0]].querySelector('summary') ?? r.cells[arguments[0]]).textContent.trim())", column, table)
    return found


def heading(browser: Browser, words: str) -> Any:
    return browser.find_element("xpath", f"//table[contains(@class, 'sortable')]//th[contains(., '{words}')]")


def test_every_page_loads_its_files_and_leaves_the_console_empty(browser: Browser, site: dict[str, Path]) -> None:
    for name, page in site.items():
        browser.get(page.as_uri())
        assert browser.get_log("browser") == [], name
        styled = "return getComputedStyle(document.querySelector('header nav')).display"
        assert browser.execute_script(styled) == "flex", f"{name}: the style sheet is not there"
    browser.get(site["runs"].as_uri())
    assert len(browser.find_elements("css selector", "th button")) == 8, "the script is not there"


def test_another_origin_and_inline_code_are_blocked(browser: Browser, site: dict[str, Path]) -> None:
    browser.get(site["overview"].as_uri())
    browser.execute_script("const code = document.createElement('script'); code.textContent = 'window.ran = 1';"
                           "const image = new Image(); image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';"
                           "document.body.append(code, image)")
    assert browser.execute_script("return window.ran") is None
    said = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "script-src" in said
    assert "img-src" in said


def test_boards_sort_by_mouse_and_by_keyboard(browser: Browser, site: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(site["leaderboard"].as_uri())
    first = shown(browser, 1)
    assert len(first) >= 2
    button = heading(browser, "method").find_element("tag name", "button")
    button.click()
    assert shown(browser, 1) == sorted(first)
    assert heading(browser, "method").get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert shown(browser, 1) == sorted(first, reverse=True)
    assert heading(browser, "method").get_attribute("aria-sort") == "descending"
    heading(browser, "mean").find_element("tag name", "button").send_keys(Keys.SPACE)
    means = [float(m.split()[0]) for m in shown(browser, 3)]
    assert means == sorted(means)
    assert heading(browser, "method").get_attribute("aria-sort") is None


def test_numbers_sort_as_numbers_and_empty_cells_stay_last(browser: Browser, site: dict[str, Path]) -> None:
    browser.get(site["runs"].as_uri())
    browser.execute_script("const c = [...document.querySelectorAll('tbody tr')].map(r => r.cells[5]);"
                           "['1,000', '–', '9', '−3', '', '20', '5.5', '1e3', '70'].forEach((t, i) => { c[i].textContent = t; })")
    button = heading(browser, "steps").find_element("tag name", "button")
    button.click()
    assert shown(browser, 5) == ["−3", "5.5", "9", "20", "70", "1,000", "1e3", "–", ""]
    button.click()
    assert shown(browser, 5) == ["1,000", "1e3", "70", "20", "9", "5.5", "−3", "–", ""]


def test_rows_filter_by_words_and_their_number_is_told(browser: Browser, site: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(site["runs"].as_uri())
    count = browser.find_element("css selector", "[aria-live=polite]")
    assert count.text == "9 of 9 rows shown"
    box = browser.find_element("css selector", "input[type=search]")
    assert box.accessible_name == "Any of paper, arm, seed, status, run"
    box.send_keys("FAILED broken")
    assert count.text == "3 of 9 rows shown"
    assert set(shown(browser, 3)) == {"failed"}
    box.send_keys(" no such word")
    assert count.text == "0 of 9 rows shown"
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(Keys.DELETE)
    assert count.text == "9 of 9 rows shown"


def test_boards_filter_by_method_and_by_board(browser: Browser, site: dict[str, Path]) -> None:
    browser.get(site["leaderboard"].as_uri())
    method, board = browser.find_elements("css selector", "input[type=search]")
    assert (method.accessible_name, board.accessible_name) == ("Method", "Board")
    method.send_keys("good")
    assert shown(browser, 1) == ["Good"]
    board.send_keys("nothing")
    assert not any(s.is_displayed() for s in browser.find_elements("css selector", "section.group, section.board"))
    method.clear()
    board.clear()
    board.send_keys("MMLU")
    assert len(shown(browser, 1)) >= 2
    assert browser.find_element("css selector", "section.board").is_displayed()


def test_hostile_text_does_nothing(browser: Browser, site: dict[str, Path]) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    for name, page in site.items():
        browser.get(page.as_uri())
        with pytest.raises(NoAlertPresentException):
            _ = browser.switch_to.alert
        own = "return ['script', 'img[src=x]', 'main'].map(found => document.querySelectorAll(found).length)"
        assert browser.execute_script(own) == [1, 0, 1], name
    browser.get(site["failed"].as_uri())
    assert '<script>alert("run")</script></details></table>' in browser.find_element("css selector", "pre").text


def test_the_skip_link_comes_first_and_leads_to_the_content(browser: Browser, site: dict[str, Path]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(site["paper"].as_uri())
    ActionChains(browser).send_keys(Keys.TAB).perform()
    link = browser.switch_to.active_element
    assert link.text == "Skip to the content"
    assert link.rect["x"] >= 0
    link.send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.get_attribute("id") == "main"


def test_a_link_to_a_claim_opens_it_and_lines_open_to_their_runs(browser: Browser, site: dict[str, Path]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get(site["paper"].as_uri() + "#C1")
    assert browser.execute_script("return document.getElementById('C1').open") is True
    summary = browser.find_element("css selector", "table details summary")
    summary.send_keys(Keys.ENTER)
    link = browser.find_element("css selector", "table details a")
    assert link.is_displayed()
    aim = link.get_attribute("href")
    link.click()
    assert browser.current_url == aim
    assert browser.find_element("css selector", "h1").text.startswith("Run ")


def test_no_page_is_wider_than_a_phone(browser: Browser, site: dict[str, Path]) -> None:
    phone = {"width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        for name, page in site.items():
            browser.get(page.as_uri())
            browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
            assert browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360], name
            for region in browser.find_elements("css selector", ".scroll"):
                assert region.get_attribute("tabindex") == "0"
                assert region.accessible_name
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, site: dict[str, Path], scheme: str) -> None:
    axe = importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    grounds = set()
    for name, page in site.items():
        browser.get(page.as_uri())
        grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        # Lines of long tables are alike: some of each stand for all.
        browser.execute_script("for (const t of document.querySelectorAll('tbody'))"
                               " [...t.rows].slice(30).forEach(row => row.remove());"
                               "for (const d of document.querySelectorAll('details')) d.open = true")
        browser.execute_script(axe)
        found = browser.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[0])")
        told = [(v["impact"], v["id"], v["nodes"][0]["html"][:120]) for v in found["violations"]]
        assert [v for v in told if v[0] in ("serious", "critical")] == [], name
        assert len(found["passes"]) > 10, "axe has looked"
    assert grounds == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 22, 22)"}

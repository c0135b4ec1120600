"""The web page in a browser: at the width of a phone and of a desktop, by mouse and keyboard, without scripts."""

import re
import shutil
from pathlib import Path

import pytest
import web_store

from conftest import ROOT
from deepbayes.experiments.reporting.web.charts import contrast
from deepbayes.experiments.store.names import visible
from helpers import run

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install -r requirements-dev.txt")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

PHONE, DESKTOP = 390, 1280
COMMITTED_PAGE = ROOT / "docs" / "results" / "index.html"


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Made from the small store."""
    store = web_store.fill(tmp_path_factory.mktemp("store"))
    assert run("report", "--html", "--output", store.root) == 0
    return store.root / "report.html"


@pytest.fixture
def opened(browser, page):
    """The page, on a desktop, as it is when it was just opened."""
    return open_page(browser, page, DESKTOP)


def open_page(browser, file: Path, width: int, scheme: str = "light"):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(file.as_uri())
    return browser


def errors(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]


def head(browser, text: str, table: str = "results"):
    """The head of a sortable column."""
    heads = browser.find_elements(By.CSS_SELECTOR, f"table.{table} th[data-kind]")
    return next(h for h in heads if h.text.split("\n")[0].strip() == text)


def shown_rows(browser) -> list:
    return [b for b in browser.find_elements(By.CSS_SELECTOR, "table.results > tbody") if b.is_displayed()]


def column(browser, number: int) -> list[str]:
    """First lines of the cells of a column of all results, in the order shown."""
    script = "return [...document.querySelectorAll('table.results > tbody')].filter(b => !b.hidden)"
    cells = browser.execute_script(f"{script}.map(b => b.rows[0].cells[{number}].innerText)")
    return [cell.split("\n")[0].strip() for cell in cells]


# ---- at every width --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, PHONE, 800, DESKTOP])
@pytest.mark.parametrize("which", ["small store", "committed"])
def test_nothing_is_wider_than_the_window_and_no_script_fails(browser, page, which, width):
    open_page(browser, page if which == "small store" else COMMITTED_PAGE, width)
    for details in range(2):  # closed, then with some of all kinds open
        opening = f"(d, k) => {{ d.open = {details} && k % 7 < 2 }}"
        browser.execute_script(f"document.querySelectorAll('details').forEach({opening})")
        sizes = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        needed, there = browser.execute_script(sizes)
        assert width - 20 <= there <= width  # less a scroll bar
        assert needed <= there
    assert errors(browser) == []


def test_a_phone_shows_accuracies_without_scrolling_sideways(browser):
    open_page(browser, COMMITTED_PAGE, PHONE)
    box = browser.find_element(By.CSS_SELECTOR, ".scroll.wide")
    assert browser.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", box)
    heads = "[...document.querySelectorAll('table.results > thead th')].filter((h) => h.offsetParent)"
    shown = browser.execute_script(f"return {heads}.map((h) => h.innerText.trim())")
    assert shown == ["Classifier", "Attack", "Budget", "Accuracy", "Paper"]


# ---- sorting ---------------------------------------------------------------------------------------------------------


def numbers(texts: list[str]) -> list[float]:
    return [float(t) for t in texts if re.fullmatch(r"[\d.]+", t)]


def test_a_click_sorts_and_another_turns_the_order(opened):
    button = head(opened, "Accuracy").find_element(By.TAG_NAME, "button")
    for order, down in (("descending", True), ("ascending", False), ("descending", True)):
        button.click()
        assert head(opened, "Accuracy").get_attribute("aria-sort") == order
        found = numbers(column(opened, 4))
        assert found == sorted(found, reverse=down)
    heads = opened.find_elements(By.CSS_SELECTOR, "table.results th[aria-sort]")
    others = [h for h in heads if "Accuracy" not in h.text]
    assert {h.get_attribute("aria-sort") for h in others} == {"none"}


@pytest.mark.parametrize("key", [Keys.ENTER, Keys.SPACE], ids=["enter", "space"])
def test_the_keyboard_sorts(opened, key):
    button = head(opened, "Classifier").find_element(By.TAG_NAME, "button")
    opened.execute_script("arguments[0].focus()", button)
    opened.switch_to.active_element.send_keys(key)
    assert head(opened, "Classifier").get_attribute("aria-sort") == "ascending"
    script = "return [...arguments[0]].sort((a, b) => a.localeCompare(b, 'en', {numeric: true}))"
    assert opened.execute_script(script, column(opened, 0)) == column(opened, 0)


def test_cells_without_a_number_stay_last(opened):
    for _ in range(2):
        head(opened, "Paper").find_element(By.TAG_NAME, "button").click()
        found = column(opened, 5)
        known = len(numbers(found))
        assert 0 < known < len(found)
        assert numbers(found[:known]) == numbers(found)


@pytest.mark.parametrize(("title", "number"), [("KL", 8), ("TV", 9), ("Any", 10), ("Hours", 11)])
def test_a_head_sorts_its_own_column(opened, title, number):
    head(opened, title).find_element(By.TAG_NAME, "button").click()
    found = numbers(column(opened, number))
    assert len(set(found)) > 1
    assert found == sorted(found, reverse=True)


def test_what_opens_stays_with_its_row(opened):
    def pairs():
        script = "return [...document.querySelectorAll('table.results > tbody')].map(b => b.innerHTML)"
        return sorted(opened.execute_script(script))

    before = pairs()
    head(opened, "Attack").find_element(By.TAG_NAME, "button").click()
    assert pairs() == before


def test_the_ranking_is_sorted_by_another_eps(opened):
    assert head(opened, "Rank", "ranking").get_attribute("aria-sort") == "ascending"
    head(opened, "eps 0.2", "ranking").find_element(By.TAG_NAME, "button").click()
    names = opened.find_elements(By.CSS_SELECTOR, "table.ranking tbody th")
    assert [n.text for n in names[:2]] == ["GBZ", "DFX"]
    assert head(opened, "eps 0.2", "ranking").get_attribute("aria-sort") == "descending"


# ---- filters ---------------------------------------------------------------------------------------------------------


def test_filters_narrow_the_rows_and_say_how_many_are_left(opened):
    everything = len(column(opened, 0))
    Select(opened.find_element(By.CSS_SELECTOR, "[data-filter=c]")).select_by_visible_text("GBZ")
    assert set(column(opened, 0)) == {"GBZ"}
    Select(opened.find_element(By.CSS_SELECTOR, "[data-filter=a]")).select_by_visible_text("FGSM")
    Select(opened.find_element(By.CSS_SELECTOR, "[data-filter=d]")).select_by_visible_text("own_patients")
    assert len(shown_rows(opened)) == 1
    assert opened.find_element(By.ID, "shown").text == f"1 of {everything} results"
    opened.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert opened.execute_async_script("setTimeout(arguments[0], 20)") is None
    assert len(column(opened, 0)) == everything


def test_the_keyboard_filters(opened):
    everything, select = len(column(opened, 0)), opened.find_element(By.CSS_SELECTOR, "[data-filter=a]")
    opened.execute_script("arguments[0].focus()", select)
    opened.switch_to.active_element.send_keys("F")
    assert set(column(opened, 2)) == {"FGSM"}
    assert len(column(opened, 2)) < everything


# ---- rows that open --------------------------------------------------------------------------------------------------


def test_a_row_opens_by_mouse_and_by_keyboard(opened):
    row = next(b for b in shown_rows(opened) if "GBZ" in b.text and "FGSM" in b.text)
    summary, hashes = row.find_element(By.TAG_NAME, "summary"), row.find_element(By.CSS_SELECTOR, ".hashes")
    assert not hashes.is_displayed()
    summary.click()
    assert hashes.is_displayed()
    assert "a" * 64 in hashes.text
    picture = row.find_element(By.TAG_NAME, "img")
    assert picture.is_displayed()
    assert picture.get_property("naturalWidth") == 58  # two images of 28 pixels and a gap
    opened.execute_script("arguments[0].focus()", summary)
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    assert not hashes.is_displayed()


# ---- names -----------------------------------------------------------------------------------------------------------


def test_a_hostile_name_stays_text(opened):
    assert errors(opened) == []
    assert opened.execute_script("return document.scripts.length") == 1
    links = "document.querySelectorAll('table.results tbody th a')"
    names = opened.execute_script(f"return [...{links}].map((link) => link.textContent)")
    for name in (n for n in web_store.HOSTILE if len(n) < 60):
        assert visible(name) in names
    assert opened.execute_script("return document.querySelectorAll('[onerror], b, i').length") == 0


# ---- without scripts -------------------------------------------------------------------------------------------------


def test_without_scripts_all_can_be_read_and_no_control_is_dead(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        open_page(browser, page, DESKTOP)
        assert not browser.find_element(By.ID, "filters").is_displayed()
        assert [b for b in browser.find_elements(By.TAG_NAME, "button") if b.is_displayed()] == []
        assert shown_rows(browser)
        row = shown_rows(browser)[0]
        row.find_element(By.TAG_NAME, "summary").click()
        assert row.find_element(By.CSS_SELECTOR, ".hashes").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


# ---- for everybody ---------------------------------------------------------------------------------------------------


def test_headings_tables_images_and_controls_can_be_named(opened):
    script = """
        const all = (s) => [...document.querySelectorAll(s)];
        const named = (e) => e.getAttribute('aria-label') || document.getElementById(e.getAttribute('aria-labelledby'));
        return {
            lang: document.documentElement.lang, title: document.title,
            headings: all('h1, h2, h3, h4, h5, h6').map((h) => Number(h.tagName[1])),
            tables: all('table').filter((t) => !t.caption || !t.caption.textContent.trim()).length,
            heads: all('th').filter((h) => !['col', 'row', 'colgroup'].includes(h.scope)).length,
            images: all('img').filter((i) => !i.alt).length,
            charts: all('svg[role=img]').filter((s) => !s.getAttribute('aria-label')).length,
            others: all('svg:not([role=img])').filter((s) => s.getAttribute('aria-hidden') !== 'true').length,
            regions: all('[role=region]').filter((r) => !named(r) || r.tabIndex !== 0).length,
            selects: all('select').filter((s) => !s.labels.length).length,
            landmarks: ['header', 'nav', 'main', 'footer'].map((l) => all(l).length),
        }"""
    found = opened.execute_script(script)
    levels = found.pop("headings")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))  # noqa: B905, RUF007
    assert found == {
        "lang": "en", "title": "Results: deep Bayes classifiers under attack", "tables": 0, "heads": 0, "images": 0,
        "charts": 0, "others": 0, "regions": 0, "selects": 0, "landmarks": [1, 1, 1, 1],
    }  # fmt: skip


def test_the_first_tab_skips_to_the_results(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    link = opened.switch_to.active_element
    assert link.text == "Skip to the results"
    assert opened.execute_script("return arguments[0].getBoundingClientRect().left >= 0", link)
    link.send_keys(Keys.ENTER)
    assert opened.switch_to.active_element.get_attribute("id") == "main"


def test_the_focus_is_seen(opened):
    outline = "const s = getComputedStyle(arguments[0]); return [s.outlineStyle, parseFloat(s.outlineWidth)]"
    for _ in range(16):
        opened.switch_to.active_element.send_keys(Keys.TAB)
        focused = opened.switch_to.active_element
        style, width = opened.execute_script(outline, focused)
        assert (style, width >= 2) == ("solid", True), focused.get_attribute("outerHTML")


TEXTS = (
    "body", ".over", ".lead", ".about", ".caption", "nav a", "table.results thead button", "table.results td",
    "table.results small", "table.ranking .key-column", "table.ranking .key-column small", "summary", "label", "select",
    "#shown", "dt", "dd", "caption", "footer p", ".wrong", "td.missing", "th a",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(browser, page, scheme):
    open_page(browser, page, DESKTOP, scheme)
    script = """
        const ground = (e) => {
            for (; e; e = e.parentElement) {
                const colour = getComputedStyle(e).backgroundColor;
                if (!colour.endsWith(', 0)') && colour !== 'transparent') return colour;
            }
            return 'rgb(255, 255, 255)';
        };
        const e = document.querySelector(arguments[0]);
        return e && [getComputedStyle(e).color, ground(e)]"""
    for selector in TEXTS:
        found = browser.execute_script(script, selector)
        assert found, selector
        colour, ground = (tuple(int(v) / 255 for v in re.findall(r"\d+", c)[:3]) for c in found)
        assert contrast(colour, ground) >= 4.5, (selector, found)


def test_the_dark_page_is_dark(browser, page):
    open_page(browser, page, DESKTOP, "dark")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 27, 34)"

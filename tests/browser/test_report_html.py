"""The HTML report in a browser: axe finds nothing, keys lead through it, it fits a phone, it asks nobody for anything.

Every kind of block, in English and from right to left, in light and dark; and with words that try to be more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from browser.test_axe import axe  # noqa: F401 - a fixture
from reports import html

sys.path.append(str(Path(__file__).parents[1] / "reports"))
import html_sample

LANGUAGES = ("en", "ar")
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll('h1,h2,h3,h4,h5,p,li,dd,dt,pre,summary,figcaption,caption')]
    .filter(one => !one.closest('.scroll') && one.getBoundingClientRect().width > 0)
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => one.tagName + ': ' + one.textContent.slice(0, 60))"""


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Callable[..., Page]:
    """The sample's page; a dialog, an error of a script or a request for anything else fails the test."""
    contexts, wrong = [], []

    def new(language: str = "en", *, width: int = 1280, scheme: str = "light", hostile: bool = False) -> Page:
        path = tmp_path / f"{language}.html"
        path.write_bytes(html.render(html_sample.document(language, **({} if hostile else {"hostile": ()}))))
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        context.on("dialog", lambda dialog: (wrong.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        context.on("weberror", lambda error: wrong.append(f"an error of a script: {error.error}"))
        context.on("request", lambda asked: wrong.append(asked.url) if asked.url != path.as_uri() else None)
        context.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        contexts.append(context)
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield new
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_at_all(opened, axe, language, scheme, width):  # noqa: F811
    page = opened(language, scheme=scheme, width=width, hostile=True)
    page.locator("details").first.locator("summary").click()
    page.evaluate(axe)
    found = page.evaluate("() => axe.run(document)")
    told = [
        f"{one['id']}: {node['target']} {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]
    ]
    assert told == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [1280, 320])
def test_the_page_is_never_wider_than_the_screen_and_no_text_is_cut(opened, language, width):
    page = opened(language, width=width, hostile=True)
    assert page.evaluate(WIDER) <= 0
    assert page.evaluate(CUT) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_lead_past_the_contents_and_through_the_page_in_its_order(opened, language):
    page = opened(language)
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.get_attribute("href") == "#report"
    assert skip.bounding_box()["x"] >= 0  # seen once it has the focus
    page.keyboard.press("Enter")
    tops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        assert page.evaluate("document.activeElement.closest('main') !== null")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tops.append(page.evaluate("document.activeElement.getBoundingClientRect().top + scrollY"))
    assert len(tops) == page.locator("main .scroll:not(details .scroll), main summary").count()
    assert tops == sorted(tops)


def test_a_wide_table_is_scrolled_by_keys_on_a_phone(opened):
    page = opened("en", width=320)
    region = page.locator("main .scroll").first
    region.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    for _ in range(100):  # its scrolling is smooth
        if region.evaluate("one => one.scrollLeft") > 20:
            return
        page.wait_for_timeout(100)
    pytest.fail("keys do not scroll the region")


@pytest.mark.parametrize(("language", "side"), [("en", "left"), ("ar", "right")])
def test_text_begins_at_the_side_of_its_language(opened, language, side):
    page = opened(language)
    nav, main = page.locator("nav").bounding_box(), page.locator("main").bounding_box()
    assert (nav["x"] < main["x"]) == (side == "left")
    aligned = page.locator("main p.lead").evaluate(
        "one => { const range = document.createRange(); range.selectNodeContents(one); "
        "const text = range.getBoundingClientRect(), box = one.getBoundingClientRect(); "
        "return Math.abs(text.left - box.left) < 2 ? 'left' : 'right' }"
    )
    assert aligned == side


def test_letters_of_charts_are_letters_that_can_be_selected(opened):
    page = opened("ar")
    labels = page.locator("figure svg text").all_text_contents()
    assert "الجنس 1" in labels

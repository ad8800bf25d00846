"""The page in a real browser, without a network."""

import re

import pytest

from vaex.sweep import compare


@pytest.fixture
def opened(browser, betas, figures):
    """Opens the page of a small sweep at a width, and fails on whatever the console says or the page fetches."""
    for folder in betas.iterdir():
        figures(folder)
    compare([betas])
    problems, pages = [], []

    def open_page(width=1280):
        context = browser.new_context(offline=True, viewport={"width": width, "height": 800})
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        page.goto((betas / "report.html").as_uri())
        pages.append(context)
        return page

    yield open_page
    for context in pages:
        context.close()
    assert problems == []


def test_pointing_at_a_point_shows_its_overrides(opened):
    page = opened()
    tip = page.locator("#tip")
    assert not tip.is_visible()
    member = page.locator('.tip[aria-label^="objective.beta=0.5 seed=1"] use').first
    member.hover(force=True)
    assert tip.is_visible()
    assert "objective.beta=0.5" in tip.inner_text()
    assert "NLL" in tip.inner_text()
    page.mouse.move(1, 1)
    assert not tip.is_visible()


def test_the_keyboard_goes_from_point_to_point(opened):
    page = opened()
    page.locator(".tip[tabindex='0']").first.focus()
    first = page.locator("#tip").inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator("#tip").inner_text()
    assert first.startswith("objective.beta=")
    assert second.startswith("objective.beta=")
    assert first != second
    page.keyboard.press("Escape")
    assert not page.locator("#tip").is_visible()


def test_a_click_on_a_header_sorts(opened):
    page = opened()
    column = page.locator("table.jobs thead th").all_inner_texts().index("nll")
    button = page.locator("table.jobs thead th").nth(column).locator("button")

    def values():
        return [float(text) for text in page.locator(f"table.jobs tbody td:nth-child({column + 1})").all_inner_texts()]

    before = values()
    button.click()
    assert values() == sorted(before) != before
    button.click()
    assert values() == sorted(before, reverse=True)


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_has_every_row_and_cuts_no_table(opened):
    page = opened(600)  # of an A4 page: 184 mm at 96 dots an inch is 695
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 695, "height": 980})
    assert page.locator("table.jobs tbody tr").count() == 8
    assert page.evaluate("Math.max(...[...document.querySelectorAll('table')].map(t => t.scrollWidth))") <= 695
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 6


def test_an_override_cannot_run(browser, grid, tmp_path):
    sweep = grid({"encoder=<img/src=x/onerror=document.title='gone'>": [{}], "encoder=mlp": [{}]})
    compare([sweep])
    page = browser.new_page()
    page.goto((sweep / "report.html").as_uri())
    assert page.title() == "digits: encoder"
    page.close()

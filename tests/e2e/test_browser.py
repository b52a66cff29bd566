"""The report in a real browser: what a reader sees, hears and can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page

from support.report_pages import PAGES

pytestmark = pytest.mark.slow

DESKTOP, PHONE = 1280, 375
ROWS = "#results table:not(.dense) tbody tr"
Opener = Callable[..., Page]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    files = {name: folder / f"{name}.html" for name in PAGES}
    for name, file in files.items():
        file.write_text(PAGES[name](), encoding="utf-8")
    return files


@pytest.fixture
def opened(browser: Browser, files: dict[str, Path]) -> Iterator[Opener]:
    """Opens a page by its name; at the end of the test, it must have been quiet and have loaded nothing."""
    pages: list[Page] = []
    said: list[str] = []

    def open_page(name: str, width: int = DESKTOP, **context: Any) -> Page:
        page = browser.new_context(viewport={"width": width, "height": 900}, **context).new_page()
        pages.append(page)
        url = files[name].as_uri()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.extend([request.url] if is_foreign(request.url, url) else []))
        page.goto(url)
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert said == []


def is_foreign(address: str, own: str) -> bool:
    return address.split("#")[0] != own and not address.startswith("data:")


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


def visible(locator: Locator) -> list[str]:
    """The texts of those that can be seen, by their first line."""
    return [one.inner_text().splitlines()[0].strip() for one in locator.all() if one.is_visible()]


def cells(page: Page) -> list[str]:
    return visible(page.locator(f"{ROWS} > th"))


def column(page: Page, number: int) -> list[str]:
    return visible(page.locator(f"{ROWS} > :nth-child({number})"))


def labels(page: Page) -> list[str]:
    """The names in the figure, in the order of its marks."""
    return [label.text_content() or "" for label in page.locator(".scatter.wide .label").all() if label.is_visible()]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_and_loads_nothing_whatever_is_clicked(opened: Opener, name: str) -> None:
    page = opened(name)
    open_all(page)
    clicked = page.evaluate(
        """() => Array.from(document.querySelectorAll("button, input, a[href^='#']"), (node) => node.click()).length"""
    )
    assert clicked > 20
    assert page.locator("h1").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(opened: Opener, name: str, width: int, scheme: str) -> None:
    page = opened(name, width, color_scheme=scheme)
    open_all(page)
    found = Axe().run(page).response["violations"]
    assert [
        f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']][:5]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_down_only(opened: Opener, name: str) -> None:
    page = opened(name, PHONE)
    open_all(page)
    wide = page.evaluate(
        """() => Array.from(document.body.querySelectorAll("*"))
             .filter((node) => !node.closest(".scroll, svg, .unseen"))
             .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
             .map((node) => `${node.tagName}.${node.className}`)"""
    )
    assert wide == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_numbers_sort_as_numbers_and_missing_ones_stay_last(opened: Opener) -> None:
    page = opened("usual")
    throughput = page.locator("#results table:not(.dense) th", has_text="Throughput").get_by_role("button")
    throughput.click()
    assert column(page, 9) == ["109", "82.6", "50.8", "47.2", "44.8", "40.3", "29.2", "–", "–"]
    assert cells(page)[0] == "ONNX Runtime int8"
    throughput.click()
    assert column(page, 9) == ["29.2", "40.3", "44.8", "47.2", "50.8", "82.6", "109", "–", "–"]
    page.locator("#results table:not(.dense) th", has_text="Verdict").get_by_role("button").click()
    assert column(page, 4) == ["lost", "undecided", "undecided", "kept", "kept", "kept", "–", "–", "–"]


def test_a_table_sorts_by_keyboard_and_says_so(opened: Opener) -> None:
    page = opened("usual")
    heading = page.locator("#results table:not(.dense) th", has_text="Model")
    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert cells(page)[:2] == ["ONNX Runtime int8", "TFLite int8"]
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(page, 10)[:3] == ["18.0", "18.0", "18.0"]


def test_the_filter_hides_rows_and_marks_alike(opened: Opener) -> None:
    page = opened("usual")
    everything, drawn = cells(page), labels(page)
    assert (len(everything), len(drawn)) == (9, 7)
    page.locator("#filter summary").click()
    page.get_by_label("TFLite", exact=True).uncheck()
    page.get_by_label("fp16", exact=True).uncheck()
    left = ["TensorFlow fp32", "ONNX Runtime fp32", "ONNX Runtime int8", "TensorFlow int8"]
    assert cells(page) == left and labels(page) == left[:3]
    assert page.locator("#filter [role=status]").inner_text() == "4 of 9 cells shown"
    assert page.locator(".filtered").inner_text() == "4 of 9 cells shown; the filter stands above the results."
    page.get_by_label("failed").uncheck()
    assert cells(page) == left[:3]
    page.locator("#g1-twelve").click()
    assert visible(page.locator("#results table:has(caption:has-text('mask area')) tbody th")) == left[:3]
    page.get_by_role("button", name="Show all cells").click()
    assert cells(page) == everything and labels(page) == drawn
    assert page.locator("#filter [role=status]").inner_text() == "9 of 9 cells shown"
    assert page.locator(".filtered").is_hidden()


def test_the_filter_works_by_keyboard(opened: Opener) -> None:
    page = opened("usual")
    page.locator("#filter summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("#filter [role=status]").inner_text() == "6 of 9 cells shown"
    assert not any(name.startswith("TensorFlow") for name in cells(page))
    button = page.get_by_role("button", name="Show all cells")
    for _ in range(40):
        if button.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert len(cells(page)) == 9
    assert page.evaluate("document.activeElement.type") == "checkbox"


def test_the_slider_names_the_most_accurate_cell_at_a_speed(opened: Opener) -> None:
    page = opened("usual")
    slider, best = page.get_by_label("At least"), page.locator("#g1-best")
    assert best.get_attribute("aria-live") == "polite"
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "4 times as fast as the reference"
    assert best.inner_text() == (
        "No cell is 4 times as fast as the reference. "
        "The fastest is ONNX Runtime int8, AP 0.300, 3.72 times as fast as the reference (undecided)."
    )
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0 times as fast as the reference"
    assert best.inner_text() == (
        "Most accurate at 0 times or more: TensorFlow fp32, AP 0.302, 1.00 times as fast as the reference "
        "(the reference). As accurate to three decimals and faster: "
        "ONNX Runtime fp32, AP 0.302, 1.61 times as fast as the reference (kept)."
    )
    slider.fill("1.72")  # the more accurate ONNX Runtime fp16 is 1.74 times as fast, but its timing is not valid
    assert best.inner_text() == (
        "Most accurate at 1.72 times or more: ONNX Runtime int8, AP 0.300, 3.72 times as fast as the reference "
        "(undecided)."
    )
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "1.6 times as fast as the reference"
    assert best.inner_text() == (
        "Most accurate at 1.6 times or more: ONNX Runtime fp32, AP 0.302, 1.61 times as fast as the reference (kept)."
    )


def test_the_slider_follows_the_mouse_and_the_line_follows_it(opened: Opener) -> None:
    page = opened("usual")
    slider, line = page.get_by_label("At least"), page.locator(".scatter.wide .limit-line").first
    slider.hover()  # waits until it is in view and the page is still
    tick = page.locator(".scatter.wide .axis").get_by_text("3", exact=True).first
    at_3 = tick.bounding_box()
    track = slider.bounding_box()
    assert at_3 and track
    x = at_3["x"] + at_3["width"] / 2  # the slider lies along the axis: below its 3 is 3 times as fast
    page.mouse.click(x, track["y"] + track["height"] / 2)
    assert slider.input_value() in ("2.96", "3", "3.04")
    box = line.bounding_box()
    assert box and box["x"] + box["width"] / 2 == pytest.approx(x, abs=6)
    assert "times or more: ONNX Runtime int8, AP 0.300" in page.locator("#g1-best").inner_text()


def test_the_filter_counts_for_the_slider_and_the_line(opened: Opener) -> None:
    page = opened("usual")
    front = page.locator(".scatter.wide .front").first
    whole = front.get_attribute("d")
    page.get_by_label("At least").fill("0")
    page.locator("#filter summary").click()
    page.get_by_label("TensorFlow", exact=True).uncheck()
    assert page.locator("#g1-best").inner_text() == (
        "Most accurate at 0 times or more: ONNX Runtime fp32, AP 0.302, 1.61 times as fast as the reference (kept)."
    )
    assert whole and front.get_attribute("d") != whole
    page.get_by_role("button", name="Show all cells").click()
    assert front.get_attribute("d") == whole
    for name in ("TensorFlow", "TFLite", "ONNX Runtime"):
        page.get_by_label(name, exact=True).uncheck()
    assert page.locator("#g1-best").inner_text() == "No cell with a valid timing is shown."
    assert front.get_attribute("d") == "" and cells(page) == []


def test_the_script_draws_the_line_that_the_page_came_with(opened: Opener) -> None:
    drawn, given = (
        [line.get_attribute("d") for line in opened("groups", java_script_enabled=has_script).locator(".front").all()]
        for has_script in (True, False)
    )

    def numbers(path: str | None) -> list[float]:
        return [float(number) for number in (path or "").replace("M", " ").replace("H", " ").replace("V", " ").split()]

    assert len(given) == 12 and [numbers(path) for path in drawn] == [numbers(path) for path in given]


def test_groups_have_a_slider_each(opened: Opener) -> None:
    page = opened("groups")
    sliders = [slider.get_attribute("id") for slider in page.locator("input[type=range]").all()]
    assert sliders == ["g1-limit", "g2-limit", "g3-limit"]
    page.locator("#g3-limit").fill("1")
    assert (
        page.locator("#g3-best").inner_text().startswith("No cell is 1 times as fast as the reference. The fastest is")
    )
    assert "TensorFlow <img src=x" in page.locator("#g3-best").inner_text()
    assert page.locator("#g1-best").inner_text().startswith("Most accurate at 1 times or more:")


def test_hostile_text_is_shown_as_text(opened: Opener) -> None:
    page = opened("groups")
    open_all(page)
    assert page.locator("img").count() == 1
    assert page.locator("#results").get_by_text("<img src=x onerror=alert(1)>").first.is_visible()


def test_without_script_the_page_reads_whole_and_offers_nothing_that_does_nothing(opened: Opener) -> None:
    page = opened("usual", java_script_enabled=False)
    assert len(cells(page)) == 9 and len(labels(page)) == 7
    assert page.locator("#filter").is_hidden() and page.get_by_label("At least").is_hidden()
    assert page.locator(".scatter.wide .front").first.is_visible() and page.locator(".limit-line").first.is_hidden()
    assert page.locator("#results th button").count() == 0


def test_the_printed_page_has_results_and_no_controls(opened: Opener) -> None:
    page = opened("usual")
    page.emulate_media(media="print")
    assert page.locator("#filter").is_hidden() and page.get_by_label("At least").is_hidden()
    assert len(cells(page)) == 9 and len(labels(page)) == 7
    assert page.locator("#timing table.stages").is_visible()


def test_nothing_glides_for_those_who_asked_for_less_motion(opened: Opener) -> None:
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert opened("usual", reduced_motion="reduce").evaluate(behaviour) == "auto"
    assert opened("usual", reduced_motion="no-preference").evaluate(behaviour) == "smooth"


def test_a_page_without_annotations_filters_its_bars(opened: Opener) -> None:
    page = opened("unannotated")
    assert page.locator("svg.scatter").count() == 0
    page.locator("#filter summary").click()
    page.get_by_label("int8", exact=True).uncheck()
    assert visible(page.locator("#speed tbody th")) == [
        "TensorFlow fp32", "TFLite fp32", "TFLite fp16", "ONNX Runtime fp32", "ONNX Runtime fp16"
    ]  # fmt: skip

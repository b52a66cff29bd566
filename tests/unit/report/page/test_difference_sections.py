"""The sections on differences in the finished page, read as text and looked at in a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from ssdbench.report.page.gallery import gallery
from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import make_context, make_run, unready
from support.report_differences import NOTHING, make_diagnosis, make_errors, make_parity, make_parts

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
REFERENCE, CELL, OTHER = (
    f"local/ssdlite_mobilenet_v2/heads/{name}" for name in ("tensorflow/fp32", "tflite/int8", "onnxruntime/fp32")
)


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def cells(looks_like: str = "BGR: red and blue are swapped", name: str = "cat") -> list[dict[str, Any]]:
    """A reference, a cell that departs and one that agrees."""
    runs = [
        make_run(**{**NOTHING, "errors": make_errors(), "parts": make_parts(name=name)}),
        make_run(
            "tflite",
            "int8",
            **{
                **NOTHING,
                "parity": make_parity("int8", heads=1.5),
                "diagnosis": make_diagnosis(looks_like=looks_like),
                "errors": make_errors(missed=0.04),
                "parts": make_parts(name=name),
            },
        ),
        make_run("onnxruntime", "fp32", **{**NOTHING, "parity": make_parity(), "errors": make_errors()}),
    ]
    for number, run in enumerate(runs):
        run["metrics"]["per_class"] = [
            {"category_id": 1, "name": name, "AP": 0.5 - 0.1 * number, "truths": 9, "AP50": 0.7, "APsmall": None}
        ]
    return runs


def picture(number: int, *, by_place: bool, name: str = "cat", **lost: float) -> dict[str, Any]:
    box = {"name": name, "score": 0.9, "box": [10, 10, 30, 20], "is_match": True}
    return {
        "dataset": "local",
        "file_name": f"{number}-{name}.jpg",
        "width": 80,
        "height": 60,
        "data_uri": PIXEL,
        "problem": "",
        "by_place": by_place,
        "annotated": True,
        "truths": [{"name": name, "box": [10, 10, 30, 20], "is_crowd": False}],
        "cells": {cell: {"boxes": [box], "missed": []} for cell in (REFERENCE, CELL, OTHER)},
        "losses": {
            {"cell": CELL, "other": OTHER}[key]: {
                "lost": value,
                "words": f"lost {value:.2f}: {name} found at 0.90 by the reference, not at all here",
                "objects": [{"truth": 0, "reference": 0.9, "cell": 0.0}],
            }
            for key, value in lost.items()
        },
    }


def pictures(name: str = "cat") -> list[dict[str, Any]]:
    return [
        picture(0, by_place=True, name=name),
        picture(1, by_place=True, name=name, cell=0.3),
        picture(2, by_place=False, name=name, cell=0.2),
        picture(3, by_place=False, name=name, cell=0.8),
    ]


def page_of(runs: list[dict[str, Any]], shown: list[dict[str, Any]] | None = None, **context: Any) -> str:
    return render_page(build_summary(runs, make_context(**context)), pictures() if shown is None else shown)


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_the_sections_come_in_order_and_are_in_the_contents() -> None:
    page = page_of(cells())
    order = [page.index(f'<section id="{name}"') for name in ("causes", "classes", "errors", "pictures", "seen")]
    assert order == sorted(order)
    for name in ("causes", "classes", "errors", "pictures", "seen"):
        assert f'<a href="#{name}">' in page


def test_hostile_classes_causes_lists_and_files_stay_text() -> None:
    page = page_of(cells(HOSTILE, HOSTILE), pictures(HOSTILE))
    elements = Elements(page).tags
    assert [attributes["src"] for tag, attributes in elements if tag == "img"] == [PIXEL] * 4
    assert sum(tag == "script" for tag, _ in elements) == 2
    assert not any({"onerror", "onload", "style"} & attributes.keys() for _, attributes in elements)
    for name in ("causes", "classes", "pictures", "seen"):
        assert "&lt;img src=x onerror=alert(1)&gt;" in section(page, name), name


def test_ids_are_unique_and_every_table_and_region_has_a_name_with_two_groups() -> None:
    more = [run | {"cell": {**run["cell"], "protocol": "graph"}} for run in cells()]
    elements = Elements(page_of([*cells(), *more])).tags
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = " ".join(attributes.get("aria-labelledby") or "" for _, attributes in elements).split()
    assert set(named) <= set(ids)
    tags = [tag for tag, _ in elements]
    assert tags.count("caption") == tags.count("table")
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in elements if tag == "th")


def test_a_page_without_any_of_these_records_has_none_of_the_sections() -> None:
    runs = [make_run(**NOTHING), unready("failed", "no network", "tflite", "int8", **NOTHING)]
    runs[0]["metrics"] = {}
    page = page_of(runs, [])
    for name in ("causes", "classes", "errors", "pictures", "seen"):
        assert section(page, name) == "" and f'href="#{name}"' not in page


def test_without_script_the_words_of_every_loss_are_there_and_each_photo_is_there_once() -> None:
    page = page_of(cells())
    assert page.count(PIXEL) == 4
    text = section(page, "pictures")
    assert "TFLite int8 lost 0.80: cat found at 0.90 by the reference, not at all here." in text
    assert text.index("lost 0.80") < text.index("lost 0.30") < text.index("lost 0.20")
    assert text.count(", picked by place") == 2


def test_the_cell_that_lost_most_is_shown_first_and_without_losses_the_reference() -> None:
    summary = build_summary(cells(), make_context())
    assert gallery(summary, pictures())["first"] == CELL
    plain = gallery(summary, [picture(0, by_place=True)])
    assert (plain["first"], plain["order"]) == (REFERENCE, "")


def test_an_order_by_disagreement_is_not_called_a_loss() -> None:
    runs = cells()
    runs[1]["parity"] = make_parity("int8", heads=1.5, ap=None)
    shown = pictures()
    page = section(page_of(runs, shown), "pictures")
    assert "that differ most first" in page and "that lost most first" not in page


def visible(page: Any) -> list[str]:
    names = page.locator("li[data-picture]:visible figcaption b").all_text_contents()
    return [name.partition("-")[0] for name in names]


def test_pictures_follow_the_cell_and_the_order_asked_for(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(page_of(cells(), pictures(HOSTILE)))
    tab = browser.new_page()
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.goto(file.as_uri())

    assert visible(tab) == ["3", "1", "2"]
    assert "3 images" in tab.locator("#picture-status").inner_text()
    first = tab.locator("li[data-picture]:visible").first
    assert first.locator(".whose").all_text_contents() == ["Reference: TensorFlow fp32", "TFLite int8"]
    assert first.locator(".losses li:visible").count() == 1
    assert first.locator(".side").nth(0).locator("rect.lost").count() == 0
    assert first.locator(".side").nth(1).locator("rect.lost").count() == 1
    said = first.locator("text.lost-text").text_content()
    assert said.startswith("▼") and said.endswith("0.90 → 0.00")

    tab.select_option("#picture-order", "place")
    assert visible(tab) == ["0", "1"]
    tab.locator("#show-beside").uncheck()
    assert tab.locator(".side:visible").count() == 2

    tab.select_option("#picture-order", "worst")
    tab.select_option("#shown-cell", OTHER)
    assert visible(tab) == ["0", "1"]
    assert "No image is among those on which ONNX Runtime fp32 lost" in tab.locator("#picture-status").inner_text()
    tab.select_option("#shown-cell", REFERENCE)
    assert "TensorFlow fp32 stands beside no reference" in tab.locator("#picture-status").inner_text()

    tab.locator("#next-cell").focus()
    tab.keyboard.press("Enter")
    assert tab.locator("#shown-cell").input_value() == CELL and visible(tab) == ["3", "1", "2"]
    tab.locator("#show-truth").uncheck()
    assert tab.locator("rect.lost:visible, rect.truth:visible").count() <= 2  # those of the legend
    assert faults == []
    tab.close()


def test_a_class_table_sorts_by_change(browser: Any, tmp_path: Path) -> None:
    runs = cells()
    for run, score in zip(runs, (0.5, 0.7, 0.5), strict=True):
        run["metrics"]["per_class"].append({"category_id": 2, "name": "dog", "AP": score, "truths": 4})
    file = tmp_path / "index.html"
    file.write_text(page_of(runs))
    tab = browser.new_page()
    tab.goto(file.as_uri())
    details = tab.locator("#classes details", has_text="TFLite int8").last
    details.locator("summary").press("Enter")
    rows = details.locator("tbody th")
    assert rows.all_text_contents() == ["cat", "dog"]
    details.get_by_role("button", name="Change").click()
    details.get_by_role("button", name="Change").click()
    assert rows.all_text_contents() == ["dog", "cat"]
    tab.close()


def test_the_ladder_stays_a_table_where_a_phone_stacks_its_cells(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "index.html"
    file.write_text(page_of(cells()))
    tab = browser.new_page(viewport={"width": 375, "height": 800})
    tab.goto(file.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 375
    ladder = tab.get_by_role("table", name="Each cell beside TensorFlow fp32")
    assert ladder.get_by_role("row").count() == 3
    assert ladder.get_by_role("cell").count() == 8
    tab.close()


def test_what_the_script_reads_comes_back_as_it_went_in() -> None:
    page = page_of(cells(), pictures("</script><!-- & \u2028"))
    (text,) = re.findall(r'<script type="application/json" id="picture-data">(.*?)</script>', page, re.DOTALL)
    data = json.loads(text)
    assert data["references"] == {CELL: REFERENCE, OTHER: REFERENCE}
    assert data["pictures"][3]["losses"] == {
        CELL: {"lost": 0.8, "objects": [{"truth": 0, "reference": 0.9, "cell": 0.0}]}
    }
    assert data["pictures"][3]["truths"][0]["name"] == "</script><!-- & \u2028"

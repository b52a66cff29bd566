from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import COLLECTOR, HOST, KEPT, LOST, judged, make_context, make_picture, make_run, unready
from support.report_pages import (
    HOSTILE,
    PAGES,
    make_diagnosis,
    make_expected,
    make_parity,
    page_of,
    section,
    text_of,
    usual_cells,
)

LOADS = {"src", "srcset", "data", "action", "formaction", "poster", "background"}


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and the text of its elements by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open, []).append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def matrix() -> list[dict[str, Any]]:
    crowded = make_run("onnxruntime", "fp16", p50=19.7)
    crowded["timing"] |= {"timing_valid": False, "timing_reason": "round 2: 1.9 cores at work where 1 were asked for"}
    return [
        make_run(p50=34.2),
        unready("unsupported", "no fp16 in this framework", "tensorflow", "fp16"),
        make_run("tflite", p50=11.3),
        unready("failed", "the converter ran too long", "tflite", "int8"),
        crowded,
    ]


def test_the_page_names_no_file_to_load() -> None:
    page = Elements(page_of(matrix(), models={"ssdlite_mobilenet_v2": {"source": "https://example.org/m.tar.gz"}}))
    for tag, attributes in page.tags:
        loaded = {value for name, value in attributes.items() if name in LOADS or (tag == "link" and name == "href")}
        assert all(value.startswith("data:") for value in loaded), (tag, loaded)
        assert not attributes.keys() & {"style", "onclick", "onload", "onerror"}, tag
    styles = " ".join(page.texts["style"])
    assert "url(" not in styles and "@import" not in styles
    assert [attributes["href"] for attributes in page.all("a") if not attributes["href"].startswith("#")] == [
        "https://example.org/m.tar.gz"
    ]


def test_the_policy_allows_just_the_pages_own_style_and_script() -> None:
    page = page_of(matrix())
    policy = next(m["content"] for m in Elements(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for name, pattern in {
        "style-src": r"<style>(.*?)</style>",
        "script-src": r"<script>(.*?)</script>",
    }.items():
        (text,) = re.findall(pattern, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"


def test_hostile_text_stays_text() -> None:
    runs = [make_run(HOSTILE, model=HOSTILE), unready("failed", HOSTILE, "tflite", HOSTILE, model=HOSTILE)]
    runs[0]["metrics"]["per_class"][0]["name"] = HOSTILE
    runs[0]["timing"] |= {"host": {"cpu": HOSTILE, HOSTILE: HOSTILE}, "timing_valid": False, "timing_reason": HOSTILE}
    runs[0]["card"] |= {"file": HOSTILE, "notes": [HOSTILE]}
    shown = make_picture(file_name=HOSTILE, truths=[{"name": HOSTILE, "box": [0, 0, 1, 1], "is_crowd": False}])
    shown["cells"] = {build_summary(runs, make_context())["rows"][0]["id"]: {"boxes": [], "missed": [0]}}
    gone = make_picture(file_name=HOSTILE, data_uri="", problem=HOSTILE)
    page = page_of(
        runs,
        [shown, gone],
        tag=HOSTILE,
        made=HOSTILE,
        models={
            HOSTILE: {
                "title": HOSTILE,
                "licence": HOSTILE,
                "source": "javascript:alert(1)",
                "references": [HOSTILE],
            }
        },
        config={HOSTILE: HOSTILE},
        first_use=[{"name": HOSTILE, "sha256": HOSTILE}],
        licences=[{"what": HOSTILE, "licence": HOSTILE}],
        protocols={"heads": {"summary": HOSTILE}},
    )
    elements = Elements(page)
    assert len(elements.all("img")) == 1
    assert len(elements.all("script")) == 2
    assert not any("onerror" in attributes for _, attributes in elements.tags)
    assert not any(attributes.get("href", "").startswith("javascript:") for attributes in elements.all("a"))
    assert HOSTILE in "".join(elements.texts["code"])


def test_picture_data_come_back_from_the_page_as_they_went_in() -> None:
    shown = make_picture(file_name="</script><!-- & \u2028")
    page = page_of(matrix(), [shown])
    (text,) = re.findall(r'<script type="application/json" id="picture-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text)["pictures"][0]["file_name"] == shown["file_name"]
    assert json.loads(text)["pictures"][0]["cells"] == shown["cells"]


def test_missing_numbers_are_dashes_with_the_reason() -> None:
    page = page_of(matrix())
    row = re.search(r"<tr class=\"failed\".*?</tr>", page, re.DOTALL)
    assert row is not None
    cells = re.findall(r"<td class=\"number[^>]*>(.*?)</td>", row[0], re.DOTALL)
    assert len(cells) == 9
    assert all('title="failed: the converter ran too long">–<' in cell for cell in cells)
    assert "data-value" not in row[0]


def test_reasons_and_logs_can_be_read_without_a_mouse() -> None:
    notes, folded = re.findall(r'<ul class="notes">(.*?)</ul>', page_of(matrix()), re.DOTALL)[:2]
    assert "TFLite int8 failed: the converter ran too long. Log: logs/convert.log" in notes
    assert "TensorFlow fp16 is unsupported: no fp16 in this framework." in folded
    assert "The timing of ONNX Runtime fp16 is not valid: round 2: 1.9 cores at work where 1 were asked for." in notes


def test_a_timing_that_is_not_valid_is_struck_out() -> None:
    page = page_of(matrix())
    assert re.search(r'<s title="round 2: 1.9 cores at work where 1 were asked for">19\.7</s>', page)
    assert not re.search(r"<s[^>]*>34\.2</s>", page)


def test_the_status_says_that_a_timing_is_not_valid() -> None:
    (table,) = re.findall(r"<table>\s*<caption id=\"g1-caption\">.*?</table>", page_of(matrix()), re.DOTALL)
    rows = re.findall(r"<tr class=.*?</tr>", table, re.DOTALL)
    assert ["timing not valid" in row for row in rows] == [False, False, False, False, True]


def test_each_group_has_a_table_of_its_own() -> None:
    page = page_of([make_run(), make_run(protocol="graph"), make_run("tflite", protocol="graph")])
    tables = re.findall(r"<table>\s*<caption id=\"g\d-caption\">.*?</table>", page, re.DOTALL)
    assert [table.count('scope="row"') for table in tables] == [1, 2]


def test_tables_have_captions_and_headings_with_a_scope() -> None:
    page = page_of(matrix())
    elements = Elements(page)
    assert len(elements.all("caption")) == len(elements.all("table")) > 4
    assert all(attributes.get("scope") in ("row", "col") for attributes in elements.all("th"))
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = " ".join(attributes.get("aria-labelledby", "") for _, attributes in elements.tags).split()
    assert set(named) <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_page_lead_somewhere(name: str) -> None:
    elements = Elements(PAGES[name]())
    ids = {attributes["id"] for _, attributes in elements.tags if "id" in attributes}
    links = {attributes["href"][1:] for attributes in elements.all("a") if attributes["href"].startswith("#")}
    assert len(links) > 5 and links <= ids


def test_the_verdict_comes_first_and_provenance_late() -> None:
    order = [attributes["id"] for attributes in Elements(PAGES["usual"]()).all("section")]
    wanted = ["results", "speed", "causes", "classes", "pictures", "timing", "size", "environment", "reading"]
    assert [name for name in order if name in wanted] == wanted


def test_troubles_come_before_other_notes() -> None:
    lost = judged(LOST, "tflite", "int8", expected=make_expected(0.2714), diagnosis=make_diagnosis("BGR"))
    lost["detect"]["host"] = {"hostname": "elsewhere"}
    runs = [make_run(expected=make_expected(0.3016)), make_run("onnxruntime"), lost]
    results = section(page_of(runs), "results")
    troubles, folded = re.findall(r'<ul class="notes">(.*?)</ul>', results, re.DOTALL)[:2]
    lines = re.findall(r"<li(.*?)>(.*?)</li>", troubles + folded)
    assert [line for line in lines if "trouble" in line[0]] == lines[: len(lines) - 2]
    assert re.findall(r"<details>\s*<summary>(.*?)</summary>\s*<ul", results) == [
        "2 notes: the AP that was expected and what losses look like"
    ]
    texts = [unescape(text) for _, text in lines]
    assert (
        "TFLite int8: AP 0.302 is expected (the makers of the model), and 0.271 was measured: outside the tolerance "
        "of 0.004."
    ) in texts[: len(lines) - 2]
    assert texts[-2:] == [
        "TensorFlow fp32: AP 0.302 is expected (the makers of the model), and 0.302 was measured: within the "
        "tolerance of 0.004.",
        "TFLite int8: Looks like BGR. That explains 98% of the difference on 48 images.",
    ]


def test_an_expected_ap_of_held_out_images_is_told_as_such() -> None:
    page = page_of([make_run(expected={**make_expected(0.3016), "part": "held_out"})])
    assert "AP 0.302 is expected on the images held out of training (the makers of the model)" in page


def test_the_status_points_to_an_unexpected_ap_and_to_marks() -> None:
    run = make_run(expected=make_expected(0.25))
    summary = build_summary([run], make_context())
    summary["rows"][0]["marks"] = ["timing made on another host."]
    results = section(render_page(summary, []), "results")
    assert re.findall(r'<span class="doubt">(.*?)</span>', results) == ["AP not as expected", "marked, see note"]
    assert '<li class="trouble">TensorFlow fp32: timing made on another host.</li>' in results


def test_a_cell_agrees_image_for_image_or_says_where_it_departs() -> None:
    runs = [
        make_run(),
        judged(KEPT, "tflite", "fp32", parity=make_parity("fp32")),
        judged(LOST, "tflite", "int8", parity=make_parity("int8", "heads")),
    ]
    results = section(page_of(runs), "results")
    assert '<span class="verdict kept">kept</span><span class="parity agrees">agrees</span>' in results
    assert '<span class="parity">departs at: <a href="#causes">raw heads</a></span>' in results
    assert "image for image" not in section(page_of([make_run(), judged(KEPT, "tflite", "fp32")]), "results")


def test_without_verdicts_the_agreement_is_told_in_words() -> None:
    run = make_run("tflite", parity=make_parity("fp32"))
    other = make_run("tflite", "int8", parity=make_parity("int8", "ap"))
    one = "compared image for image with TensorFlow fp32"
    assert f"The one cell {one} agrees with it within the limits." in page_of([make_run(), run])
    assert f"Of 2 cells {one}, 1 agrees with it within the limits; TFLite int8 departs." in page_of(
        [make_run(), run, other]
    )


def test_without_annotations_nothing_of_the_page_speaks_of_ap() -> None:
    page = PAGES["unannotated"]()
    front = page[page.index("<body>") : page.index('<section id="causes"')]
    assert not re.search(r"\bAP\b|pycocotools", text_of(front))
    assert "How far each framework and precision departs from the reference" in front
    assert "No annotations were given, so this report says how far the cells agree and how fast they are." in front
    assert "scored" not in text_of(section(page, "speed")) and "<figure" not in section(page, "speed")
    bars = re.findall(r"<tr data-cell.*?</tr>", section(page, "speed"), re.DOTALL)
    assert [text_of(bar) for bar in bars][:2] == ["TensorFlow fp3234.2 ms", "TFLite fp3222.3 ms"]
    assert 'class="wide-bar invalid"' in bars[5] and "<s " in bars[5]
    assert "Without annotations there is no AP" in section(page, "reading")


def test_a_filter_offers_only_what_tells_cells_apart() -> None:
    def offered(runs: list[dict[str, Any]]) -> dict[str, list[str]]:
        fieldsets = re.findall(r"<fieldset>.*?</fieldset>", page_of(runs), re.DOTALL)
        names = [re.findall(r"<legend>(.*?)</legend>", one)[0] for one in fieldsets]
        return {name: re.findall(r"checked>(.*?)<", one) for name, one in zip(names, fieldsets, strict=True)}

    assert offered([make_run()]) == {}
    assert offered([make_run(), make_run("tflite")]) == {
        "Framework": ["TensorFlow", "TFLite"],
        "Speed": ["reference", "alike"],
    }
    assert offered(usual_cells()) == {
        "Framework": ["TensorFlow", "TFLite", "ONNX Runtime"],
        "Precision": ["fp32", "fp16", "int8"],
        "Verdict": ["no verdict", "kept", "undecided", "lost"],
        "Speed": ["reference", "faster", "not compared"],
        "Status": ["ok", "unsupported", "failed"],
    }


def test_the_figure_says_why_it_has_no_line() -> None:
    spoilt = [make_run(), make_run("tflite")]
    for run in spoilt:
        run["timing"] |= {"timing_valid": False, "timing_reason": "other work"}
    speed = section(page_of(spoilt), "speed")
    assert (
        "No timing is valid, so there is no line" in speed
        and "has a timing that is not valid" in speed
        and 'class="front"' not in speed
    )


def test_only_the_sample_has_the_banner() -> None:
    images = [{"tag": "sample", "dataset": "sample", "images": [], "notes": []}]
    sentence = "This is the embedded sample, not COCO, and it carries no verdict."
    assert sentence in page_of([make_run(dataset="sample")], tag="sample", images=images)
    assert sentence not in page_of([make_run()])


def test_a_checksum_trusted_on_first_use_is_flagged() -> None:
    page = page_of([make_run()], first_use=[{"name": "checkpoint.tar.gz", "sha256": "0f" * 32}])
    assert "Trusted on first use" in page and "0f" * 32 in page
    assert "Trusted on first use" not in page_of([make_run()])


def test_a_page_of_nothing_but_failures_stands() -> None:
    runs = [
        unready("failed", "no network", "tensorflow", "fp32"),
        unready("failed", "no network", "tflite", "fp32"),
    ]
    page = page_of(runs, [])
    assert "No cell of this group has both an AP and a latency." in page
    assert "no network" in page


def test_classes_without_objects_have_no_line() -> None:
    page = page_of([make_run()])
    assert '<th scope="row">cat</th>' in page
    assert "hair drier" not in page


def test_the_machine_is_told_once_and_is_the_one_that_timed() -> None:
    page = page_of(matrix())
    assert f"on {HOST['cpu']}." in page
    assert page.count("avx512f, avx512_vnni") == 1
    assert COLLECTOR["cpu"] not in page


def test_cells_that_ran_on_different_machines_are_told_apart() -> None:
    moved = make_run("tflite")
    moved["timing"]["host"] = {"cpu": "Other CPU", "cores": 8}
    page = page_of([make_run(), moved])
    assert f"on 2 different processors, whose milliseconds do not compare: {HOST['cpu']} and Other CPU." in page
    assert re.search(r'<div>Other CPU \(<span class="soft">TFLite fp32</span>\)</div>', page)
    assert "Machine that detected, where it differs" in page


def test_a_picture_that_cannot_be_read_is_left_out_with_a_note() -> None:
    gone = make_picture(file_name="gone.jpg", data_uri="", problem="Image gone.jpg does not exist. Restore it.")
    elements = Elements(page := page_of([make_run()], [gone, make_picture()]))
    assert "No picture of gone.jpg: Image gone.jpg does not exist. Restore it." in page
    assert [image["src"] for image in elements.all("img")] == ["data:image/jpeg;base64,AAAA"]
    (text,) = re.findall(r'<script type="application/json" id="picture-data">(.*?)</script>', page, re.DOTALL)
    assert [shown["file_name"] for shown in json.loads(text)["pictures"]] == ["a.jpg"]
    alone = page_of([make_run()], [gone])
    assert "No picture of gone.jpg" in alone and 'id="picture-data"' not in alone


def test_a_cell_whose_timing_failed_keeps_its_ap_and_its_boxes() -> None:
    timing = {"status": "failed", "reason": "killed by signal 9", "log": "logs/t.log"}
    run = make_run(timing=timing, status="failed", reason="killed by signal 9", log="logs/t.log")
    page = page_of([run])
    (row,) = re.findall(r'<tr class="failed.*?</tr>', page, re.DOTALL)
    assert '<td class="number main-figure" data-value="0.3016">0.302</td>' in row
    assert 'title="killed by signal 9">–<' in row
    assert '<option value="local/ssdlite_mobilenet_v2/heads/tensorflow/fp32" selected>' in page
    assert "TensorFlow fp32 failed: killed by signal 9. Log: logs/t.log" in page

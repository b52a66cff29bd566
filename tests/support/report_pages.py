"""Pages of made-up cells, for looking at them in a browser: `PAGES` gives each by its name."""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

from ssdbench.catalog.published import load_published
from ssdbench.diagnosis.tolerances import TOLERANCES
from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import KEPT, LOST, UNDECIDED, judged, make_context, make_picture, make_run, speeds, unready

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>"
_RUNGS = ("pixels", "heads", "boxes", "ap")
_COUNTS = {"images": 130, "confident_anchors": 900, "cell_boxes": 13000, "reference_boxes": 13000}


def page_of(runs: list[dict[str, Any]], pictures: list[dict[str, Any]] | None = None, **context: Any) -> str:
    return render_page(build_summary(runs, make_context(**context)), [make_picture()] if pictures is None else pictures)


def section(page: str, name: str) -> str:
    return re.findall(rf'<section id="{name}".*?</section>', page, re.DOTALL)[0]


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def make_parity(precision: str, departure: str = "") -> dict[str, Any]:
    """A ladder that agrees on every rung before `departure`, and is outside each limit from there on."""
    is_outside = False
    rungs = []
    for name in _RUNGS:
        is_outside = is_outside or name == departure
        own = [tolerance for tolerance in TOLERANCES if tolerance.rung == name]
        limits = {one.figure: limit for one in own if (limit := getattr(one, precision)) is not None}
        figures = {one.figure: limits.get(one.figure, 0.5) for one in own}
        extra = {"unmatched": 0.0, "class_flips": 0.0, "score_shift": 0.0, "change": 0.0, "cell": 0.3, "reference": 0.3}
        outside = [figure for figure in limits if is_outside]
        rungs.append({"name": name, "figures": {**extra, **_COUNTS, **figures}, "limits": limits, "outside": outside})
    sentence = f"The {departure} depart." if departure else "All rungs agree with the reference."
    return {
        **{"status": "ok", "reason": "", "log": ""},
        "reference": {"framework": "tensorflow", "precision": "fp32"},
        "precision": precision,
        "images": 130,
        "rungs": rungs,
        "first_departure": departure or None,
        "sentence": sentence,
        "ordered_by": "loss",
        "worst": [],
    }


def make_diagnosis(looks_like: str) -> dict[str, Any]:
    """A diagnosis that found one cause."""
    sentence = f"Looks like {looks_like}. That explains 98% of the difference on 48 images."
    trial = {"name": "bgr", "looks_like": looks_like, "gap": 0.01, "explained": 0.98}
    return {
        **{"status": "ok", "reason": "", "log": "", "asked": "reference"},
        **{"sentence": sentence, "causes": ["bgr"], "images": 48, "gap": 0.5, "trials": [trial]},
    }


def make_expected(ours: float, wanted: float = 0.302) -> dict[str, Any]:
    """The AP that a cell should have, beside its own."""
    given = {"AP": wanted, "tolerance": 0.004, "source": "the makers of the model", "part": "all"}
    return {**given, "ours": ours, "is_outside": abs(ours - wanted) > 0.004}


def with_rounds(run: dict[str, Any], *parts: float) -> dict[str, Any]:
    """The cell with rounds whose medians are these parts of its latency, and all five stages."""
    p50 = run["timing"]["latency_p50_ms"]

    def spread(ms: float) -> dict[str, float]:
        return {"p50": ms, "p90": 1.12 * ms, "p99": 1.6 * ms}

    run["timing"] |= {
        "latency_p50_low_ms": p50 * min(parts),
        "latency_p50_high_ms": p50 * max(parts),
        "stages": {
            **{"decode": spread(2.1), "preprocess": spread(0.4), "network": spread(p50)},
            **{"postprocess": spread(0.9), "end_to_end": spread(p50 + 3.4)},
        },
        "per_round": [{"round": number, "latency_p50_ms": p50 * part} for number, part in enumerate(parts, start=1)],
    }
    return run


def usual_cells() -> list[dict[str, Any]]:
    """Nine cells of one group, with all that can be said of one."""
    lost = judged(LOST, "tflite", "int8", p50=12.1, size=5_300_000)
    lost |= {"parity": make_parity("int8", "heads"), "diagnosis": make_diagnosis("channels in BGR order")}
    lost["expected"] = make_expected(lost["metrics"]["metrics"]["AP"])
    crowded = judged(KEPT, "onnxruntime", "fp16", p50=19.7, size=9_000_000)
    crowded["timing"] |= {
        "timing_valid": False,
        "timing_reason": "round 2: 1.9 cores at work where 1 were asked for",
    }
    kept = {"parity": make_parity("fp32")}
    cells = [
        with_rounds(make_run(p50=34.2, expected=make_expected(0.3016)), 1.04, 1.0, 0.98),
        with_rounds(judged(KEPT, "tflite", "fp32", p50=22.3, **kept), 1.02, 1.0, 0.97),
        with_rounds(
            judged(UNDECIDED, "tflite", "fp16", p50=24.8, size=9_100_000, parity=make_parity("fp16")), 1.0, 1.1
        ),
        with_rounds(lost, 1.0, 1.01, 0.97),
        with_rounds(judged((-0.00004, -0.0006, 0.0005), "onnxruntime", "fp32", p50=21.2, **kept), 1.0, 1.03, 0.99),
        with_rounds(crowded, 1.0, 1.4, 0.97),
        with_rounds(judged(UNDECIDED, "onnxruntime", "int8", p50=9.2, size=5_260_000), 1.0, 1.01, 0.99),
        unready("unsupported", "no fp16 in this framework", "tensorflow", "fp16"),
        unready("failed", "the converter ran too long", "tensorflow", "int8"),
    ]
    for cell in cells[:-2]:
        name = f"{cell['cell']['framework']}/{cell['cell']['precision']}"
        cell["timing"] |= speeds(34.2 / cell["timing"]["latency_p50_ms"], name)
    cells[3]["timing"] |= {"speed_low": 2.7, "speed_high": 2.9}
    return cells


def usual() -> str:
    """One group of nine cells."""
    return _page(usual_cells())


def groups() -> str:
    """Three groups on two datasets: one usual, one timed on two processors, and one with hostile names and failures."""
    moved = make_run("tflite", protocol="graph", p50=9.0)
    moved["timing"]["host"] = {"cpu": "Another CPU", "cores": 8}
    hostile = [
        make_run(HOSTILE, "fp32", model=HOSTILE, dataset="local-first10", p50=12.0),
        make_run("tensorflow", HOSTILE, model=HOSTILE, dataset="local-first10", p50=17.0),
        unready("failed", HOSTILE, "tflite", HOSTILE, model=HOSTILE, dataset="local-first10"),
    ]
    hostile[0]["timing"] |= {"timing_valid": False, "timing_reason": HOSTILE}
    hostile[0]["expected"] = {**make_expected(0.3016), "source": HOSTILE}
    hostile[1]["diagnosis"] = make_diagnosis(HOSTILE)
    lists = [
        {"tag": tag, "dataset": "local", "images": [{"id": 1}], "notes": [HOSTILE], "annotations_sha256": "ef" * 32}
        for tag in ("local", "local-first10")
    ]
    return _page([*usual_cells(), make_run(protocol="graph"), moved, *hostile], images=lists, config={HOSTILE: HOSTILE})


def unannotated() -> str:
    """A group without annotations: only agreement, latency and pictures."""
    cells = usual_cells()
    for run in cells:
        run |= {"metrics": None, "comparison": None, "expected": None, "errors": None}
        if run.get("parity"):
            run["parity"] |= {"rungs": run["parity"]["rungs"][:3], "ordered_by": "disagreement"}
    lists = [{"tag": "local", "dataset": "local", "images": [{"id": 1}], "notes": [], "annotations_sha256": ""}]
    picture = _picture(cells[0], truths=[])
    return render_page(build_summary(cells, make_context(images=lists)), [picture])


def sweep_context(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What a context says of eight settings of each of these cells, of which some could not be measured."""
    names = [f"b{batch}-t{threads}-s{streams}" for batch in (1, 4) for threads in (1, 2) for streams in (1, 2)]
    sweep: dict[str, dict[str, Any]] = {}
    for run in cells:
        if run["status"] == "ok":
            own = sweep.setdefault("/".join(run["cell"].values()), {})
            for number, name in enumerate(names[1:], start=1):
                own[name] = _at_setting(run["timing"], name, number)
    refused = {cell: {"b4-t2-s2": "one image at a time"} for cell in list(sweep)[:1]}
    return {"settings": names, "sweep": sweep, "unsupported_settings": refused}


def _at_setting(timing: dict[str, Any], name: str, number: int) -> dict[str, Any]:
    batch, threads, streams = (int(part[1:]) for part in name.split("-"))
    if threads * streams > 2:
        refused = {"status": "unsupported", "reason": "4 threads on 2 cores", "log": "logs/x.log"}
        return {**refused, "setting": name, "rounds": 0, "timing_valid": False, "timing_reason": "4 threads on 2 cores"}
    once = timing["end_to_end_p50_ms"] * batch * (0.9 if batch > 1 else 1.0) * (0.62 if threads > 1 else 1.0)
    ms = once * (1.12 if streams > 1 else 1.0)
    ips = 1000 * batch * streams / ms
    rounds = [
        {"round": i + 1, "latency_p50_ms": ms, "end_to_end_p50_ms": ms * part, "throughput_ips": ips / part}
        for i, part in enumerate((0.99, 1.0, 1.01))
    ]
    figures = {"latency_p50_ms": 0.8 * ms, "latency_p90_ms": ms, "end_to_end_p50_ms": ms, "end_to_end_p90_ms": 1.1 * ms}
    valid = {"timing_valid": number != 4, "timing_reason": "" if number != 4 else "round 2: other work"}
    return {**timing, **figures, **valid, "setting": name, "throughput_ips": ips, "per_round": rounds}


def swept() -> str:
    """One group of nine cells at eight settings."""
    cells = usual_cells()
    return _page(cells, **sweep_context(cells))


def published() -> str:
    """The page of published rows, with one of them reproduced."""
    document = load_published(Path(__file__).parents[2] / "workflow" / "resources" / "published.yaml")
    runs = [make_run(**document["rows"][0]["cell"]), make_run(**document["rows"][1]["cell"], p50=8.0)]
    context = make_context(kind="published", tag="published", images=[], published=document)
    return render_page(build_summary(runs, context), [])


def _page(cells: list[dict[str, Any]], **context: Any) -> str:
    return render_page(build_summary(cells, make_context(**context)), [_picture(cells[0])])


def _picture(run: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A picture that a browser can show, with the boxes of this cell."""
    (found,) = make_picture()["cells"].values()
    cells = {"/".join(run["cell"].values()): found}
    return make_picture(width=64, height=48, data_uri=_grey(64, 48), cells=cells, **changes)


def _grey(width: int, height: int) -> str:
    """A grey picture as a data URI."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + b64encode(png).decode("ascii")


PAGES: dict[str, Callable[[], str]] = {
    "usual": usual,
    "groups": groups,
    "unannotated": unannotated,
    "swept": swept,
    "published": published,
}

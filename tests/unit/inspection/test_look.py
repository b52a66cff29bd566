"""Every form that can be stated is read right, and every form left unstated is told rightly or asked for."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.boxes.anchors import standard_anchors
from ssdbench.boxes.decoding import HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.output_form import OutputForm
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.catalog.statement import FORM_VALUES, FormStatement
from ssdbench.errors import UserError
from ssdbench.inspection.look import Look, Stated, look_at
from ssdbench.runtimes.input_form import BY_TYPE, InputForm
from ssdbench.runtimes.output_ports import Ports
from support.simulated_heads import CLASSES, CODER, Replay, in_form, simulated

SIZE = (120, 160)
NMS = NmsSettings(score=0.05, max=20)
FORMS = [
    OutputForm(box_form, order, scale, activation, background)  # type: ignore[arg-type]
    for box_form, order, scale, activation, background in product(*FORM_VALUES.values())
    if not (box_form == "encodings" and scale == "pixels")
    if not (activation == "softmax" and background == "none")  # a softmax over classes alone has no background
]
PLAIN = {False: simulated(), True: simulated(softmax=True)}


def uint8_input(size: tuple[int, int] = SIZE) -> InputForm:
    return InputForm("image", 1, size, False, None, "uint8 pixels", Normalisation(1, 0), BY_TYPE)


def look(heads: Heads, stated: FormStatement | None = None, **more: Any) -> Look:
    names = more.pop("names", ("first", "second"))
    fed = more.pop("fed", uint8_input())
    pixels = [np.zeros((*SIZE, 3), np.uint8)] * len(heads.scores)
    return look_at(Replay(heads, fed, names), Stated(stated or FormStatement(), **more), pixels)


def found(heads: Heads, form: OutputForm, anchors: Any) -> list[Any]:
    decoding = HeadDecoding(anchors, CODER, NMS, form=form, size=SIZE)
    sizes = [(640, 480)] * len(heads.scores)
    return [(one.class_ids.tolist(), one.boxes, one.scores) for one in detections_of(heads, sizes, decoding)]


def assert_same(heads: Heads, plain: Heads, told: Look) -> None:
    wanted = found(plain, OutputForm(), standard_anchors())
    got = found(heads, told.form, told.anchors)
    for (classes, boxes, scores), (own_classes, own_boxes, own_scores) in zip(wanted, got, strict=True):
        assert len(classes) >= 3
        assert own_classes == classes
        np.testing.assert_allclose(own_boxes, boxes, atol=0.05)
        np.testing.assert_allclose(own_scores, scores, atol=1e-4)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_form_that_is_stated_gives_the_same_detections(form: OutputForm) -> None:
    plain = PLAIN[form.activation == "softmax"]
    heads = in_form(plain, form, SIZE)
    told = look(heads, FormStatement(**asdict(form)))
    assert told.missing == ()
    assert_same(heads, plain, told)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMS), st.sets(st.sampled_from(sorted(FORM_VALUES))), st.booleans())
def test_what_is_not_stated_is_told_rightly_or_asked_for(form: OutputForm, keys: set[str], softmax: bool) -> None:
    plain = PLAIN[form.activation == "softmax" or softmax]
    heads = in_form(plain, form, SIZE)
    told = look(heads, FormStatement(**{key: value for key, value in asdict(form).items() if key in keys}))
    missing = {one.key for one in told.missing}
    assert missing.isdisjoint(keys)
    for key, value in asdict(form).items():
        if key in told.findings:
            assert told.findings[key].value == value
            assert told.findings[key].how == "stated" if key in keys else told.findings[key].how.startswith("found by")
    if form.activation != "none" and "activation" not in keys:
        assert "activation" in missing  # of a sigmoid or a softmax shows nowhere
    if not missing:
        assert_same(heads, plain, told)
    if form.activation == "none" and form.background != "none":
        assert not missing


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_statement_that_cannot_be_is_refused(form: OutputForm) -> None:
    heads = in_form(PLAIN[form.activation == "softmax"], form, SIZE)
    right = asdict(form)
    wrong = {
        "activation": "sigmoid" if form.activation == "none" else "none",
        "box_form": {"encodings": "corners", "corners": "encodings", "centre_size": "corners"}[form.box_form],
        "box_order": "xy" if form.box_order == "yx" else "yx",
        "background": {"first": "last", "last": "first"}.get(form.background),
        "box_scale": {"pixels": "normalised", "normalised": "pixels"}[form.box_scale] if form.is_decoded else None,
    }
    for key, value in wrong.items():
        if value is not None:
            with pytest.raises(UserError, match=rf"`{key}: {value}` is stated, but"):
                look(heads, FormStatement(**{**right, key: value}))


def test_what_is_missing_is_asked_for_by_key_with_its_values() -> None:
    heads = in_form(PLAIN[False], OutputForm(activation="sigmoid"), SIZE)
    fed = InputForm("image", 1, SIZE, False, None, "float32, ...", MOBILENET_SSD, "")
    told = look(heads, fed=fed)
    with pytest.raises(UserError) as caught:
        told.require(Replay(heads, fed).path, lambda key: f"models.mine.{key}")
    for words in (
        "mine.onnx does not tell all",
        "set models.mine.activation to sigmoid or softmax",
        "set models.mine.mean and models.mine.std, in pixel units (-1 to 1: mean 127.5, std 127.5;",
    ):
        assert words in str(caught.value)


def test_anchors_come_from_the_file_from_the_row_or_from_the_standard_by_their_number() -> None:
    plain = PLAIN[False]
    own = standard_anchors()[:, [1, 0, 3, 2]] * np.array([SIZE[1], SIZE[0]] * 2, np.float32)
    told = look(Heads(plain.encodings, plain.scores, own))
    np.testing.assert_allclose(told.anchors, standard_anchors(), atol=1e-6)
    assert told.findings["anchors"].how == "found by an output that does not depend on the image"
    fewer = Heads(plain.encodings[:, :-1], plain.scores[:, :-1])
    assert [one.key for one in look(fewer).missing] == ["anchors"]
    assert_same(fewer, plain, look(fewer, anchors=standard_anchors()[:-1]))
    with pytest.raises(UserError, match="gives 1916 boxes, but the anchors that are stated are 1917"):
        look(fewer, anchors=standard_anchors())


def test_anchors_or_a_coder_with_which_nothing_agrees_are_refused() -> None:
    with pytest.raises(UserError, match=r"do not agree on its box .* State `anchors` and `box_coder`"):
        look(PLAIN[False], box_coder=(1.0, 1.0, 1.0, 1.0))
    mixed = np.random.default_rng(0).permutation(standard_anchors())
    with pytest.raises(UserError, match="do not agree on its box"):
        look(PLAIN[False], anchors=mixed)
    assert look(PLAIN[False], FormStatement(box_order="yx"), anchors=mixed, box_coder=CODER).missing == ()


@pytest.mark.parametrize("divisors", [(1.0, 1.0, 1.0, 1.0), (5.0, 5.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0)])
def test_divisors_are_told_by_what_neighbours_agree_on(divisors: tuple[float, ...]) -> None:
    plain = PLAIN[False]
    heads = Heads(plain.encodings / np.array(CODER, np.float32) * np.array(divisors, np.float32), plain.scores)
    told = look(heads)
    assert (told.missing, told.box_coder) == ((), divisors)
    assert "found by the values: neighbours agree" in told.findings["box_coder"].how
    decoding = HeadDecoding(told.anchors, told.box_coder, NMS, form=told.form, size=SIZE)
    found_boxes = detections_of(heads, [(640, 480)] * len(heads.scores), decoding)
    for one, (_, boxes, _) in zip(found_boxes, found(plain, OutputForm(), standard_anchors()), strict=True):
        np.testing.assert_allclose(one.boxes, boxes, atol=0.05)


def test_unusual_divisors_are_asked_for() -> None:
    plain = PLAIN[False]
    for divisors in ((2.5, 2.5, 1.25, 1.25), (2.0,) * 4, (0.5,) * 4, (40.0, 40.0, 20.0, 20.0)):
        heads = Heads(plain.encodings / np.array(CODER, np.float32) * np.array(divisors, np.float32), plain.scores)
        try:
            told = look(heads)
        except UserError as error:
            assert "State `anchors` and `box_coder`" in str(error)
        else:
            assert "box_coder" in {one.key for one in told.missing}
            with pytest.raises(UserError, match="set --box_coder to what ty, tx, th, tw are divided by"):
                told.require(Path("x.onnx"), lambda key: f"--{key}")
        assert look(heads, box_coder=divisors).missing == ()


def test_shares_of_a_hundred_are_not_taken_for_logits() -> None:
    heads = Heads(PLAIN[False].encodings, PLAIN[False].scores * 100)
    (missing,) = look(heads, FormStatement(background="first")).missing
    assert missing.key == "activation" and "nor usual logits, as none is below 0" in missing.why
    with pytest.raises(UserError, match=r"`activation: sigmoid` is stated, but .* all of them 0\.5 and more"):
        look(heads, FormStatement(activation="sigmoid"))


def test_where_nothing_scores_only_names_tell_the_order_and_the_background() -> None:
    rng = np.random.default_rng(0)
    noise = Heads(
        rng.normal(0, 1, (4, 1917, 4)).astype(np.float32), rng.uniform(0, 0.05, (4, 1917, 9)).astype(np.float32)
    )
    assert {one.key for one in look(noise).missing} == {"box_order", "background"}
    told = look(noise, names=("raw/box_encodings:0", "class_scores"))
    assert told.missing == ()
    assert "found by the output's name" in told.findings["box_order"].how


@pytest.mark.parametrize(
    ("columns", "class_ids", "background"),
    [
        (9, (0, *range(1, 9)), "first"),
        (9, (*range(1, 9), None), "last"),
        (9, tuple(range(1, 10)), "none"),
        (80, (), "none"),
        (1, (), "none"),
    ],
)
def test_class_ids_and_shapes_tell_the_background(columns: int, class_ids: Any, background: str) -> None:
    rng = np.random.default_rng(0)
    noise = Heads(
        rng.normal(0, 1, (2, 1917, 4)).astype(np.float32), rng.uniform(0, 0.05, (2, 1917, columns)).astype(np.float32)
    )
    assert look(noise, class_ids=class_ids).findings["background"].value == background


@pytest.mark.parametrize(("columns", "shift", "background"), [(91, 0, "first"), (91, -1, "last"), (90, -1, "none")])
def test_ids_that_coco_leaves_out_tell_a_background_that_never_scores(
    columns: int, shift: int, background: str
) -> None:
    # As models trained with focal loss give them: the background column is as silent as the ids without objects.
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 0.3, (2, 1917, columns)).astype(np.float32)
    scores[..., np.array([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]) + shift] = 1e-4
    scores[..., {"first": 0, "last": -1}.get(background, 11)] = 1e-4
    told = look(Heads(rng.normal(0, 1, (2, 1917, 4)).astype(np.float32), scores))
    assert told.findings["background"].value == background


def test_a_normalisation_stated_of_pixels_is_refused_and_not_ignored() -> None:
    with pytest.raises(UserError, match=r"takes uint8 pixels as they are, .*leave `mean`, `std` and `input` out"):
        look(PLAIN[False], normalisation=MOBILENET_SSD)
    assert look(PLAIN[False], normalisation=Normalisation(1, 0, "bgr")).missing == ()


def test_the_number_of_classes_leaves_the_background_out() -> None:
    for background in ("first", "last"):
        heads = in_form(PLAIN[False], OutputForm(background=background), SIZE)  # type: ignore[arg-type]
        assert (look(heads).columns, look(heads).classes) == (CLASSES + 1, CLASSES)


class Graph(Replay):
    """A session that gives finished detections."""

    def __init__(self, numbers: list[int], scores: list[float], from_zero: bool = False) -> None:
        super().__init__(PLAIN[False], uint8_input())
        self.ports = Ports("graph", ("a", "b", "c", "d"))
        self.counts_from_zero = from_zero  # type: ignore[misc]
        boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (1, len(numbers), 1))
        self._found = Finished(
            boxes, np.array([numbers]), np.array([scores], np.float32), np.array([len(numbers)], np.int64)
        )

    def infer(self, pixels: Any) -> Finished:
        return self._found


def test_finished_detections_of_class_0_ask_for_what_their_numbers_mean() -> None:
    pixels = [np.zeros((*SIZE, 3), np.uint8)]
    asked = look_at(Graph([0, 3], [0.9, 0.5]), Stated(), pixels)
    with pytest.raises(UserError, match=r"class number 0, .*: set class_ids to .* from number 0 on\."):
        asked.require(Path("x.onnx"), str)
    assert look_at(Graph([0, 3], [0.9, 0.5]), Stated(class_ids=(1, 2, 3, 4)), pixels).missing == ()
    for session in (Graph([1, 3], [0.9, 0.5]), Graph([3, 0], [0.9, 0.0]), Graph([0], [0.9], from_zero=True)):
        assert look_at(session, Stated(), pixels).missing == ()

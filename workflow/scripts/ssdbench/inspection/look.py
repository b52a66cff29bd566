"""A look at a model file: what it takes and gives, what that was told by, and what must be stated.

The workflow and run.py both come through here, so what one understands the other does, with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import Float32, UInt8
from ssdbench.boxes.anchors import standard_anchors
from ssdbench.boxes.output_form import OutputForm, activated, standard_heads
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation, usual_normalisations
from ssdbench.catalog.registry import FASTER_RCNN
from ssdbench.catalog.statement import FORM_VALUES, FormStatement
from ssdbench.errors import UserError
from ssdbench.inspection import box_values, scores
from ssdbench.inspection.finding import STATED, Answer, Finding, Missing, describe
from ssdbench.runtimes.base import Session
from ssdbench.runtimes.input_form import BY_TYPE

# As many images of objects as tell the order of encodings: the sample's scenes hold few objects each.
LOOK_IMAGES = 8
_HIGHEST_SCORE = 1.01  # rounding
_LARGEST_BOX = 3.0
_FOUND = 0.05  # what scores less may be padding


@dataclass(frozen=True)
class Stated:
    """What is stated of a file. normalisation: of its input. anchors: float32 [A, 4], ymin xmin ymax xmax, normalised.

    class_ids: the category of each column, None or 0 for none; empty where nothing is stated. labels: the class names
    by class number, the background at 0; empty where nothing is stated.
    """

    form: FormStatement = field(default_factory=FormStatement)
    normalisation: Normalisation | None = None
    anchors: Float32 | None = None
    box_coder: tuple[float, ...] | None = None
    class_ids: tuple[int | None, ...] = ()
    labels: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Look:
    """What a look at a file found.

    findings: what is known, by key. missing: what must be stated; while there is anything, `form` is not to be used.
    form: of the outputs of heads. anchors: of encodings, ymin xmin ymax xmax, normalised. columns: of the class scores
    as the file gives them; 0 of finished graphs. box_coder: what ty, tx, th, tw are divided by.
    """

    findings: dict[str, Finding]
    missing: tuple[Missing, ...] = ()
    form: OutputForm = field(default_factory=OutputForm)
    anchors: Float32 | None = None
    columns: int = 0
    box_coder: tuple[float, ...] = FASTER_RCNN

    @property
    def classes(self) -> int:
        """How many classes the scores have, the background left out."""
        return self.columns - (self.form.background != "none")

    def lines(self) -> list[str]:
        """A line for each finding."""
        return describe(self.findings)

    def how(self) -> dict[str, str]:
        """What each key was told by."""
        return {key: f"{finding.value}, {finding.how}" for key, finding in self.findings.items()}

    def require(self, path: Path, name: Callable[[str], str]) -> None:
        """Make sure that nothing is missing; `name` turns a key into what is to be set, as `models.mine.activation`.

        Raises:
            UserError: something is; the message has each key with its values.
        """
        if self.missing:
            needs = " ".join(f"{missing.why[:1].upper()}{missing.why[1:]}: {_set(missing.key, name)}."
                             for missing in self.missing)  # fmt: skip
            raise UserError(f"{path} does not tell all that is needed to read it right. {needs}")


def look_at(session: Session, stated: Stated, pixels: Sequence[UInt8]) -> Look:
    """Run a file on a few images and tell its form.

    Args:
        session: the file, opened with the normalisation that is stated of it, or None.
        pixels: uint8 RGB [H, W, 3] each, best of objects that the model knows.

    Raises:
        UserError: the file does not run, or what is stated cannot be.
    """
    form, fed = session.form, stated.normalisation
    if form.found_by == BY_TYPE and fed is not None and (fed.scale, fed.offset) != (1, 0):
        raise UserError(
            f"{session.path} takes uint8 pixels as they are, so that {fed} would mean nothing: leave `mean`, `std` and "
            "`input` out."
        )
    outputs = [session.run(image[np.newaxis]) for image in pixels]
    known: dict[str, Answer] = {}
    known["input"] = Finding(form.meaning, form.found_by) if form.found_by else Missing(
        "mean", f"the {form.meaning.split(',')[0]} input does not say what pixels become in it"
    )  # fmt: skip
    if session.graph_kind == "graph":
        finished = [output for output in outputs if isinstance(output, Finished)]
        _check_finished(session.path, finished)
        if not stated.class_ids and not session.counts_from_zero and _has_class_zero(finished):
            known["class_ids"] = Missing(
                "class_ids", "detections have the class number 0, and numbers that are COCO's ids begin with 1"
            )
        known["boxes"] = Finding("finished detections", "found by the outputs' names and shapes")
        return _look(known, OutputForm(), None, 0, FASTER_RCNN)
    heads = [output for output in outputs if isinstance(output, Heads)]
    return _look_at_heads(session, stated, heads, known)


def _look(
    known: dict[str, Answer],
    form: OutputForm,
    anchors: Float32 | None,
    columns: int,
    box_coder: tuple[float, ...],
) -> Look:
    findings = {key: answer for key, answer in known.items() if isinstance(answer, Finding)}
    missing = tuple(answer for answer in known.values() if isinstance(answer, Missing))
    return Look(findings, missing, form, anchors, columns, box_coder)


def _look_at_heads(session: Session, stated: Stated, heads: list[Heads], known: dict[str, Answer]) -> Look:
    boxes = np.concatenate([one.encodings for one in heads])
    raw = np.concatenate([one.scores for one in heads])
    if boxes.shape[1] != raw.shape[1]:
        raise UserError(f"{session.path} gives {boxes.shape[1]} boxes, but scores of {raw.shape[1]}.")
    size, says = session.input_size, stated.form
    columns = scores.Columns(
        session.ports.names[1],
        len(stated.class_ids) or None,
        _nothing_at(stated.class_ids),
    )
    known["activation"] = activation = scores.tell_activation(raw, says.activation)
    final = activated(raw, _value(activation, "softmax"))
    known["background"] = background = scores.tell_background(final, columns, says.background)
    known["box_form"] = box_form = box_values.tell_box_form(boxes, size, says.box_form)
    anchors, coder = None, stated.box_coder or FASTER_RCNN
    if _value(box_form, "") in ("corners", "centre_size"):
        known["box_scale"] = box_values.tell_box_scale(boxes, size, says.box_scale)
        known["box_order"] = box_values.tell_decoded_order(boxes, _value(box_form, ""), says.box_order)
    elif isinstance(box_form, Finding):
        known["anchors"], anchors = _anchors(stated, heads[0], boxes.shape[1], size)
        standard = standard_heads(Heads(boxes, final), OutputForm(background=_value(background, "none"))).scores
        if anchors is not None:
            known["box_coder"], coder = box_values.tell_box_coder(boxes, standard, anchors, stated.box_coder)
            is_stated = stated.anchors is not None and stated.box_coder is not None
            known["box_order"] = box_values.tell_encoding_order(
                boxes, standard, anchors, coder, session.ports.names[0], says.box_order, is_stated
            )
    form = OutputForm(**{key: known[key].value for key in FORM_VALUES if isinstance(known.get(key), Finding)})  # type: ignore[union-attr]
    if not any(isinstance(known.get(key), Missing) for key in ("box_form", "box_order", "box_scale")):
        known["boxes"] = Finding(form.describe_boxes(), _value_how(box_form))
    return _look(known, form, anchors, raw.shape[2], coder)


def _nothing_at(class_ids: tuple[int | None, ...]) -> tuple[int, ...]:
    """Which class ids mean no class: None, or 0 in a table without None."""
    nothing = None if None in class_ids else 0
    return tuple(index for index, one in enumerate(class_ids) if one == nothing)


def _value(answer: Answer, otherwise: str) -> Any:
    return answer.value if isinstance(answer, Finding) else otherwise


def _value_how(answer: Answer) -> str:
    return answer.how if isinstance(answer, Finding) else ""


def _anchors(stated: Stated, heads: Heads, count: int, size: tuple[int, int] | None) -> tuple[Answer, Float32 | None]:
    """The anchors of encodings: stated, or the file's own output, or the standard ones where their number fits."""
    if stated.anchors is not None:
        if len(stated.anchors) != count:
            raise UserError(
                f"The file gives {count} boxes, but the anchors that are stated are {len(stated.anchors)}: give those "
                "that the model was trained with, [A, 4] in a .json or .npy file."
            )
        return Finding(f"{count}", STATED), stated.anchors
    if heads.anchors is not None:
        own = _own_anchors(heads.anchors, size)
        if own is None or len(own) != count:
            return Missing(
                "anchors", f"the output with {len(heads.anchors)} anchors is not of boxes in a known form"
            ), None
        return Finding(f"{count}", "found by an output that does not depend on the image"), own
    if count == len(standard_anchors()):
        return Finding(
            f"{count}", "found by their number: the standard ones of SSD MobileNet at 300x300"
        ), standard_anchors()
    return Missing("anchors", f"the file gives {count} boxes as encodings of anchors that it does not give"), None


def _own_anchors(values: Float32, size: tuple[int, int] | None) -> Float32 | None:
    """Anchors ymin xmin ymax xmax, normalised, of an output in any of the forms of decoded boxes."""
    form = box_values.tell_box_form(values[np.newaxis], size)
    scale = box_values.tell_box_scale(values, size, None)
    order = box_values.tell_decoded_order(values, _value(form, ""), None)
    if any(isinstance(answer, Missing) for answer in (form, scale, order)) or _value(form, "") == "encodings":
        return None
    told = OutputForm(_value(form, ""), _value(order, ""), _value(scale, ""))
    return standard_heads(Heads(values, np.zeros((1, 1), np.float32)), told, size).encodings


def _check_finished(path: Path, outputs: Sequence[Finished]) -> None:
    """Finished detections must be what they are taken for."""
    for output in outputs:
        for boxes, found, count in zip(output.boxes, output.scores, output.counts, strict=True):
            if count and (found[:count].max() > _HIGHEST_SCORE or found[:count].min() < 1 - _HIGHEST_SCORE):
                raise UserError(
                    f"{path} gives detections that score {found[:count].min():.3g} to {found[:count].max():.3g}, and 0 "
                    "to 1 are needed: export it with the sigmoid or softmax inside."
                )
            if count and np.abs(boxes[:count]).max() > _LARGEST_BOX:
                raise UserError(
                    f"{path} gives detections with boxes up to {np.abs(boxes[:count]).max():.4g}, and shares of the "
                    "image's sides are needed: export it with normalised boxes."
                )


def _has_class_zero(outputs: Sequence[Finished]) -> bool:
    """Whether anything is found of class 0, which is the background where classes are counted from 1."""
    return any(
        bool(((classes[:count] == 0) & (found[:count] > _FOUND)).any())
        for output in outputs
        for classes, found, count in zip(output.class_ids, output.scores, output.counts, strict=True)
    )


def _set(key: str, name: Callable[[str], str]) -> str:
    """What to set."""
    if key == "mean":
        usual = "; ".join(f"{words}: mean {_numbers(n.mean)}, std {_numbers(n.std)}"
                          for words, n in usual_normalisations().items())  # fmt: skip
        return f"set {name('mean')} and {name('std')}, in pixel units ({usual})"
    if key == "anchors":
        return f"set {name('anchors')} to a .json or .npy file of [A, 4] ymin, xmin, ymax, xmax, in shares of the sides"
    if key == "class_ids":
        return f"set {name('class_ids')} to the category's id of each class number, from number 0 on"
    if key == "box_coder":
        return f"set {name('box_coder')} to what ty, tx, th, tw are divided by, such as 10 10 5 5, 5 5 5 5 or 1 1 1 1"
    values = [value for value in FORM_VALUES[key] if (key, value) != ("activation", "none")]
    return f"set {name(key)} to {' or '.join(values)}"


def _numbers(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else " ".join(f"{value:.5g}" for value in values)

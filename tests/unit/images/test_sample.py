"""The embedded sample: scenes, their labels and what is written of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from ssdbench.errors import UserError
from ssdbench.files.reading import read_json
from ssdbench.images import sample
from ssdbench.images.sample import Item, Label, Photograph, Placement, arrange, labels, paint
from ssdbench.images.sample_version import SAMPLE_VERSION

SIDE = 60  # of the test photographs
SCENE = 90
GRID = 6  # places lie on this grid, so that with the scales below every photograph pixel is hidden whole or not
SCALES = {2: 1 / 3, 3: 1 / 2, 6: 1.0, 12: 2.0, 18: 3.0}  # by canvas pixels per photograph pixel


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    sample.compose(folder)
    return folder


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """An L-shaped or rectangular object somewhere in a photograph."""
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    for _ in range(draw(st.integers(1, 2))):
        x, y = draw(st.integers(0, SIDE - 2)), draw(st.integers(0, SIDE - 2))
        mask[y : y + draw(st.integers(1, SIDE)), x : x + draw(st.integers(1, SIDE))] = True
    return mask


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    zoom, scale = draw(st.sampled_from(sorted(SCALES.items())))
    most = min(SCENE, int(SIDE * scale)) // GRID
    width, height = GRID * draw(st.integers(1, most)), GRID * draw(st.integers(1, most))
    crop_width, crop_height = width * GRID // zoom, height * GRID // zoom
    items = tuple(
        Item(category, draw(st.booleans()), draw(masks())) for category in range(1, draw(st.integers(1, 2)) + 1)
    )
    return Placement(
        Photograph("test", np.zeros((SIDE, SIDE, 3), dtype=np.uint8), items),
        crop=(
            draw(st.integers(0, SIDE - crop_width)),
            draw(st.integers(0, SIDE - crop_height)),
            crop_width,
            crop_height,
        ),
        place=(
            GRID * draw(st.integers(0, (SCENE - width) // GRID)),
            GRID * draw(st.integers(0, (SCENE - height) // GRID)),
            width,
            height,
        ),
        flip=draw(st.booleans()),
    )


def painted_labels(scene: list[Placement]) -> list[Label]:
    """The labels from masks painted pixel by pixel on a canvas GRID times as fine as the scene."""
    found = []
    for index, placement in enumerate(scene):
        x, y, width, height = (GRID * value for value in placement.place)
        left, top, crop_width, crop_height = placement.crop
        for item in placement.photograph.items:
            part = item.mask[top : top + crop_height, left : left + crop_width]
            part = np.fliplr(part) if placement.flip else part
            zoom = width // crop_width
            canvas = np.zeros((GRID * SCENE, GRID * SCENE), dtype=bool)
            canvas[y : y + height, x : x + width] = part.repeat(zoom, axis=0).repeat(zoom, axis=1)
            for above in scene[index + 1 :]:
                other_x, other_y, other_width, other_height = (GRID * value for value in above.place)
                canvas[other_y : other_y + other_height, other_x : other_x + other_width] = False
            if canvas.any():
                box = [value / GRID for value in cv2.boundingRect(canvas.astype(np.uint8))]
                if min(box[2:]) >= 4:
                    area = float(canvas.sum()) / GRID**2
                    found.append(Label(item.category, item.crowd, tuple(box), area))
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(placements(), min_size=1, max_size=3))
def test_labels_are_the_bounds_of_what_a_plain_painting_of_the_masks_shows(scene: list[Placement]) -> None:
    ours, expected = labels(scene), painted_labels(scene)
    assert [(label.category, label.crowd) for label in ours] == [(label.category, label.crowd) for label in expected]
    for label, other in zip(ours, expected, strict=True):
        assert label.bbox == pytest.approx(other.bbox, abs=1e-9)
        assert label.area == pytest.approx(other.area)


def test_painting_crops_mirrors_and_lets_the_later_photograph_lie_on_top() -> None:
    rng = np.random.default_rng(0)
    first, second = (Photograph(name, rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for name in ("a", "b"))
    ground = np.full((40, 50, 3), 7, dtype=np.uint8)
    scene = paint(
        ground,
        [
            Placement(first, crop=(5, 2, 20, 10), place=(10, 20, 20, 10), flip=True),
            Placement(second, crop=(0, 0, 30, 20), place=(20, 15, 30, 20), flip=False),
        ],
    )
    assert np.array_equal(scene[20:30, 10:20], first.pixels[2:12, 5:25][:, ::-1][:, :10])
    assert np.array_equal(scene[15:35, 20:50], second.pixels)
    assert (scene[:15] == 7).all() and (ground == 7).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.lists(masks(), min_size=1, max_size=3))
def test_every_object_of_an_arranged_scene_is_recognisable_or_hidden(seed: int, shapes: list[np.ndarray]) -> None:
    pixels = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    photographs = [Photograph("test", pixels, (Item(1, False, mask),)) for mask in shapes]
    scene = [
        replace(placement, photograph=replace(placement.photograph, items=(replace(item, category=number),)))
        for number, placement in enumerate(arrange(np.random.default_rng(seed), photographs, 200, 150))
        for item in placement.photograph.items
    ]
    assert len(scene) <= 5
    for placement in scene:
        x, y, width, height = placement.place
        assert 0 <= x <= 200 - width and 0 <= y <= 150 - height
    for label in labels(scene):
        placement = scene[label.category]
        _, _, crop_width, crop_height = placement.crop
        enlarged = placement.place[2] * placement.place[3] / (crop_width * crop_height)
        assert label.area >= 0.75 * enlarged * placement.photograph.items[0].mask.sum() - 1e-6


def test_outlines_become_masks_where_they_were_drawn() -> None:
    document = yaml.safe_load(sample.PHOTOGRAPHS.read_text())
    categories = {name: id_ for group in document["categories"].values() for id_, name in group.items()}
    assert len(categories) == 80
    for name, row in document["photographs"].items():
        photograph = sample._photograph(name, row, categories)
        for item, drawn in zip(photograph.items, row.get("objects", []), strict=True):
            corners = np.array(drawn["outline"])
            x, y, width, height = cv2.boundingRect(item.mask.astype(np.uint8))
            assert item.category == categories[drawn["category"]]
            assert np.abs(corners.min(axis=0) - (x, y)).max() <= 1, (name, drawn["category"])
            assert np.abs(corners.max(axis=0) - (x + width, y + height)).max() <= 1, (name, drawn["category"])


def test_annotations_are_coco_and_fit_the_images(composed: Path) -> None:
    path = composed / "annotations.json"
    coco = COCO(str(path))
    images, annotations = coco.dataset["images"], coco.dataset["annotations"]
    assert [image["id"] for image in images] == sorted({image["id"] for image in images})
    assert [label["id"] for label in annotations] == list(range(1, len(annotations) + 1))
    assert len(coco.getCatIds()) == 80 and max(coco.getCatIds()) == 90
    assert "not COCO" in coco.dataset["info"]["description"]
    assert sorted(file.name for file in (composed / "images").iterdir()) == [i["file_name"] for i in images]
    for image in images:
        pixels = cv2.imread(str(composed / "images" / image["file_name"]))
        assert pixels.shape == (image["height"], image["width"], 3)
    for label in annotations:
        image = coco.imgs[label["image_id"]]
        x, y, width, height = label["bbox"]
        assert x >= 0 and x + width <= image["width"] + 0.011
        assert y >= 0 and y + height <= image["height"] + 0.011
        assert 0 < label["area"] <= (width + 0.01) * (height + 0.01)


def test_scenes_are_varied(composed: Path) -> None:
    document = read_json(composed / "annotations.json")
    sizes = Counter((image["width"], image["height"]) for image in document["images"])
    assert len(document["images"]) == 96 and len(sizes) >= 7
    assert {width > height for width, height in sizes} == {True, False}
    names = {category["id"]: category["name"] for category in document["categories"]}
    counted = [label for label in document["annotations"] if not label["iscrowd"]]
    found = Counter(names[label["category_id"]] for label in counted)
    assert set(found) == {"person", "cat", "cup", "spoon", "dining table", "motorcycle", "tie"}
    assert min(found.values()) >= 30
    classes = Counter(
        "small" if label["area"] < 32**2 else "medium" if label["area"] < 96**2 else "large" for label in counted
    )
    assert set(classes) == {"small", "medium", "large"} and min(classes.values()) >= 50
    labelled = {label["image_id"] for label in document["annotations"]}
    assert len(document["images"]) - len(labelled) == 2


def test_no_calibration_image_is_an_evaluation_image(composed: Path) -> None:
    hashes = {
        folder: {hashlib.sha256(file.read_bytes()).hexdigest() for file in (composed / folder).iterdir()}
        for folder in ("images", "calibration")
    }
    assert len(hashes["images"]) == 96 and len(hashes["calibration"]) == 120
    assert not hashes["images"] & hashes["calibration"]
    names = [{file.name for file in (composed / folder).iterdir()} for folder in ("images", "calibration")]
    assert not names[0] & names[1]


def test_composing_again_gives_the_same_bytes(composed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "EVALUATION_SCENES", 5)
    monkeypatch.setattr(sample, "CALIBRATION_SCENES", 3)
    sample.compose(tmp_path)
    files = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*.jpg"))
    assert len(files) == 8
    for file in files:
        assert (tmp_path / file).read_bytes() == (composed / file).read_bytes()
    ours, whole = (read_json(folder / "annotations.json") for folder in (tmp_path, composed))
    assert ours["images"] == whole["images"][:5]
    assert ours["annotations"] == whole["annotations"][: len(ours["annotations"])]


def test_other_scenes_have_another_version(composed: Path) -> None:
    """SAMPLE_VERSION names int8 artifacts: it must change when the scenes do, and only then."""
    annotations = hashlib.sha256((composed / "annotations.json").read_bytes()).hexdigest()
    quarters = {  # mean blue, green and red of each quarter, which another JPEG encoder changes by less than 2
        name: cv2.resize(cv2.imread(str(composed / f"{name}.jpg")), (2, 2), interpolation=cv2.INTER_AREA).ravel()
        for name in ("images/000000000050", "calibration/000000001001", "calibration/000000001077")
    }
    remedy = "The sample has changed: give SAMPLE_VERSION another value and state the new scenes here."
    assert SAMPLE_VERSION == "c8fd23d3", remedy
    assert annotations == "fb1936e6c08f1a7b37e06b0fd931813d2c921e9808a4cbfef92c047a3e2b9313", remedy
    expected = {
        "images/000000000050": [81, 73, 74, 81, 73, 74, 83, 75, 76, 81, 76, 80],
        "calibration/000000001001": [130, 116, 126, 108, 96, 109, 108, 98, 113, 86, 86, 108],
        "calibration/000000001077": [118, 109, 120, 91, 86, 102, 80, 81, 100, 81, 81, 94],
    }
    for name, found in quarters.items():
        assert np.abs(found.astype(int) - expected[name]).max() < 2, f"{name}: {remedy}"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("sha256", "0" * 64, "chelsea.png is not the photograph that the embedded sample was measured on"),
        ("file", "data/chelsea.gone", "chelsea.gone of the embedded sample cannot be read"),
        ("package", "no_such_package", "The package scikit-image is missing"),
    ],
)
def test_another_photograph_is_refused_with_its_remedy(
    key: str, value: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(sample.PHOTOGRAPHS.read_text())
    document["photographs"]["chelsea"][key] = value
    changed = tmp_path / "photos.yaml"
    changed.write_text(yaml.safe_dump(document))
    monkeypatch.setattr(sample, "PHOTOGRAPHS", changed)
    with pytest.raises(UserError, match=sentence) as caught:
        sample.compose(tmp_path / "out")
    assert "scikit-image" in str(caught.value) and "requirements.txt" in str(caught.value)
    assert not (tmp_path / "out").exists()

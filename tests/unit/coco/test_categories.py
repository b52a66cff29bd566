"""Class numbers find their categories: as stated, by name, or number for number, and never by chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.coco.categories import NO_CATEGORY, NO_CLASS, Category, class_table, coco_labels
from ssdbench.coco.coco_names import COCO_NAMES
from ssdbench.errors import UserError

COCO = [Category(number, name, 1) for number, name in enumerate(COCO_NAMES, 1) if name]
FROM_ZERO = [Category(number, category.name, 1) for number, category in enumerate(COCO)]
LABELS = coco_labels(91)


def ids_by_name(categories: list[Category], labels: tuple[str | None, ...] | None = LABELS) -> dict[str, int]:
    """What each label became, without those that became nothing."""
    table = class_table(categories, labels=labels)
    assert table.ids is not None and labels is not None
    return {label: number for label, number in zip(labels, table.ids, strict=True) if label and number > NO_CATEGORY}


def test_coco_names_are_those_of_its_ids_in_every_numbering() -> None:
    assert sum(map(bool, COCO_NAMES)) == 80
    assert (COCO_NAMES[0], COCO_NAMES[16], COCO_NAMES[89]) == ("person", "cat", "toothbrush")
    for numbers, cat in ((91, 17), (90, 16), (81, 16), (80, 15)):
        labels = coco_labels(numbers)
        assert labels is not None and len(labels) == numbers and labels[cat] == "cat"
    assert coco_labels(21) is None


@given(st.permutations(COCO), st.integers(0, 2**60))
def test_categories_of_any_numbering_are_found_by_name(order: list[Category], start: int) -> None:
    renumbered = [Category(start + number, category.name, 1) for number, category in enumerate(order)]
    assert ids_by_name(renumbered) == {category.name: category.id for category in renumbered}


def test_coco_numbers_stay_as_they_are_and_the_background_is_nothing() -> None:
    table = class_table(COCO, labels=LABELS)
    assert table.ids is not None and table.ids[0] == NO_CLASS
    assert all(number in (place, NO_CATEGORY) for place, number in enumerate(table.ids) if place)
    assert table.notes == ()


@pytest.mark.parametrize("identity", [0, 1, 7, 10**15])
def test_one_class_has_any_id(identity: int) -> None:
    table = class_table([Category(identity, "Person", 9)], labels=LABELS)
    assert table.ids is not None and table.ids[1] == identity
    assert set(table.ids[2:]) == {NO_CATEGORY}


@pytest.mark.parametrize("name", ["Traffic Light", "traffic_light", "traffic-light", "trafficlight", " traffic light "])
def test_spellings_of_a_name_are_one_name(name: str) -> None:
    assert ids_by_name([Category(3, name)])["traffic light"] == 3


def test_darknets_names_are_coco_names() -> None:
    names = ["aeroplane", "motorbike", "sofa", "tvmonitor", "diningtable", "pottedplant"]
    assert len(ids_by_name([Category(number, name) for number, name in enumerate(names)])) == len(names)


def test_objects_out_of_reach_are_noted() -> None:
    table = class_table([Category(0, "person", 5), Category(1, "helmet", 7), Category(2, "vest")], labels=LABELS)
    (note,) = table.notes
    assert "1 of 3 categories" in note and "none of their 7 objects" in note and note.endswith("helmet.")


def test_classes_that_fit_nowhere_are_refused_with_both_lists() -> None:
    with pytest.raises(UserError, match=r"1 person, 2 bicycle.*have 0 helmet, 1 vest.*class_ids.*labels"):
        class_table([Category(0, "helmet", 5), Category(1, "vest", 5)], labels=LABELS)
    with pytest.raises(UserError, match=r"names of the model's classes are not known.*0 person, 1 car"):
        class_table([Category(0, "person", 5), Category(1, "car", 5)])
    with pytest.raises(UserError, match="from 1 to 20"):
        class_table([Category(1, "person", 5), Category(30, "car", 5)], numbers=21)


def test_translated_names_with_all_of_cocos_ids_are_taken_by_number_and_it_is_said() -> None:
    german = [Category(category.id, f"Klasse {category.id}", 1) for category in COCO]
    table = class_table(german, labels=LABELS)
    assert table.ids is None and "the names are others" in table.notes[0]
    with pytest.raises(UserError, match="None of the model's classes"):
        class_table([Category(1, "Hund", 1), Category(2, "Katze", 1)], labels=(None, "cat", "dog"))


def test_of_two_categories_of_one_name_the_one_with_objects_counts() -> None:
    # Roboflow adds a category 0 with the project's name and without objects.
    roboflow = [Category(0, "person"), Category(1, "person", 4)]
    assert ids_by_name(roboflow) == {"person": 1}
    assert ids_by_name([Category(1, "person", 4), Category(9, "person", 4)]) == {"person": 1}
    with pytest.raises(UserError, match=r"several categories named 'person' \(8 and 9\)"):
        ids_by_name([Category(8, "person", 4), Category(9, "person", 4)])


def test_unknown_names_are_taken_by_number_where_ids_fit() -> None:
    assert class_table(COCO).ids is None
    assert class_table([Category(0, "objects"), Category(1, "a", 3)], numbers=2).ids is None  # 0 has no objects


def test_a_stated_table_is_followed() -> None:
    assert class_table(FROM_ZERO, (None, 5, 0, 79)).ids == (NO_CLASS, 5, 0, 79)
    assert class_table(COCO, (0, 17, 18)).ids == (NO_CLASS, 17, 18)
    table = class_table([Category(1, "person", 2)], (None, 1, 2, 3))
    assert table.ids == (NO_CLASS, 1, 2, 3) and "2 ids that the annotations do not have: 2, 3" in table.notes[0]


def test_a_zero_that_may_mean_two_things_is_refused() -> None:
    with pytest.raises(UserError, match=r"a 0, .* category 0 \(person\): write null"):
        class_table(FROM_ZERO, (0, *range(1, 80)))
    assert class_table([Category(0, "objects"), Category(1, "a", 3)], (0, 1)).ids == (NO_CLASS, 1)
    with pytest.raises(UserError, match="class_ids has no id of the annotations' categories"):
        class_table([Category(50, "a", 3)], (None, 1, 2))


def test_without_annotations_numbers_stay() -> None:
    assert class_table([]).ids is None and class_table([]).known is None
    assert class_table([], labels=LABELS).ids is None
    assert class_table([], (0, 17)).ids == (NO_CLASS, 17)

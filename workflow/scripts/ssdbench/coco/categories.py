"""Which category of the annotations each class number of a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ssdbench.coco.coco_names import COCO_NAMES
from ssdbench.errors import UserError

# In a class table: a number that is not a class (the background), and a class that the annotations do not have. Both
# are far from every id: `column_id` keeps those within 2**53.
NO_CLASS, NO_CATEGORY = -(2**63), -(2**63) + 1

# Darknet's names of COCO's classes.
_OTHER_NAMES = {"aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch", "tvmonitor": "tv"}
_STATE = (
    "State which category each class is, as `class_ids` (the category's id of each class in the model's order; null "
    "for what is not a class, such as the background), or the model's class names as `labels`: keys of its registry "
    "row, or --class_ids and --labels of run.py."
)


@dataclass(frozen=True, slots=True)
class Category:
    """One category of the annotations: its id, its name, and how many annotated objects it has."""

    id: int
    name: str
    objects: int = 0


@dataclass(frozen=True)
class ClassTable:
    """Which category each class of a model is.

    ids: the category's id by class number, NO_CLASS or NO_CATEGORY; None where class numbers are the ids themselves.
    known: the ids of all categories; None without annotations. how: how it was found, in a sentence. notes: what a
    reader must know of it, in sentences.
    """

    ids: tuple[int, ...] | None
    known: frozenset[int] | None
    how: str
    notes: tuple[str, ...] = ()


def coco_labels(numbers: int) -> tuple[str | None, ...] | None:
    """COCO's class names by class number, for a model with this many numbers; None where COCO's are not as many.

    91: COCO's ids with the background at 0. 90: the same ids less one. 81: the 80 names behind the background. 80: the
    80 names alone.
    """
    names = tuple(name for name in COCO_NAMES if name)
    return {91: (None, *COCO_NAMES), 90: COCO_NAMES, 81: (None, *names), 80: names}.get(numbers)


def class_table(
    categories: Sequence[Category],
    class_ids: Sequence[int | None] | None = None,
    labels: Sequence[str | None] | None = None,
    numbers: int | None = None,
) -> ClassTable:
    """The table of a model's classes: as stated, else by name where names are known, else number for number.

    Args:
        categories: of the annotations; empty without annotations.
        class_ids: the category's id by class number, None for what is not a class. In a table without None, 0 means
            the same, unless the annotations have a category 0.
        labels: the model's class names by class number; None for what is not a class, "" for a class without a name.
        numbers: class numbers are below this; None if that is not known.

    Raises:
        UserError: the classes do not fit the categories; the message shows both.
    """
    known = frozenset(category.id for category in categories) if categories else None
    if class_ids:
        return _as_stated(categories, class_ids)
    if known is None:
        return ClassTable(None, None, "There are no annotations: detections have the model's own class numbers.")
    if labels:
        return _by_name(categories, known, labels)
    coco = coco_labels(numbers) if numbers else None
    if coco and {_key(one.name) for one in categories} & {_key(name) for name in coco if name}:
        why = f"The model has {numbers} class numbers, as many as COCO, and nothing is stated: COCO's names are taken."
        table = _by_name(categories, known, coco)
        return replace(table, notes=(why, *table.notes))
    return _by_number(categories, known, numbers)


def _as_stated(categories: Sequence[Category], class_ids: Sequence[int | None]) -> ClassTable:
    is_zero_stated = None in class_ids  # then 0 is an id like others
    zero = next((one for one in categories if one.id == 0 and one.objects), None)
    if zero and not is_zero_stated and 0 in class_ids:
        raise UserError(
            f"class_ids has a 0, which means either no class or the annotations' category 0 ({zero.name}): "
            f"write null for what is not a class, and for the background, or name the classes as `labels`. The "
            f"annotations have {_listed({one.id: one.name for one in categories})}."
        )
    ids = tuple(NO_CLASS if one is None or (one == 0 and not is_zero_stated) else one for one in class_ids)
    stated = {one for one in ids if one != NO_CLASS}
    how = "Classes are categories as class_ids states."
    if not categories:
        return ClassTable(ids, None, how)
    known = frozenset(category.id for category in categories)
    if not stated & known:
        raise UserError(
            f"class_ids has no id of the annotations' categories. It has {', '.join(map(str, sorted(stated)))}; the "
            f"annotations have {_listed({one.id: one.name for one in categories})}. Correct class_ids."
        )
    notes = []
    if absent := sorted(stated - known):
        ids_absent = ", ".join(map(str, absent))
        notes.append(f"class_ids has {len(absent)} ids that the annotations do not have: {ids_absent}.")
    return ClassTable(ids, known, how, (*notes, *_out_of_reach(categories, stated)))


def _by_name(categories: Sequence[Category], known: frozenset[int], labels: Sequence[str | None]) -> ClassTable:
    named: dict[str, list[Category]] = {}
    for category in categories:
        named.setdefault(_key(category.name), []).append(category)
    ids = tuple(
        NO_CLASS if label is None else _one_of(named.get(_key(label), ()), number, label)
        for number, label in enumerate(labels)
    )
    found = set(ids) - {NO_CLASS, NO_CATEGORY}
    if found:
        how = f"Classes are categories of the same name: {len(found)} of {len(categories)} categories."
        return ClassTable(ids, known, how, tuple(_out_of_reach(categories, found)))
    classes = {number: label for number, label in enumerate(labels) if label}
    if set(classes) == known and not _is_plain(known):
        how = "Classes are categories of the same number: the ids are the same ones, the names are others."
        return ClassTable(None, known, how, (how,))
    raise UserError(
        f"None of the model's classes is a category of the annotations. The model has {_listed(classes)}; the "
        f"annotations have {_listed({one.id: one.name for one in categories})}. {_STATE}"
    )


def _by_number(categories: Sequence[Category], known: frozenset[int], numbers: int | None) -> ClassTable:
    listed = _listed({one.id: one.name for one in categories})
    used = [one for one in categories if one.objects]
    if any(not (1 <= one.id < (numbers or one.id + 1)) for one in used):
        last = f"to {numbers - 1}" if numbers else "on"
        raise UserError(
            f"The names of the model's classes are not known, and its class numbers, from 1 {last}, are not the ids of "
            f"the annotations' categories ({listed}). {_STATE}"
        )
    coco = {_key(name): number for number, name in enumerate(COCO_NAMES, start=1)}
    names = [coco.get(_key(one.name), 0) for one in used]
    if numbers is None and all(names) and names != [one.id for one in used]:
        raise UserError(
            f"The names of the model's classes are not known, and the annotations' categories have COCO's names under "
            f"other ids ({listed}). {_STATE}"
        )
    return ClassTable(None, known, "The model's class numbers are taken as the ids of the categories.")


def _one_of(categories: Sequence[Category], number: int, label: str) -> int:
    """The id of the category that a label means; of several with its name, the only one that has objects."""
    used = [category for category in categories if category.objects] or categories
    if len(used) > 1:
        same = [category for category in used if category.id == number]
        if not same:
            ids = " and ".join(str(category.id) for category in used)
            raise UserError(
                f"The annotations have several categories named {label!r} ({ids}). Rename one, or state which category "
                "each class is as `class_ids`."
            )
        used = same
    return used[0].id if used else NO_CATEGORY


def _out_of_reach(categories: Sequence[Category], found: set[int]) -> list[str]:
    """A note on annotated objects whose category no class is."""
    rest = [category for category in categories if category.objects and category.id not in found]
    if not rest:
        return []
    objects = sum(category.objects for category in rest)
    return [
        f"{len(rest)} of {len(categories)} categories are not among the model's classes, so that none of their "
        f"{objects} objects can be found: {', '.join(category.name for category in rest)}."
    ]


def _is_plain(ids: frozenset[int]) -> bool:
    """Whether ids are those of any list: from 0 or 1 on without a gap."""
    return max(ids) - min(ids) + 1 == len(ids) and min(ids) in (0, 1)


def _key(name: str) -> str:
    """What two spellings of a name share: letters and digits."""
    key = "".join(filter(str.isalnum, name.casefold())) or name
    return _OTHER_NAMES.get(key, key)


def _listed(names: Mapping[int, str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in sorted(names.items()))

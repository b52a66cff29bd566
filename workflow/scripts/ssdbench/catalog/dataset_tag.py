"""Dataset tags: a dataset's name, and which of its images are evaluated."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssdbench.errors import UserError

_TAG = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)"
    r"(-first(?P<first>[1-9]\d*)"
    r"|-fileorder(?P<fileorder>[1-9]\d*)"
    r"|-random(?P<random>[1-9]\d*)-seed(?P<seed>\d+)"
    r"|-ids-(?P<ids>[0-9a-f]{8}))?"
)


@dataclass(frozen=True)
class Tag:
    """A parsed dataset tag.

    rule: `all`, `first`, `fileorder`, `random` or `ids`. count and seed belong to the rule; ids is the first 8
    hex digits of the id file's sha256.
    """

    text: str
    name: str
    rule: str = "all"
    count: int = 0
    seed: int = 0
    ids: str = ""


def parse_tag(text: str) -> Tag:
    """Parse a dataset tag.

    Raises:
        UserError: it is not of the grammar.
    """
    match = _TAG.fullmatch(text)
    if match is None:
        raise UserError(
            f"The dataset tag {text!r} is not understood. It is a dataset's name, or one with -first<N>, "
            "-fileorder<N>, -random<N>-seed<S> or -ids-<8 hex digits>, for example coco_val2017-first500."
        )
    name = match["name"]
    for rule in ("first", "fileorder", "random"):
        if match[rule]:
            return Tag(text, name, rule, count=int(match[rule]), seed=int(match["seed"] or 0))
    if match["ids"]:
        return Tag(text, name, "ids", ids=match["ids"])
    return Tag(text, name)


def read_ids(text: str, file: str) -> list[int]:
    """The image ids in the text of an id file: one a line, empty lines and # comments passed over.

    Raises:
        UserError: a line is no id, an id stands twice, or there is none.
    """
    ids: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = line.split("#")[0].strip()
        if not entry:
            continue
        if not entry.isascii() or not entry.isdigit():
            raise UserError(f"{file}, line {number}: {entry!r} is not an image id; give one whole number a line.")
        ids.append(int(entry))
    if not ids:
        raise UserError(f"{file} holds no image id; give one whole number a line.")
    if len(set(ids)) != len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise UserError(f"{file} names the image id {twice} twice; remove one of them.")
    return ids


def select_ids(tag: Tag, file_order: Sequence[int], id_files: Mapping[str, Sequence[int]]) -> list[int]:
    """The ids that a tag selects, ascending except for `fileorder`, which keeps the annotation file's order.

    Args:
        tag: the tag.
        file_order: all image ids in the order of the annotation file.
        id_files: 8 hex digits -> ids.

    Raises:
        UserError: the dataset has fewer images than asked for, or no such ids.
    """
    known = sorted(file_order)
    if tag.count > len(known):
        raise UserError(
            f"The dataset tag {tag.text} asks for {tag.count} images, but {tag.name} has {len(known)}; "
            f"ask for at most {len(known)}."
        )
    if tag.rule == "first":
        return known[: tag.count]
    if tag.rule == "fileorder":
        return list(file_order[: tag.count])
    if tag.rule == "random":
        # Shuffling in place of random.sample: its draw for a seed has changed between Python versions before.
        generator = random.Random(tag.seed)  # noqa: S311
        keyed = sorted((generator.random(), image) for image in known)
        return sorted(image for _, image in keyed[: tag.count])
    if tag.rule == "ids":
        if tag.ids not in id_files:
            raise UserError(
                f"The dataset tag {tag.text} names an id file by its sha256, but no file under `id_files` has "
                f"a sha256 that starts with {tag.ids}."
            )
        unknown = sorted(set(id_files[tag.ids]) - set(known))
        if unknown:
            raise UserError(
                f"The id file of {tag.text} names image id {unknown[0]}, which {tag.name} does not have"
                f" ({len(unknown)} such ids)."
            )
        return sorted(id_files[tag.ids])
    return known

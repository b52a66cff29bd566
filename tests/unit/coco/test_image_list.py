"""The list of a dataset's images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.coco.image_list import ImageList, ImageRecord, read_image_list, write_image_list
from ssdbench.errors import UserError


def test_an_image_list_comes_back_as_it_was(tmp_path: Path) -> None:
    records = (ImageRecord(7, "é.jpg", 640, 480, "ab"), ImageRecord(9, "b.jpg", 1, 2, "cd"))
    with_annotations = ImageList("t-first2", "t", tmp_path, tmp_path / "a.json", "ef", records, ("A note.",))
    without_annotations = ImageList("local", "local", Path("images"), None, "", records, ())

    for images in (with_annotations, without_annotations):
        write_image_list(tmp_path / "images.json", images)
        assert read_image_list(tmp_path / "images.json") == images


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"images": [3]}'])
def test_another_file_is_no_image_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.json").write_text(text)

    with pytest.raises(UserError, match="is not an image list"):
        read_image_list(tmp_path / "images.json")

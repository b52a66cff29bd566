"""Figures of the package `tidecv`, as JSON: python tidecv_figures.py ANNOTATIONS DETECTIONS.

Run by the Python of a virtual environment that has tidecv: it is none of the project's packages, because it brings an
OpenCV of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

NAMES = {
    "Cls": "classification",
    "Loc": "localisation",
    "Both": "both",
    "Dupe": "duplicate",
    "Bkg": "background",
    "Miss": "missed",
}


def main(annotations: str, detections: str) -> None:
    from tidecv import TIDE, datasets

    content = json.loads(Path(annotations).read_text())
    for row in content["annotations"]:  # tidecv reads masks even where only boxes count
        row["segmentation"] = [[0, 0, 1, 0, 1, 1]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        path.write_text(json.dumps(content))
        truth = datasets.COCO(str(path))
    tide = TIDE()
    run = tide.evaluate(truth, datasets.COCOResult(detections), mode=TIDE.BOX)
    (costs,) = tide.get_main_errors().values()
    print(
        json.dumps(
            {
                "ap50": run.ap / 100,
                "cost": {NAMES[name]: cost / 100 for name, cost in costs.items()},
                "counts": {NAMES[kind.short_name]: count for kind, count in run.count_errors().items()},
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

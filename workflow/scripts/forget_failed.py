"""Delete what failed steps left, and files of earlier runs that are damaged, so that the next run makes them again.

`make retry` starts this. Files of the user's own are never touched.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.conversion.artifact import open_artifact
from ssdbench.errors import UserError, exit_code
from ssdbench.fetch.model_source import open_source
from ssdbench.files.reading import read_json, read_record
from ssdbench.images.pixels import read_image
from ssdbench.inference.trace import read_trace
from ssdbench.machine.host import available_cores
from ssdbench.plan import paths, targets
from ssdbench.plan.command_line import config_parser, plan_of
from ssdbench.plan.paths import fill
from ssdbench.plan.plan import Plan

_OF_A_PASS = ("detections.json", "detect.json", "seen.npz")


@dataclass(frozen=True)
class Made:
    """A file that a step made. read: raises a UserError where it is damaged. outputs: all that the step made, which has
    to go for the step to run again."""

    path: Path
    read: Callable[[Path], Any]
    outputs: tuple[Path, ...]


def made_files(plan: Plan) -> Iterator[Made]:
    """The files of earlier runs that later steps read, but for the records."""
    models = dict.fromkeys(name.model for name in plan.supported)
    for source in (Path(targets.source(model)) for model in models):
        yield Made(source / "source.json", lambda path: open_source(path.parent), (source,))
    for dataset in dict.fromkeys(["sample", *(plan.dataset(tag).name for tag in plan.tags)]):
        if not plan.is_local(dataset):
            annotations = Path(fill(paths.ANNOTATIONS, dataset=dataset))
            yield Made(annotations, read_annotations, (annotations, *_sample_folders(dataset)))
    for tag in plan.tags:
        of_tag = Path(plan.image_list(tag))
        kind = plan.dataset(tag).kind
        folders = [Path(fill(paths.TAG_IMAGES, tag=tag))] if kind == "coco" else _sample_folders(kind)
        yield Made(of_tag, read_image_list, (of_tag,))
        if kind != "local":
            yield Made(of_tag, _read_images, (of_tag, *folders))
    for calibration in dict.fromkeys(filter(None, map(plan.calibration_of, plan.supported))):
        chosen = Path(plan.calibration_list(calibration))
        yield Made(chosen, read_image_list, (chosen,))
    passes = [Path(plan.folder(name)) for name in plan.supported]
    for folder in (*passes, *(Path(record).parent for record in targets.shard_records(plan))):
        outputs = tuple(folder / name for name in _OF_A_PASS)
        yield Made(folder / "detections.json", read_detections, outputs)
        yield Made(folder / "seen.npz", read_trace, outputs)
    for summary in map(Path, targets.summaries(plan)):
        yield Made(summary, read_json, (summary,))


def _sample_folders(dataset: str) -> list[Path]:
    """The folders that are composed together with the embedded sample's annotations."""
    return [Path(fill(pattern, dataset=dataset)) for pattern in (paths.IMAGES, paths.CALIBRATION)] * (
        dataset == "sample"
    )


def _read_images(image_list: Path) -> None:
    """Read every image of a list and compare it with its hash."""
    listed = read_image_list(image_list)
    for image in listed.images:
        read_image(listed.folder / image.file_name, image.sha256)


def must_go(path: Path) -> bool:
    """Whether a record's status is `failed`, or it cannot be read, or it is a card whose model file is not there, or it
    is of a timing that was too large for the machine and is no longer."""
    try:
        record = read_record(path)
        if record["status"] == "ok" and path.name == "card.json":
            open_artifact(path)
        is_refused = record["status"] == "unsupported" and "setting" in record
        setting = Setting.of(record["setting"]) if is_refused else None
        return bool(record["status"] == "failed" or (setting and setting.cores <= available_cores()))
    except (UserError, KeyError, TypeError):
        return True


def is_damaged(made: Made) -> bool:
    """Whether a file is there and its reader refuses it."""
    try:
        if made.path.is_file():
            made.read(made.path)
    except UserError:
        return True
    return False


def forget(path: Path) -> None:
    """Delete a file or folder; of a card its whole folder, which is what Snakemake makes anew."""
    gone = path.parent if path.name == "card.json" else path
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    """Delete the failed records and damaged files of the configured cells and say which."""
    parser = config_parser(__doc__ or "")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be deleted")
    parser.add_argument("--cores", help="not needed here; `make` hands it on")
    options = parser.parse_known_args(arguments)[0]

    def work() -> None:
        plan = plan_of(options.configfile, options.config)
        records = map(Path, (*targets.records(plan), *targets.shard_records(plan)))
        failed = {path: "" for path in records if path.is_file() and must_go(path)}
        damaged = [made for made in made_files(plan) if is_damaged(made)]
        for made in damaged:
            failed.update({path: f", for {made.path.name} is damaged" for path in made.outputs if path.exists()})
        for path, why in failed.items():
            if not options.dry_run:
                forget(path)
            print(f"to be made again: {path}{why}")
        if not failed:
            print("No failed step.")

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

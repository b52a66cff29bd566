"""The flags of run.py."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssdbench.catalog.class_words import labels_of
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.statement import FORM_VALUES, FormStatement
from ssdbench.errors import UserError

ALIASES = {"tf": "tensorflow", "ort": "onnxruntime", "ov": "openvino"}
PRECISIONS = ("fp32", "fp16", "int8", "int8_mixed", "int8_dynamic", "bf16")
_BY_SUFFIX = {".pb": "tensorflow", ".tflite": "tflite", ".onnx": "onnxruntime", ".xml": "openvino"}

_FORM_HELP = {
    "box_form": "what the boxes are: encodings of anchors, or decoded inside",
    "box_order": "y before x in a box, or x before y",
    "box_scale": "decoded boxes in shares of the sides, or in pixels of the input",
    "activation": "what the class scores still lack",
    "background": "where the column of the background class stands",
}


def parse_arguments(arguments: Sequence[str], environment: Mapping[str, str], description: str) -> argparse.Namespace:
    """The command line; paths and threads default to the environment's."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Stops after --timeout seconds, or after --num_runs calls. Accuracy counts each image once; "
        "when all images are through, they come again for timing only.",
    )
    parser.add_argument("-m", "--model_path", type=Path, help="the model file, or a SavedModel folder")
    parser.add_argument(
        "--inspect",
        type=Path,
        metavar="FILE",
        help="look at a model file: print what it takes and gives, what must be stated, and its registry row",
    )
    parser.add_argument("-p", "--precision", choices=PRECISIONS, help="precision of the model file")
    parser.add_argument(
        "-f",
        "--framework",
        choices=[*ALIASES, *frameworks()],
        help="what runs it; with tf, a .tflite file is run by TFLite (--inspect: by the file's ending)",
    )
    parser.add_argument("-b", "--batch_size", type=positive, default=1, help="images in one call (default: 1)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to run, without --num_runs (default: 60)")
    parser.add_argument("--num_runs", type=positive, help="calls to make, in place of --timeout")
    parser.add_argument(
        "--images_path",
        type=Path,
        default=environment.get("COCO_IMG_PATH") or None,
        help="folder of the images (default: COCO_IMG_PATH)",
    )
    parser.add_argument(
        "--anno_path",
        type=Path,
        default=environment.get("COCO_ANNO_PATH") or None,
        help="COCO instances JSON (default: COCO_ANNO_PATH)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=environment.get("AIO_NUM_THREADS") or "1",
        help="intra-op threads (default: AIO_NUM_THREADS, else 1)",
    )
    parser.add_argument(
        "--log",
        type=Path,
        help="a file for what the framework itself says, and all of its errors (default: their first line is shown)",
    )
    parser.add_argument(
        "--orientation",
        choices=["stored", "displayed"],
        help="which pixels the annotations mean where EXIF turns an image (default: found by the annotated sizes)",
    )
    form = parser.add_argument_group(
        "what the file does not tell by itself", "The keys of a registry row have the same names and values."
    )
    form.add_argument(
        "--input_size",
        type=pixel_size,
        help="height x width that is fed, such as 240x320, or one number for a square (default: the model's own; "
        "300 where it takes any)",
    )
    form.add_argument("--channel_order", choices=["rgb", "bgr"], default="rgb", help="colours fed (default: rgb)")
    for name, what in (("mean", "subtracted from"), ("std", "then divides")):
        form.add_argument(
            f"--{name}", type=float, nargs="+", help=f"what is {what} pixels (0 to 255): one number, or one per channel"
        )
    for key, values in FORM_VALUES.items():
        form.add_argument(f"--{key}", choices=values, help=_FORM_HELP[key])
    form.add_argument(
        "--box_coder",
        type=float,
        nargs=4,
        help="divisors of ty, tx, th, tw (default: told by the values, else 10 10 5 5)",
    )
    form.add_argument(
        "--anchors",
        type=Path,
        help="for encodings: a .json or .npy file of [A, 4] ymin, xmin, ymax, xmax, normalised (default: card.json "
        "beside the model, its own output, or the standard 1917 of SSD MobileNet at 300x300)",
    )
    form.add_argument(
        "--class_ids",
        nargs="+",
        type=class_item,
        help="the category's id of each class in the file's order: numbers, ranges such as 1-11, null for none",
    )
    form.add_argument(
        "--labels",
        help="in place of ids, the classes' names: `coco`, or a text file with a name a line (default: COCO's names if "
        "the file has as many classes as COCO)",
    )
    options = parser.parse_args(arguments)
    if options.inspect is not None:
        options.model_path = options.inspect
    missing = [f"--{name}" for name in ("model_path", "precision", "framework") if getattr(options, name) is None]
    if missing and (options.inspect is None or "--model_path" in missing):
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    return options


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def pixel_size(text: str) -> tuple[int, int]:
    """Height and width of `240x320`, or of a square's side."""
    sides = [positive(side) for side in text.lower().split("x")]
    height, width = sides if len(sides) == 2 else (*sides, *sides)
    return height, width


def class_item(text: str) -> int | str | None:
    """A number, a range such as `1-11`, or null."""
    if text == "null":
        return None
    first, is_range, last = text.partition("-")
    int(first), int(last if is_range else first)
    return text if is_range else int(first)


def stated_labels(options: argparse.Namespace) -> tuple[str | None, ...]:
    """The class names by class number.

    Raises:
        UserError: their file cannot be read.
    """
    if options.labels is None or options.labels == "coco":
        return labels_of(options.labels or ())
    try:
        return labels_of(Path(options.labels).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The class names in {options.labels} cannot be read: {error}.") from error


def framework_of(options: argparse.Namespace) -> str:
    """The framework's full word; TensorFlow's users give their .tflite files to it as well."""
    if options.framework is None:
        return _BY_SUFFIX.get(options.model_path.suffix, "tensorflow")
    name = ALIASES.get(options.framework, options.framework)
    return "tflite" if name == "tensorflow" and options.model_path.suffix == ".tflite" else str(name)


def stated_form(options: argparse.Namespace) -> FormStatement:
    """What the flags state of the outputs."""
    return FormStatement(**{key: getattr(options, key) for key in FORM_VALUES})


def stated_input(options: argparse.Namespace) -> Normalisation | None:
    """What the flags state of the input; the channel order is applied to the pixels, for every file alike.

    Raises:
        UserError: one of mean and std without the other, or another number of them than one or three.
    """
    if options.mean is None and options.std is None:
        return None
    if options.mean is None or options.std is None:
        raise UserError("--mean and --std go together: give both, in pixel units (0 to 255).")
    for name in ("mean", "std"):
        if len(getattr(options, name)) not in (1, 3):
            raise UserError(f"--{name} takes one number, or three, one for each channel.")
    if min(options.std) <= 0:
        raise UserError("--std must be above 0.")
    mean, std = (values[0] if len(values) == 1 else values for values in (options.mean, options.std))
    return Normalisation.of_mean_and_std(mean, std)

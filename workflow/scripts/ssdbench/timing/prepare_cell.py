"""From the card of an artifact to what the process of its cell does in a timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ssdbench.boxes.decoding import detections_of
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.categories import Category
from ssdbench.coco.image_list import ImageRecord
from ssdbench.conversion.artifact import check_processor, open_artifact
from ssdbench.images.pixels import resize_image
from ssdbench.inference.detect import fed_size, head_decoding
from ssdbench.machine.cores import choose_cores
from ssdbench.machine.host import cpu_flags, int8_saturates, limit_pools
from ssdbench.runtimes import import_framework, open_session
from ssdbench.timing.cell_turns import CellWork, Images, OpenCell


def cell_work(
    card_file: Path,
    framework: str,
    precision: str,
    protocol_name: str,
    nms: Mapping[str, float],
    images: Images,
    setting: Setting,
    cores: tuple[int, ...],
    categories: Sequence[Category] = (),
) -> CellWork:
    """What the process of one cell does at a setting; see `CellWork`. Nothing is read or imported yet.

    Models are loaded on as many other cores as they run on, if there are any.
    """

    def prepare() -> Callable[[], OpenCell]:
        limit_pools(setting.threads)
        import_framework(framework)
        card, artifact = open_artifact(card_file)
        check_processor(card, int8_saturates(cpu_flags()))
        how, decoding = protocol(protocol_name), head_decoding(card, nms, categories)
        size = fed_size(card, how)
        normalisation = Normalisation(**card["normalisation"])

        def postprocess(output: Heads | Finished, records: Sequence[ImageRecord]) -> object:
            return detections_of(output, [(record.width, record.height) for record in records], decoding)

        def load() -> OpenCell:
            sessions = [
                open_session(framework, artifact, setting.threads, normalisation, precision)
                for _ in range(setting.streams)
            ]
            return OpenCell(sessions, lambda image: resize_image(image, size, how.channel_order), postprocess)

        return load

    return CellWork(prepare, images, setting.batch, cores, choose_cores(len(cores), leave=cores) or cores)
